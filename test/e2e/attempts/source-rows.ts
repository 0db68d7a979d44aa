import ssh2 from "ssh2";
import { deflateSync, gzipSync } from "node:zlib";
import { reachedLoopback, gotCanary, leftMarker, wasAccepted, type Attempt } from "./attempt.ts";
import { byObjects, secretOf, sourceOf } from "./flux.ts";
import { cluster } from "./ground.ts";
import { fromOwnBranch } from "./own-branch.ts";
import { pushArtifact, tarOf } from "./images.ts";
import type { KubeObject } from "./kube.ts";
import type { Scene } from "./scene.ts";

const images = (scene: Scene, spec: object): KubeObject => ({
  apiVersion: "image.toolkit.fluxcd.io/v1",
  kind: "ImageRepository",
  metadata: { name: scene.name, namespace: cluster },
  spec: { interval: "1h", timeout: "10s", ...spec },
});

const onLoopback = (scene: Scene) => `127.0.0.1:${scene.trap.port}`;

/** Ready says that a source came whole: where it should never come, that is the proof. */
function byReady(row: Omit<Attempt, "attempt" | "as" | "nodes" | "proof" | "kind">, objects: (scene: Scene) => KubeObject[]): Attempt {
  return {
    ...row,
    kind: "source",
    as: "learner",
    nodes: "both",
    async attempt(scene) {
      const all = objects(scene);
      await scene.kube.apply(...all);
      const { status, words } = await scene.settled(all.at(-1)!);
      if (status === "True") scene.accepted = words;
      return words;
    },
    proof: wasAccepted,
  };
}

/** Sources whose address is a listener on loopback, by kind. */
const loopbackSources: Readonly<Record<string, (scene: Scene) => KubeObject[]>> = {
  "git-repository": (scene) => [sourceOf(scene, "GitRepository", { url: `${scene.trapUrl}/x.git`, ref: { branch: "main" } })],
  "git-ssh": (scene) => [
    secretOf(scene, {
      identity: sshKey,
      known_hosts: "127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4",
    }),
    sourceOf(scene, "GitRepository", { url: `ssh://git@${onLoopback(scene)}/x.git`, secretRef: { name: scene.name } }),
  ],
  "git-proxy": (scene) => [
    secretOf(scene, { address: scene.trapUrl }),
    sourceOf(scene, "GitRepository", { url: "http://example.org/x.git", proxySecretRef: { name: scene.name } }),
  ],
  "helm-repository": (scene) => [sourceOf(scene, "HelmRepository", { url: scene.trapUrl })],
  "oci-repository": (scene) => [sourceOf(scene, "OCIRepository", { url: `oci://${onLoopback(scene)}/xx`, insecure: true })],
  bucket: (scene) => [
    secretOf(scene, { accesskey: "x", secretkey: "x" }),
    sourceOf(scene, "Bucket", {
      provider: "generic",
      bucketName: "xxx",
      endpoint: onLoopback(scene),
      insecure: true,
      secretRef: { name: scene.name },
    }),
  ],
  "bucket-token-service": (scene) => [
    secretOf(scene, { username: "x", password: "x" }),
    sourceOf(scene, "Bucket", {
      provider: "generic",
      bucketName: "xxx",
      endpoint: "example.org",
      sts: { provider: "ldap", endpoint: scene.trapUrl, secretRef: { name: scene.name } },
    }),
  ],
  "image-repository": (scene) => [images(scene, { image: `${onLoopback(scene)}/xx`, insecure: true })],
  "image-repository-certificate": (scene) => [
    secretOf(scene, { "ca.crt": "x" }),
    images(scene, { image: `${onLoopback(scene)}/xx`, certSecretRef: { name: scene.name } }),
  ],
};

const sshKey = ssh2.utils.generateKeyPairSync("ed25519").private;

/** Names and spellings that lead to the host's loopback, as a name would that changes its address between two looks. */
const spellings = ["localhost", "localhost.", "0.0.0.0", "127.1", "127.0.0.2", "2130706433", "[::1]", "[::ffff:127.0.0.1]"];

const bobsImage = (scene: Scene) => scene.ground.bob.images;

