import { overlayPath } from "../../verification/desired-image.ts";
import { apply, backend, fluxKustomization, foreign, production, workload, type Change } from "./gate-pushes.ts";

const developWorkload = `${backend}/develop/extra.yaml`;

/** What exercises, drills and curiosity change, and what no image comes to staging or production by. */
export const accepted: readonly [name: string, change: Change][] = [
  [
    "the policies of exercise policy-analysis",
    (files) => files.replace("flux/bootstrap/infrastructure/kustomization.yaml", "# - policy-lab.yaml", "- policy-lab.yaml"),
  ],
  [
    "another pattern of production's policy",
    (files) => files.replace(`${backend}/production/image-policy.yaml`, /pattern: .*/, "pattern: 'v[0-9]+-(?P<ts>[0-9]+)'"),
  ],
  [
    "production's automation pushing to the branch, and suspended",
    async (files) => {
      const path = `${backend}/production/image-automation.yaml`;
      await files.replace(path, "branch: image-updates/production", "branch: main");
      await files.replace(path, "spec:\n", "spec:\n  suspend: true\n");
    },
  ],
  [
    "that automation proposing again",
    (files) =>
      files.replace(`${backend}/production/image-automation.yaml`, /(push:\n\s+)branch: main/, "$1branch: image-updates/production"),
  ],
  [
    "another credential of the image repository",
    (files) =>
      files.replace("flux/bootstrap/infrastructure/image-repository.yaml", "name: backend-registry", "name: backend-registry-2026"),
  ],
  [
    "any image in develop",
    async (files) => {
      await files.write(developWorkload, workload("Deployment", `{template: {spec: {containers: [{name: a, image: "${foreign}"}]}}}`));
      await files.replace(overlayPath("develop"), "  - ../base\n", "  - ../base\n  - extra.yaml\n");
    },
  ],
  [
    "more pods of production, and another limit for all",
    async (files) => {
      await files.write(production, `${await files.read(production)}replicas:\n  - {name: backend, count: 3}\n`);
      await files.replace(`${backend}/base/deployment.yaml`, "memory: 64Mi", "memory: 96Mi");
    },
  ],
  [
    "what production's Flux does when",
    (files) => files.replace("flux/bootstrap/apps/production.yaml", "interval: 5m", "interval: 1m\n  suspend: true"),
  ],
  [
    "a ConfigMap of production that has a field image",
    async (files) => {
      await files.write(
        `${backend}/production/values.yaml`,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values}\ndata: {image: any}\n",
      );
      await files.replace(production, "  - ../base\n", "  - ../base\n  - values.yaml\n");
    },
  ],
  [
    "a Kustomization of one's own",
    async (files) => {
      await apply(files, "own.yaml", fluxKustomization("own", "  path: ./flux/own\n  targetNamespace: develop\n"));
      await files.write("flux/own/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n");
    },
  ],
  ["files that Flux does not go by", (files) => files.write("notes/a.yaml", "resources: [\n")],
];
