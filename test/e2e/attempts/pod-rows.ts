import { wasAccepted, type Attempt } from "./attempt.ts";
import { pathOf, type Kube, type KubeAnswer, type KubeObject } from "./kube.ts";
import { namespace } from "./objects.ts";
import type { Scene } from "./scene.ts";

const told = ({ status, text }: KubeAnswer) => `HTTP ${status}: ${text.slice(0, 600)}`;

interface PodChange {
  readonly metadata?: object;
  readonly spec?: object;
  readonly container?: object;
  readonly context?: object;
}

/** A pod that is admitted everywhere, but for what a row changes in it. */
export function podOf(
  name: string,
  { metadata = {}, spec = {}, container = {}, context = {} }: PodChange = {},
  inNamespace = "default",
): KubeObject {
  const securityContext = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    runAsNonRoot: true,
    runAsUser: 65532,
    seccompProfile: { type: "RuntimeDefault" },
    ...context,
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: inNamespace, ...metadata },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      ...spec,
      containers: [{ name: "x", image: "127.0.0.1:1/none:1", securityContext, ...container }],
    },
  };
}

const dryRun = "?dryRun=All";

/** A row whose requests the API server is to refuse, every one. */
function refused(id: string, what: string, requests: (scene: Scene) => Promise<readonly KubeAnswer[]>, finding?: number): Attempt {
  return {
    id,
    ...(finding !== undefined && { finding }),
    kind: "pod",
    as: "learner",
    // Where pods are simulated, no pod runs, whatever it asks for.
    nodes: "real",
    what,
    async attempt(scene) {
      const answers = await requests(scene);
      const taken = answers.find(({ status }) => status < 300);
      if (taken !== undefined) scene.accepted = told(taken);
      return answers.map(told).join("\n");
    },
    proof: wasAccepted,
  };
}

const volume = (source: object): PodChange => ({ spec: { volumes: [{ name: "x", ...source }] } });

/** What no pod of a learner has, whether or not there is a node that would run it. */
const pods: Readonly<Record<string, PodChange>> = {
  "a folder of the node": volume({ hostPath: { path: "/" } }),
  "the network of the node": { spec: { hostNetwork: true } },
  "the processes of the node": { spec: { hostPID: true } },
  "the IPC of the node": { spec: { hostIPC: true } },
  "a port of the node": { container: { ports: [{ containerPort: 80, hostPort: 80 }] } },
  "the capability SYS_ADMIN": { context: { capabilities: { add: ["SYS_ADMIN"] } } },
  "the capability NET_RAW": { context: { capabilities: { add: ["NET_RAW"] } } },
  "a setting of the kernel": { spec: { securityContext: { sysctls: [{ name: "kernel.core_pattern", value: "|/x" }] } } },
  "no seccomp filter": { context: { seccompProfile: { type: "Unconfined" } } },
  "a seccomp filter of the node": { context: { seccompProfile: { type: "Localhost", localhostProfile: "x" } } },
  "no AppArmor profile": { context: { appArmorProfile: { type: "Unconfined" } } },
  "every privilege": { context: { privileged: true, allowPrivilegeEscalation: true } },
  "an unmasked /proc": { context: { procMount: "Unmasked" }, spec: { hostUsers: false } },
  "another runtime": { spec: { runtimeClassName: "other" } },
  "an SELinux type of the host": { context: { seLinuxOptions: { type: "spc_t" } } },
  "a share over NFS": volume({ nfs: { server: "127.0.0.1", path: "/" } }),
  "a block device over iSCSI": volume({ iscsi: { targetPortal: "127.0.0.1", iqn: "iqn.2026-01.org.example:x", lun: 0 } }),
  "a volume of a program on the node": volume({ flexVolume: { driver: "example.org/x" } }),
  "a volume of a driver": volume({ csi: { driver: "example.org" } }),
  "a repository that the kubelet clones": volume({ gitRepo: { repository: "--upload-pack=touch /tmp/x;false" } }),
  "a disk of a cloud": volume({ azureFile: { secretName: "x", shareName: "x" } }),
  "a volume that is another learner's image": volume({ image: { reference: "127.0.0.1:1/bob/backend:latest" } }),
  "a probe that asks the node's loopback": { container: { livenessProbe: { httpGet: { host: "127.0.0.1", port: 10248, path: "/" } } } },
  "a hook that asks the node's loopback": {
    container: { lifecycle: { postStart: { httpGet: { host: "127.0.0.1", port: 10248, path: "/" } } } },
  },
};

const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");

/** Makes the row's namespace, and tries a pod in it that shares the node's processes. */
async function weaken(scene: Scene, change: (kube: Kube, object: KubeObject) => Promise<KubeAnswer>): Promise<KubeAnswer[]> {
  const own = namespace(scene.name);
  await scene.kube.apply(own);
  const changed = await change(scene.kube, own);
  const pod = await scene.kube.create(podOf("x", { spec: { hostPID: true } }, scene.name), dryRun);
  // That the label is taken is no harm while the pod is refused.
  return [{ status: changed.status < 300 ? 400 : changed.status, text: changed.text }, pod];
}

