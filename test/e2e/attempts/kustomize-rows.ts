import { stringify } from "yaml";
import { gotCanary, leftMarker, reachedLoopback, type Attempt } from "./attempt.ts";
import { byFiles, secretOf, kustomizationOf } from "./flux.ts";
import { configMap } from "./objects.ts";
import type { Scene } from "./scene.ts";

const kustomization = (content: object) => ({ "kustomization.yaml": stringify(content) });

/** kustomize hands the ref of such an address to `git fetch`, which takes it for an option. */
const fetchOption = ({ marker }: Scene) => `file:///x?ref=--upload-pack%3D${encodeURIComponent(`touch ${marker};false`)}`;

const generator = (scene: Scene, files: readonly string[]) =>
  kustomization({ configMapGenerator: [{ name: scene.name, files }], generatorOptions: { disableNameSuffixHash: true } });

const annotated = (path: string) => ({
  apiVersion: "example.org/v1",
  kind: "Generator",
  metadata: { name: "x", annotations: { "config.kubernetes.io/function": path } },
});

/** Everything in a kustomization.yaml that may name a file by its address. */
const fieldsWithAddress: Readonly<Record<string, (address: string) => object>> = {
  crds: (address) => ({ crds: [address] }),
  configurations: (address) => ({ configurations: [address] }),
  openapi: (address) => ({ openapi: { path: address } }),
  patches: (address) => ({ patches: [{ path: address, target: { kind: "ConfigMap" } }] }),
  replacements: (address) => ({ replacements: [{ path: address }] }),
  transformers: (address) => ({ transformers: [address] }),
  generators: (address) => ({ generators: [address] }),
  components: (address) => ({ components: [address] }),
};

