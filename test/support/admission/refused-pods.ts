import { applying, container, core, editing, inLax, lax, making, merging, mergingByKind, pod } from "./objects.ts";
import type { Attempt } from "./attempt.ts";

const made = (what: string, word: string, spec: object): Attempt => ({
  what: `a pod with ${what}`,
  policy: "pods",
  word,
  request: making(`${inLax}/pods`, pod(spec)),
});

/** Sources of volumes that are none of the API's own objects. */
const sources: readonly object[] = [
  { hostPath: { path: "/" } },
  { hostPath: { path: "/var/log", type: "Directory" } },
  { persistentVolumeClaim: { claimName: "claim" } },
  {
    ephemeral: {
      volumeClaimTemplate: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
    },
  },
  { csi: { driver: "hostpath.csi.k8s.io" } },
  { image: { reference: "lab.invalid/another:1" } },
  { nfs: { server: "127.0.0.1", path: "/" } },
  { iscsi: { targetPortal: "127.0.0.1", iqn: "iqn.2001-04.com.example:storage", lun: 0 } },
  { fc: { targetWWNs: ["50060e801049cfd1"], lun: 0 } },
  { flexVolume: { driver: "example.org/any" } },
  { cephfs: { monitors: ["127.0.0.1"] } },
  { rbd: { monitors: ["127.0.0.1"], image: "any" } },
  { glusterfs: { endpoints: "any", path: "/" } },
  { gitRepo: { repository: "file:///etc" } },
];

type Kind = "containers" | "initContainers" | "ephemeralContainers";
const everyKind: readonly Kind[] = ["containers", "initContainers", "ephemeralContainers"];
const unmasked = { spec: { hostUsers: false } };

interface OfContainer {
  readonly what: string;
  readonly word: string;
  readonly more: object;
  readonly spec?: object;
  readonly kinds?: readonly Kind[];
  readonly itself?: RegExp;
}

const secured = (what: string, word: string, securityContext: object): OfContainer => ({ what, word, more: { securityContext } });
const handled = (field: string, handler: object): OfContainer => ({
  what: `${field} on another host`,
  word: "names no host",
  more: { [field]: handler, restartPolicy: undefined },
  kinds: ["containers"],
});
const elsewhere = { httpGet: { host: "127.0.0.1", port: 80 } };

const ofContainers: readonly OfContainer[] = [
  { ...secured("privileges", "no container is privileged", { privileged: true }), itself: /disallowed by cluster policy/ },
  secured("SYS_ADMIN", "adds no capabilities but", { capabilities: { add: ["SYS_ADMIN"] } }),
  secured("ALL capabilities", "adds no capabilities but", { capabilities: { drop: ["ALL"], add: ["ALL"] } }),
  secured("NET_RAW beside an allowed one", "adds no capabilities but", { capabilities: { add: ["CHOWN", "NET_RAW"] } }),
  secured("a capability by its long name", "adds no capabilities but", { capabilities: { add: ["CAP_SYS_PTRACE"] } }),
  secured("no seccomp filter", "seccompProfile is RuntimeDefault", { seccompProfile: { type: "Unconfined" } }),
  secured("a seccomp filter of the node", "seccompProfile is RuntimeDefault", {
    seccompProfile: { type: "Localhost", localhostProfile: "any.json" },
  }),
  secured("no AppArmor profile", "appArmorProfile is RuntimeDefault", { appArmorProfile: { type: "Unconfined" } }),
  secured("a user of SELinux", "seLinuxOptions has no user", { seLinuxOptions: { user: "system_u" } }),
  secured("a role of SELinux", "seLinuxOptions has no user", { seLinuxOptions: { role: "sysadm_r" } }),
  secured("a type of SELinux", "seLinuxOptions has no user", { seLinuxOptions: { type: "spc_t" } }),
  {
    ...secured("an unmasked /proc", "procMount is Default", { procMount: "Unmasked" }),
    ...unmasked,
    kinds: ["containers", "initContainers"],
  },
  {
    what: "a port of the node",
    word: "no hostPort",
    more: { ports: [{ containerPort: 80, hostPort: 80 }] },
    kinds: ["containers", "initContainers"],
  },
  handled("livenessProbe", elsewhere),
  handled("readinessProbe", { tcpSocket: { host: "127.0.0.1", port: 80 } }),
  handled("startupProbe", elsewhere),
  handled("lifecycle", { postStart: elsewhere }),
  handled("lifecycle", { preStop: elsewhere }),
  {
    what: "an environment out of a file",
    word: "fileKeyRef",
    more: { env: [{ name: "X", valueFrom: { fileKeyRef: { volumeName: "shared", path: "x", key: "X" } } }] },
    spec: { volumes: [{ name: "shared", emptyDir: {} }] },
    kinds: ["containers", "initContainers"],
  },
];