const lax = { "pod-security.kubernetes.io/enforce": "privileged" };

const persistentVolume = (scene: Scene, source: object): KubeObject => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: scene.name },
  spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteMany"], ...source },
});

const nodeAffinity = { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "x", operator: "Exists" }] }] } };

export const podRows: readonly Attempt[] = [
  ...Object.entries(pods).map(([what, change]) =>
    refused(`pod-with-${slug(what)}`, `A pod has ${what}.`, async (scene) => [await scene.kube.create(podOf(scene.name, change), dryRun)]),
  ),
  refused("pod-by-deployment", "A Deployment's pods share the node's processes.", async (scene) => {
    const { metadata: _, ...template } = podOf("x", { spec: { hostPID: true } });
    const pod = podOf(scene.name, { spec: { hostPID: true } });
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: scene.name, namespace: "default" },
      spec: {
        selector: { matchLabels: { x: "y" } },
        template: { metadata: { labels: { x: "y" } }, spec: { ...(template["spec"] as object), restartPolicy: "Always" } },
      },
    };
    // It is taken; its pods are not.
    scene.tell((await scene.kube.create(deployment)).text.slice(0, 300));
    return [await scene.kube.create(pod, dryRun)];
  }),
  refused("namespace-label-created", "A namespace is made that enforces nothing.", (scene) =>
    weaken(scene, (kube) => kube.create({ ...namespace(`${scene.name}-lax`, lax) })),
  ),
  refused("namespace-label-updated", "A namespace's label is changed so that it enforces nothing.", (scene) =>
    weaken(scene, (kube, own) => kube.patch(pathOf(own), { metadata: { labels: lax } })),
  ),
  refused(
    "namespace-label-by-status",
    "The label is changed through the namespace's status.",
    (scene) => weaken(scene, (kube, own) => kube.patch(`${pathOf(own)}/status`, { metadata: { labels: lax } })),
    9,
  ),
  refused(
    "namespace-label-by-finalize",
    "The label is changed through the namespace's end.",
    (scene) =>
      weaken(scene, async (kube, own) => {
        const present = JSON.parse((await kube.send("GET", pathOf(own))).text) as KubeObject;
        const labels = { ...(present.metadata["labels"] as object), ...lax };
        return kube.send("PUT", `${pathOf(own)}/finalize`, { ...present, metadata: { ...present.metadata, labels } });
      }),
    9,
  ),
  refused("namespace-version-label", "A namespace enforces what the standard said in its first version.", (scene) =>
    weaken(scene, (kube, own) =>
      kube.patch(pathOf(own), {
        metadata: { labels: { "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.0" } },
      }),
    ),
  ),
  refused("policies-deleted", "All policies of admission are deleted.", (scene) =>
    weaken(scene, async (kube) => {
      await kube.send("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings");
      return kube.send("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies");
    }),
  ),
  refused(
    "volume-of-node",
    "A PersistentVolume is a folder of the node, which Pod Security does not look at.",
    async (scene) => [
      await scene.kube.create(persistentVolume(scene, { hostPath: { path: "/" } }), dryRun),
      await scene.kube.create(persistentVolume(scene, { local: { path: "/" }, nodeAffinity }), dryRun),
    ],
    8,
  ),
  refused(
    "volumes-elsewhere",
    "A PersistentVolume is on loopback or a driver's.",
    async (scene) =>
      Promise.all(
        [
          { nfs: { server: "127.0.0.1", path: "/" } },
          { iscsi: { targetPortal: "127.0.0.1", iqn: "iqn.2026-01.org.example:x", lun: 0 } },
          { flexVolume: { driver: "example.org/x" } },
          { csi: { driver: "example.org", volumeHandle: "x" } },
          { fc: { targetWWNs: ["x"], lun: 0 } },
        ].map((source) => scene.kube.create(persistentVolume(scene, source), dryRun)),
      ),
    8,
  ),
  refused("capability-by-ephemeral-container", "A container with SYS_ADMIN is put into a pod that runs.", async (scene) => {
    const { items } = JSON.parse((await scene.kube.send("GET", "/api/v1/namespaces/production/pods")).text) as { items: KubeObject[] };
    const container = { name: "x", image: "127.0.0.1:1/none:1", securityContext: { capabilities: { add: ["SYS_ADMIN"] } } };
    const path = `/api/v1/namespaces/production/pods/${items[0]!.metadata.name}/ephemeralcontainers${dryRun}`;
    return [await scene.kube.send("PATCH", path, { spec: { ephemeralContainers: [container] } }, "application/strategic-merge-patch+json")];
  }),
];