export const sourceRows: readonly Attempt[] = [
  ...Object.entries(loopbackSources).map(([id, objects]) =>
    byObjects(
      { kind: "source", id: `source-${id}`, what: `A source is at a listener on loopback: ${id}.`, proof: reachedLoopback },
      objects,
    ),
  ),
  {
    id: "source-spellings",
    kind: "source",
    as: "learner",
    nodes: "both",
    what: "A source is on loopback by other names, which any name may come to mean (DNS rebinding).",
    async attempt(scene) {
      const objects = spellings.map((host, index) => ({
        ...sourceOf(scene, "HelmRepository", { url: `http://${host}:${scene.trap.port}` }),
        metadata: { name: `${scene.name}-${index}`, namespace: cluster },
      }));
      await scene.kube.apply(...objects);
      return (await Promise.all(objects.map((object) => scene.settled(object)))).map(({ words }) => words).join("\n");
    },
    proof: reachedLoopback,
  },
  {
    id: "submodule-of-host",
    finding: 3,
    kind: "source",
    as: "learner",
    nodes: "both",
    what: "A submodule is a repository of the host, by its path.",
    attempt: (scene) =>
      fromOwnBranch(
        scene,
        async (folder) => {
          const { ground } = scene;
          await ground.commit("ada", folder, {
            ".gitmodules": `[submodule "x"]\n\tpath = ${scene.id}/x\n\turl = file://${ground.hostRepository}\n`,
            [`${scene.id}/kustomization.yaml`]: `configMapGenerator: [{name: ${scene.name}, files: [x/answers.txt]}]\n`,
          });
          await ground.git("ada", folder, "update-index", "--add", "--cacheinfo", `160000,${ground.hostCommit},${scene.id}/x`);
          await ground.git("ada", folder, "commit", "--quiet", "--message", "A submodule");
        },
        { recurseSubmodules: true },
      ),
    proof: gotCanary,
  },
  {
    id: "symbolic-link",
    kind: "source",
    as: "learner",
    nodes: "both",
    what: "A file of the repository is a symbolic link to a file of the host.",
    attempt: (scene) =>
      fromOwnBranch(scene, async (folder) => {
        await scene.ground.commit("ada", folder, {
          [`${scene.id}/kustomization.yaml`]: `configMapGenerator: [{name: ${scene.name}, files: [link]}]\n`,
        });
        const blob = await scene.ground.gitInput(folder, Buffer.from(scene.ground.secretFile), "hash-object", "-w", "--stdin");
        await scene.ground.git("ada", folder, "update-index", "--add", "--cacheinfo", `120000,${blob},${scene.id}/link`);
        await scene.ground.git("ada", folder, "commit", "--quiet", "--message", "A link");
      }),
    proof: gotCanary,
  },
  byReady({ id: "git-of-neighbour", what: "A GitRepository is another learner's, with the learner's own credential." }, (scene) => [
    scene.ground.gitRepository(scene.name, {
      url: String(scene.ground.fluxSource["url"]).replace(/[^/]+(?=\/[^/]+$)/, "bob"),
      ref: { branch: "main" },
    }),
  ]),
  {
    id: "git-by-path",
    kind: "source",
    as: "learner",
    nodes: "both",
    what: "A GitRepository is a path of the host.",
    async attempt(scene) {
      const { status, text } = await scene.kube.tryApply(
        scene.ground.gitRepository(scene.name, { url: `file://${scene.ground.hostRepository}` }),
      );
      if (status < 300) scene.accepted = "a path is an address";
      return `HTTP ${status}: ${text}`;
    },
    proof: wasAccepted,
  },
  byReady(
    { id: "artifact-of-neighbours-image", what: "An OCIRepository is another learner's image, with the learner's own credential." },
    (scene) => [
      sourceOf(scene, "OCIRepository", { url: `oci://${bobsImage(scene)}`, insecure: true, secretRef: { name: "backend-registry" } }),
    ],
  ),
  byReady({ id: "images-of-neighbour", what: "An ImageRepository scans another learner's images." }, (scene) => [
    images(scene, { image: bobsImage(scene), insecure: true, secretRef: { name: "backend-registry" } }),
  ]),
  byReady(
    {
      id: "chart-with-files-of-host",
      what: "A chart depends on a folder of the host and takes its values from a file there.",
      files: (scene) => ({
        "Chart.yaml": `apiVersion: v2\nname: x\nversion: 1.0.0\ndependencies: [{name: y, version: 1.0.0, repository: "file://${scene.ground.home}"}]\n`,
        "values.yaml": "a: b\n",
      }),
    },
    (scene) => [
      sourceOf(scene, "HelmChart", {
        chart: `./${scene.id}`,
        sourceRef: { kind: "GitRepository", name: "attempts" },
        valuesFiles: [`../../../../../../../..${scene.ground.secretFile}`],
      }),
    ],
  ),
  byArtifact("artifact-that-climbs", "An artifact's archive has paths that climb out, links and links to links.", leftMarker, (scene) =>
    gzipSync(
      tarOf(
        { name: `${"../".repeat(12)}${scene.marker.slice(1)}`, content: "x" },
        { name: "link", linkTo: scene.ground.markers },
        { name: `link/${scene.id}`, content: "x" },
        { name: scene.marker, content: "x" },
      ),
    ),
  ),
  byArtifact("artifact-bomb", "An artifact's layer is a thousand times larger than it looks.", wasAccepted, () =>
    // 512 MiB; the archive's own header promises as much.
    gzipSync(Buffer.concat([tarOf({ name: "zeros", size: 512 * 2 ** 20 }).subarray(0, 512), Buffer.alloc(512 * 2 ** 20)])),
  ),
  byArtifact("artifact-no-archive", "An artifact's layer says that it is compressed and is not.", wasAccepted, () => deflateSync("x")),
];

/** A row in which the learner pushes an artifact of their own and Flux is to unpack it. */
function byArtifact(id: string, what: string, proof: Attempt["proof"], layer: (scene: Scene) => Buffer): Attempt {
  return {
    id,
    kind: "source",
    as: "learner",
    nodes: "both",
    what,
    async attempt(scene) {
      const pushed = await pushArtifact(scene, layer(scene), "application/vnd.cncf.flux.content.v1.tar+gzip");
      if (pushed.refusal !== undefined) return scene.tell(pushed.refusal);
      const source = sourceOf(scene, "OCIRepository", {
        url: `oci://${scene.ground.ada.images}`,
        insecure: true,
        ref: { digest: pushed.digest },
        secretRef: { name: "backend-registry" },
        timeout: "60s",
      });
      await scene.kube.apply(source);
      const { status, words } = await scene.settled(source, 90);
      if (status === "True") scene.accepted = words;
      return words;
    },
    proof,
  };
}
