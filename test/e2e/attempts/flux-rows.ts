import { join } from "node:path";
import { stringify } from "yaml";
import { waitUntil } from "../../../shared/wait.ts";
import { gotCanary, leftMarker, reachedLoopback, wasAccepted, type Attempt, type Proof } from "./attempt.ts";
import { automationOf } from "./automation.ts";
import { byObjects, kustomizationOf, secretOf, sourceOf, type Row } from "./flux.ts";
import { cluster } from "./ground.ts";
import type { Handout } from "./handout.ts";
import { Kube, type KubeObject } from "./kube.ts";
import { configMap } from "./objects.ts";
import type { Scene } from "./scene.ts";

/** A kubeconfig that Flux is to use for what it applies. */
const kubeconfigWith = (server: string, cluster_: object, user: object) =>
  stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "x", cluster: { server, ...cluster_ } }],
    users: [{ name: "x", user }],
    contexts: [{ name: "x", context: { cluster: "x", user: "x" } }],
    "current-context": "x",
  });

/** A row in which a Kustomization takes its kubeconfig from a Secret. */
function byKubeconfig(row: Row, kubeconfig: (scene: Scene) => string): Attempt {
  return {
    ...byObjects({ ...row, kind: "flux" }, (scene) => [
      secretOf(scene, { value: kubeconfig(scene) }),
      kustomizationOf(scene, { kubeConfig: { secretRef: { name: scene.name } } }),
    ]),
    files: (scene) => ({ "own.yaml": stringify(configMap(scene)) }),
  };
}

/** What makes an API server trusted; every caller of it is shown as much. */
const authorityOf = ({ kubeconfig }: Handout) => ({
  "certificate-authority-data": /certificate-authority-data: (\S+)/.exec(kubeconfig)?.[1] ?? "",
});

const adasApi = (scene: Scene) => scene.kube.server;
const bobsApi = (scene: Scene) => new Kube(scene.ground.bob.kubeconfig, () => undefined);

/** The row's ConfigMap is in bob's cluster. */
const appliedAtBobs: Proof = {
  what: "an object of the learner's was applied in another learner's cluster",
  look: async (scene) => {
    const { status } = await bobsApi(scene).send("GET", `/api/v1/namespaces/default/configmaps/${scene.name}`);
    return status === 200 ? `the ConfigMap ${scene.name}` : undefined;
  },
};

/** The API server was shown the content of a file as a token; without the file nothing would have been sent. */
const sentFile: Proof = {
  what: "the content of a file of the host was sent as a token",
  look: async ({ told }) => told.find((text) => /Unauthorized|provide credentials/.test(text)),
};

/** A status that makes Flux believe that a source has other content. */
async function pretendArtifact(scene: Scene, artifact: object, isThere: boolean): Promise<string> {
  const repository = scene.ground.gitRepository(scene.name, { ref: { branch: "attempts" } });
  await scene.verdict(repository);
  await scene.kube.patch(scene.path(repository), { spec: { suspend: true } });
  const pretended = { ...artifact, revision: `main@sha1:${"0".repeat(40)}` };
  const { status, text } = await scene.kube.patch(`${scene.path(repository)}/status`, { status: { artifact: pretended } });
  if (status !== 200) throw new Error(`the status was not taken: ${text}`);
  const sourceRef = { kind: "GitRepository", name: scene.name };
  const kustomization = kustomizationOf(scene, { sourceRef, path: "./canary", namePrefix: `${scene.name}-` });
  if (isThere) return scene.verdict(kustomization);
  // Where nothing answers, Flux asks again and again before it comes to a verdict.
  await scene.kube.apply(kustomization);
  return scene.begun(kustomization);
}

