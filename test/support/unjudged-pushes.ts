import { rm, symlink } from "node:fs/promises";
import { apply, backend, fluxKustomization, production, type RefusedPush } from "./gate-pushes.ts";

/** Pushes after which nobody can tell from the repository what Flux applies. */
export const unjudged: readonly RefusedPush[] = [
  [
    "a substitution by what is in the cluster",
    (files) =>
      files.add("flux/bootstrap/apps/develop.yaml", "  postBuild:\n    substituteFrom:\n      - kind: ConfigMap\n        name: a\n"),
    /could not be judged: Kustomization flux-system\/apps-develop .*\(`substituteFrom`\)/,
  ],
  [
    "a Kustomization of another source",
    (files) =>
      apply(
        files,
        "oci.yaml",
        fluxKustomization("oci", "  path: ./\n").replace(
          "kind: GitRepository\n    name: flux-system",
          "kind: OCIRepository\n    name: theirs",
        ),
      ),
    /Kustomization flux-system\/oci \(flux\/bootstrap\/infrastructure\/oci\.yaml\) takes what it applies from OCIRepository flux-system\/theirs/,
  ],
  [
    "a Kustomization with another kubeConfig",
    (files) => files.add("flux/bootstrap/apps/production.yaml", "  kubeConfig:\n    secretRef:\n      name: a\n"),
    /apps-production .* applies with another `kubeConfig`/,
  ],
  [
    "a field that Flux' API drops",
    (files) => files.add("flux/bootstrap/apps/production.yaml", `  patchesStrategicMerge: [{kind: Deployment}]\n`),
    /is not of the form that Flux' API has: .*patchesStrategicMerge/,
  ],
  [
    "a chart",
    (files) => files.add(production, "helmCharts:\n  - {name: a, repo: https://charts.example.org}\n"),
    /could not be judged\. Kustomization flux-system\/apps-production \(path \.\/flux\/apps\/backend\/production\): .*helm/i,
  ],
  [
    "a remote base",
    (files) => files.replace(production, "  - ../base\n", "  - ../base\n  - https://github.com/example/base?ref=main\n"),
    /could not be judged\. Kustomization flux-system\/apps-production/,
  ],
  [
    "a remote base whose ref is an option of git",
    (files) =>
      files.replace(production, "  - ../base\n", '  - ../base\n  - "file:///x?ref=--upload-pack%3Dtouch%20gate-was-here%3Bfalse"\n'),
    /could not be judged\. Kustomization flux-system\/apps-production/,
  ],
  [
    "a file of a web server",
    (files) => files.add(production, "configMapGenerator:\n  - {name: a, files: [x=http://127.0.0.1:1/x]}\n"),
    /could not be judged\. .*nothing is loaded from elsewhere \(http\)/,
  ],
  [
    "a resource encoded in its name",
    (files) => files.replace(production, "  - ../base\n", "  - ../base\n  - data:text/yaml;base64,a2luZDogUG9k\n"),
    /could not be judged\. Kustomization flux-system\/apps-production/,
  ],
  [
    "a folder outside flux/",
    async (files) => {
      await apply(files, "deploy.yaml", fluxKustomization("deploy", "  path: ./deploy\n"));
      await files.write("deploy/a.yaml", "kind: Nothing\n");
    },
    /could not be judged: Kustomization flux-system\/deploy .* has the path \.\/deploy, which is not below flux\//,
  ],
  [
    "a folder that is not there",
    (files) => apply(files, "none.yaml", fluxKustomization("none", "  path: ./flux/none\n")),
    /could not be judged\. Kustomization flux-system\/none \(path \.\/flux\/none\): there is no such folder/,
  ],
  [
    "a component outside flux/ that may be missing",
    async (files) => {
      const component = "../../outside";
      await apply(
        files,
        "c.yaml",
        fluxKustomization("c", `  path: ./flux/c\n  ignoreMissingComponents: true\n  components: [${component}]\n`),
      );
      await files.write("flux/c/kustomization.yaml", "resources: []\n");
      await files.write("outside/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
    },
    /Kustomization flux-system\/c .* has the component \.\.\/\.\.\/outside, which is not below flux\//,
  ],
  [
    "a .sourceignore that is a link",
    async (files) => {
      await files.write("flux/ignored", "*\n");
      await symlink("flux/ignored", files.path(".sourceignore"));
    },
    /could not be judged\. \.sourceignore is a link/,
  ],
  [
    "what kustomize can't read",
    (files) => files.write(`${backend}/develop/kustomization.yaml`, "resources: [\n"),
    /What Flux would apply could not be judged\. Kustomization flux-system\/apps-develop \(path \.\/flux\/apps\/backend\/develop\): /,
  ],
  [
    "a tree too large to be judged",
    async (files) => files.write("flux/much.yaml", `# ${"x".repeat(9 * 1024 * 1024)}\n`),
    /flux\/ has \d+ files of \d+ bytes in all; up to 2000 of 8388608 can be judged/,
  ],
  ["everything that Flux applies", async (files) => rm(files.path("flux"), { recursive: true }), /There is no folder flux\//],
];