function inKind(kind: Kind, { what, word, more, spec = {}, itself }: OfContainer): Attempt {
  const row = { what: `${kind} with ${what}`, policy: "pods", word, ...(itself && { itself }) };
  const bad = container({ ...more, name: "bad" });
  if (kind === "ephemeralContainers")
    return { ...row, request: mergingByKind(`${inLax}/pods/calm/ephemeralcontainers`, { spec: { ephemeralContainers: [bad] } }) };
  const containers = kind === "containers" ? { containers: [container(), bad] } : { initContainers: [bad] };
  return { ...row, request: making(`${inLax}/pods`, pod({ ...spec, ...containers })) };
}

const appArmor = "container.apparmor.security.beta.kubernetes.io/app";
const unconfined = { annotations: { [appArmor]: "unconfined" } };
const binding = {
  apiVersion: "v1",
  kind: "Binding",
  metadata: { name: "calm", namespace: lax, ...unconfined },
  target: { apiVersion: "v1", kind: "Node", name: "calm" },
};
const annotated = (what: string, request: Attempt["request"], itself?: RegExp): Attempt => ({
  what: `${what} that takes AppArmor away by annotation`,
  policy: "pod-annotations",
  word: "AppArmor annotation",
  request,
  ...(itself && { itself }),
});

const outdated = (what: string, request: Attempt["request"]): Attempt => ({
  what: `${what} of a pod of before that has a folder of the host`,
  policy: "pods",
  word: "a volume is one of",
  request,
});

export const refusedPods: readonly Attempt[] = [
  ...sources.map((source) => made(`the volume ${JSON.stringify(source)}`, "a volume is one of", { volumes: [{ name: "v", ...source }] })),
  made("a claim behind allowed volumes", "a volume is one of", {
    volumes: [
      { name: "a", emptyDir: {} },
      { name: "b", persistentVolumeClaim: { claimName: "claim" } },
    ],
  }),
  ...["hostNetwork", "hostPID", "hostIPC"].map((field) => made(field, field, { [field]: true })),
  made("an unsafe sysctl", "sets no sysctls but", { securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }),
  made("no seccomp filter for all", "seccompProfile is", { securityContext: { seccompProfile: { type: "Unconfined" } } }),
  made("no AppArmor profile for all", "appArmorProfile is", { securityContext: { appArmorProfile: { type: "Unconfined" } } }),
  made("a type of SELinux for all", "seLinuxOptions has", { securityContext: { seLinuxOptions: { type: "spc_t" } } }),
  made("another runtime", "no runtimeClassName", { runtimeClassName: "other" }),
  made("a claim on a device", "no resourceClaims", { resourceClaims: [{ name: "gpu", resourceClaimName: "gpu" }] }),
  made("hostNetwork, bound to a node by hand", "hostNetwork", { hostNetwork: true, nodeName: "node" }),
  made("hostPID, on the lab host", "hostPID", { hostPID: true, nodeName: "lab-host", tolerations: [{ operator: "Exists" }] }),
  {
    what: "a pod that a learner's own policy gives hostPID",
    policy: "pods",
    word: "hostPID",
    request: making(`${inLax}/pods`, pod({}, "attempt", { labels: { mutated: "yes" } })),
  },
  ...ofContainers.flatMap((row) => (row.kinds ?? everyKind).map((kind) => inKind(kind, row))),
  outdated("a label", merging(`${inLax}/pods/old`, { metadata: { labels: { touched: "yes" } } })),
  outdated("a label by strategic merge", mergingByKind(`${inLax}/pods/old`, { metadata: { labels: { touched: "yes" } } })),
  outdated("a label by JSON patch", editing(`${inLax}/pods/old`, [{ op: "add", path: "/metadata/labels", value: { touched: "yes" } }])),
  outdated(
    "the image, applied",
    applying(`${inLax}/pods/old`, { ...pod({ containers: [container({ image: "lab.invalid/app:2" })] }, "old") }),
  ),
  outdated(
    "the size",
    mergingByKind(`${inLax}/pods/old/resize`, { spec: { containers: [{ name: "app", resources: { requests: { cpu: "2m" } } }] } }),
  ),
  annotated("a pod", making(`${inLax}/pods`, pod({}, "attempt", unconfined))),
  annotated("an update", merging(`${inLax}/pods/calm`, { metadata: unconfined }), /may not add AppArmor annotations/),
  annotated("a status", merging(`${inLax}/pods/calm/status`, { metadata: unconfined }), /may not add AppArmor annotations/),
  annotated("a binding", making(`${inLax}/pods/calm/binding`, binding)),
  annotated("a binding of the older kind", making(`${core}/namespaces/${lax}/bindings`, binding)),
];