export const fluxRows: readonly Attempt[] = [
  byKubeconfig(
    {
      id: "token-file",
      finding: 2,
      what: "A kubeconfig for Flux names a file of the host as its token and a listener on loopback as its server.",
      proof: reachedLoopback,
    },
    (scene) => kubeconfigWith(scene.trapUrl, {}, { tokenFile: scene.ground.secretFile }),
  ),
  byKubeconfig(
    {
      id: "token-file-own-server",
      finding: 2,
      what: "A kubeconfig for Flux names a file of the host as its token and the learner's own API server.",
      proof: sentFile,
    },
    (scene) => kubeconfigWith(adasApi(scene), authorityOf(scene.ground.ada), { tokenFile: scene.ground.secretFile }),
  ),
  byKubeconfig(
    {
      id: "certificate-file",
      what: "A kubeconfig for Flux names another learner's certificate by its path and their API server.",
      proof: appliedAtBobs,
    },
    (scene) => {
      const { pki } = scene.ground.paths.learner("bob");
      return kubeconfigWith(bobsApi(scene).server, authorityOf(scene.ground.bob), {
        "client-certificate": join(pki, "admin.crt"),
        "client-key": join(pki, "admin.key"),
      });
    },
  ),
  byKubeconfig(
    {
      id: "own-credential-elsewhere",
      what: "A kubeconfig for Flux names another learner's API server with the learner's own credential.",
      proof: appliedAtBobs,
    },
    (scene) =>
      scene.ground.ada.kubeconfig
        .replaceAll(adasApi(scene), bobsApi(scene).server)
        .replace(
          /certificate-authority-data: \S+/,
          `certificate-authority-data: ${authorityOf(scene.ground.bob)["certificate-authority-data"]}`,
        ),
  ),
  byKubeconfig({ id: "credential-program", what: "A kubeconfig for Flux names a program that logs in.", proof: leftMarker }, (scene) =>
    kubeconfigWith(adasApi(scene), authorityOf(scene.ground.ada), {
      exec: {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "/bin/sh",
        args: ["-c", `touch ${scene.marker}`],
        interactiveMode: "Never",
      },
    }),
  ),
  byKubeconfig({ id: "proxy-of-kubeconfig", what: "A kubeconfig for Flux names a proxy on loopback.", proof: reachedLoopback }, (scene) =>
    kubeconfigWith(adasApi(scene), { ...authorityOf(scene.ground.ada), "proxy-url": scene.trapUrl }, { token: "x" }),
  ),
  byObjects(
    {
      kind: "flux",
      id: "generic-provider",
      what: "A ConfigMap for Flux names a listener on loopback as the cluster's address.",
      proof: reachedLoopback,
    },
    (scene) => [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: scene.name, namespace: cluster },
        data: { provider: "generic", address: `https://127.0.0.1:${scene.trap.port}`, audiences: "x" },
      },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: scene.name, namespace: cluster } },
      kustomizationOf(scene, { path: "./", kubeConfig: { configMapRef: { name: scene.name } }, serviceAccountName: scene.name }),
    ],
  ),
  {
    id: "artifact-of-neighbour",
    finding: 5,
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "The status of a source says that its artifact is another learner's.",
    attempt: (scene) => pretendArtifact(scene, scene.ground.bobsArtifact, true),
    proof: gotCanary,
  },
  {
    id: "artifact-on-loopback",
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "The status of a source says that its artifact is at a listener on loopback.",
    attempt: (scene) => pretendArtifact(scene, { ...scene.ground.bobsArtifact, url: `${scene.trapUrl}/x.tar.gz` }, false),
    proof: reachedLoopback,
  },
  {
    id: "external-artifact",
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "An ExternalArtifact is said to be at a listener on loopback.",
    async attempt(scene) {
      const artifact: KubeObject = { ...sourceOf(scene, "ExternalArtifact", {}), spec: {} };
      await scene.kube.apply(artifact);
      const status = { artifact: { ...scene.ground.bobsArtifact, url: `${scene.trapUrl}/x.tar.gz` } };
      await scene.kube.patch(`${scene.path(artifact)}/status`, { status });
      return scene.verdict(kustomizationOf(scene, { sourceRef: { kind: "ExternalArtifact", name: scene.name } }));
    },
    proof: reachedLoopback,
  },
  {
    id: "template-of-commit",
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "The template of a commit's message asks for variables of the controller.",
    files: () => ({ "x.yaml": 'image: none:1 # {"$imagepolicy": "develop:backend"}\n' }),
    async attempt(scene) {
      const automation = automationOf(scene, 'KUBECONFIG={{ env "KUBECONFIG" }} {{ expandenv "$PATH" }}');
      await scene.kube.apply(automation);
      const { words } = await scene.settled(automation);
      await scene.ground.git("ada", scene.ground.home, "ls-remote", scene.ground.ada.gitUrl, scene.name).then(({ stdout }) => {
        if (stdout !== "") scene.accepted = `a commit on ${scene.name}`;
      });
      return words;
    },
    proof: wasAccepted,
  },
  {
    id: "no-helm-controller",
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "A HelmRelease has a post-renderer; its kind is defined by the learner, for the lab has none.",
    async attempt(scene) {
      const release: KubeObject = {
        apiVersion: "helm.toolkit.fluxcd.io/v2",
        kind: "HelmRelease",
        metadata: { name: scene.name, namespace: cluster },
      };
      const answer = await scene.kube.tryApply({ ...release, spec: { postRenderers: [{ kustomize: { patches: [] } }] } });
      if (answer.status < 300) scene.accepted = "the lab has Helm releases";
      return `HTTP ${answer.status}`;
    },
    proof: wasAccepted,
  },
  {
    id: "no-receiver",
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "A Receiver would open a webhook of the learner's; the lab has no controller for it.",
    async attempt(scene) {
      const receiver: KubeObject = {
        apiVersion: "notification.toolkit.fluxcd.io/v1",
        kind: "Receiver",
        metadata: { name: scene.name, namespace: cluster },
      };
      const answer = await scene.kube.tryApply({ ...receiver, spec: { type: "generic", resources: [], secretRef: { name: "x" } } });
      if (answer.status < 300) scene.accepted = "the lab has receivers";
      return `HTTP ${answer.status}`;
    },
    proof: wasAccepted,
  },
  {
    id: "patch-by-own-rights",
    finding: 1,
    kind: "flux",
    as: "learner",
    nodes: "both",
    what: "The Kustomization of the policy of images gets a component with an option of Git, by a patch.",
    async attempt(scene) {
      const path = `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${cluster}/kustomizations/image-automation`;
      const ref = `--upload-pack%3D${encodeURIComponent(`touch ${scene.marker};false`)}`;
      const before = JSON.parse((await scene.kube.send("GET", path)).text) as KubeObject;
      const patch = [{ op: "add", path: "/spec/components", value: [`file:///x?ref=${ref}`] }];
      const { status, text } = await scene.kube.send("PATCH", path, patch, "application/json-patch+json");
      if (status !== 200) return scene.tell(`HTTP ${status}: ${text}`);
      try {
        return (await scene.settled(before)).words;
      } finally {
        await scene.kube.send("PATCH", path, [{ op: "remove", path: "/spec/components" }], "application/json-patch+json");
        await waitUntil(
          async () =>
            (await scene.kube.ready(before))?.status === "True" ? { done: true, value: undefined } : { done: false, because: "" },
          { what: "image-automation to be as it was", timeoutSeconds: 60, intervalMs: 500, remedy: "" },
        );
      }
    },
    proof: leftMarker,
  },
];