export const kustomizeRows: readonly Attempt[] = [
  byFiles(
    {
      id: "remote-base-option",
      finding: 1,
      what: "A remote base carries an option of Git in its ref, which runs a command.",
      proof: leftMarker,
    },
    (scene) => kustomization({ resources: [fetchOption(scene)] }),
  ),
  byFiles(
    {
      id: "component-option",
      finding: 1,
      what: "The same as a component of the Kustomization object, by kubectl alone.",
      proof: leftMarker,
    },
    (scene) => ({ ...kustomization({ resources: ["own.yaml"] }), "own.yaml": stringify(configMap(scene)) }),
    (scene) => ({ components: [fetchOption(scene)] }),
  ),
  byFiles(
    { id: "remote-base-neighbour", finding: 4, what: "A remote base is another learner's bare repository, by its path.", proof: gotCanary },
    (scene) =>
      kustomization({
        namePrefix: `${scene.name}-`,
        resources: [`file://${scene.ground.paths.git}/bob/${scene.ground.bob.gitUrl.split("/").at(-1)}//canary?ref=main`],
      }),
  ),
  byFiles({ id: "remote-base-checkout", finding: 3, what: "A remote base is a repository of the host.", proof: gotCanary }, (scene) => ({
    ...kustomization({ namePrefix: `${scene.name}-`, resources: [`file://${scene.ground.hostRepository}//lab?ref=main`] }),
  })),
  byFiles(
    {
      id: "generator-address",
      finding: 5,
      what: "A generated ConfigMap takes its file from an address on loopback.",
      proof: reachedLoopback,
    },
    (scene) => generator(scene, [`x=${scene.trapUrl}/x`]),
  ),
  byFiles(
    {
      id: "generator-neighbours-artifacts",
      finding: 5,
      what: "A generated ConfigMap takes the list of another learner's artifacts.",
      proof: gotCanary,
    },
    (scene) => generator(scene, [`x=${new URL(".", scene.ground.bobsArtifact.url).href}`]),
  ),
  byFiles({ id: "generator-absolute", what: "A generated ConfigMap takes an absolute path of the host.", proof: gotCanary }, (scene) =>
    generator(scene, [`x=${scene.ground.secretFile}`]),
  ),
  byFiles({ id: "generator-up", what: "A generated ConfigMap takes a path that climbs out of the folder.", proof: gotCanary }, (scene) =>
    generator(scene, [`x=${"../".repeat(12)}${scene.ground.secretFile.slice(1)}`]),
  ),
  byFiles(
    { id: "generator-environment", what: "A generated ConfigMap takes a file of variables from the host.", proof: gotCanary },
    (scene) =>
      kustomization({ configMapGenerator: [{ name: scene.name, envs: [`${"../".repeat(12)}${scene.ground.secretFile.slice(1)}`] }] }),
  ),
  byFiles({ id: "resource-up", what: "A resource is a path that climbs out of the folder.", proof: gotCanary }, (scene) =>
    kustomization({ resources: [`${"../".repeat(12)}${scene.ground.secretFile.slice(1)}`] }),
  ),
  byFiles(
    { id: "remote-base-http", what: "A remote base is fetched by Git from an address on loopback.", proof: reachedLoopback },
    (scene) => kustomization({ resources: [`${scene.trapUrl}/x.git//y?ref=main`] }),
  ),
  byFiles({ id: "remote-base-ext", what: "A remote base names Git's transport `ext`, which is a command.", proof: leftMarker }, (scene) =>
    kustomization({ resources: [`git::ext::sh -c "touch% ${scene.marker}"//x?ref=main`] }),
  ),
  byFiles(
    { id: "remote-base-ssh-option", what: "A remote base names an SSH host that is an option with a command.", proof: leftMarker },
    (scene) => kustomization({ resources: [`ssh://-oProxyCommand=touch%20${scene.marker}/x.git//y?ref=main`] }),
  ),
  byFiles({ id: "function-program", what: "A generator is a program in the learner's own folder.", proof: leftMarker }, (scene) => ({
    ...kustomization({ generators: ["run.yaml"] }),
    "run.yaml": stringify(annotated("exec:\n  path: ./run.sh\n")),
    "run.sh": `#!/bin/sh\ntouch ${scene.marker}\n`,
  })),
  byFiles(
    { id: "function-container", what: "A generator is a container with a folder of the host mounted.", proof: gotCanary },
    (scene) => ({
      ...kustomization({ generators: ["run.yaml"] }),
      "run.yaml": stringify(
        annotated(`container:\n  image: example.org/x\n  network: true\n  mounts: [{type: bind, src: ${scene.ground.markers}, dst: /x}]\n`),
      ),
    }),
  ),
  byFiles({ id: "helm-chart-inflator", what: "A chart is to be rendered by a Helm that the learner names.", proof: leftMarker }, () =>
    kustomization({ helmCharts: [{ name: "x", repo: "http://127.0.0.1:1/x", version: "1.0.0" }], helmGlobals: { chartHome: "/tmp" } }),
  ),
  ...Object.entries(fieldsWithAddress).map(([field, content]) =>
    byFiles(
      { id: `address-in-${field}`, what: `\`${field}\` of a kustomization.yaml names an address on loopback.`, proof: reachedLoopback },
      (scene) => ({
        ...kustomization({ resources: ["own.yaml"], ...content(`${scene.trapUrl}/x.yaml`) }),
        "own.yaml": stringify(configMap(scene)),
      }),
    ),
  ),
  byFiles(
    { id: "sops-vault", what: "A file that SOPS is to decrypt names a Vault on loopback.", proof: reachedLoopback },
    (scene) => ({
      ...kustomization({ resources: ["secret.yaml"] }),
      "secret.yaml": stringify(encrypted(scene, { hc_vault: [vaultKey(scene)] })),
    }),
    (scene) => ({ decryption: { provider: "sops", secretRef: { name: scene.name } } }),
  ),
  byFiles(
    { id: "sops-file-of-variables", what: "SOPS is to read a file of variables that lies on the host.", proof: gotCanary },
    (scene) => kustomization({ secretGenerator: [{ name: scene.name, envs: [`${"../".repeat(12)}${scene.ground.secretFile.slice(1)}`] }] }),
    () => ({ decryption: { provider: "sops" } }),
  ),
  byFiles(
    { id: "sops-key-file", what: "The key of SOPS is the path of a file of the host.", proof: gotCanary },
    (scene) => ({
      ...kustomization({ resources: ["secret.yaml"] }),
      "secret.yaml": stringify(encrypted(scene, { age: [{ recipient: "age1x", enc: "x" }] })),
    }),
    (scene) => ({ decryption: { provider: "sops", secretRef: { name: scene.name } } }),
  ),
].map((row) => (row.id === "sops-vault" || row.id === "sops-key-file" ? withKeys(row) : row));

/** The Secret with SOPS' keys is there before Flux looks at what they decrypt. */
function withKeys(row: Attempt): Attempt {
  const keys = (scene: Scene): Record<string, string> =>
    row.id === "sops-vault" ? { "sops.vault-token": "x" } : { "identity.agekey": scene.ground.secretFile };
  return {
    ...row,
    attempt: (scene) =>
      scene.verdict(
        secretOf(scene, keys(scene)),
        kustomizationOf(scene, { decryption: { provider: "sops", secretRef: { name: scene.name } } }),
      ),
  };
}

const vaultKey = (scene: Scene) => ({
  vault_address: scene.trapUrl,
  engine_path: "sops",
  key_name: "key",
  created_at: "2026-01-01T00:00:00Z",
  enc: "vault:v1:eHh4",
});

/** A Secret in the form in which SOPS leaves one. */
function encrypted(scene: Scene, keys: object): object {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: scene.name },
    stringData: { x: "ENC[AES256_GCM,data:eHh4,iv:eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=,tag:eHh4eHh4eHh4eHh4eHh4eA==,type:str]" },
    sops: {
      ...keys,
      lastmodified: "2026-01-01T00:00:00Z",
      mac: "ENC[AES256_GCM,data:eHh4,iv:eHh4,tag:eHh4,type:str]",
      encrypted_regex: "^(data|stringData)$",
      version: "3.9.0",
    },
  };
}
