import { cp, rm, symlink } from "node:fs/promises";
import { overlayPath } from "../../verification/desired-image.ts";
import { apply, backend, fluxKustomization, foreign, production, strategicPatch, workload, type RefusedPush } from "./gate-pushes.ts";

/** Ways to bring an image to staging or production beside a promotion, and to keep the gate from seeing it. */
export const refused: readonly RefusedPush[] = [
  [
    "a second entry under images",
    (files, { registry }) => files.add(production, `  - name: ${registry.repository}\n    newTag: latest\n`),
    /production\/kustomization\.yaml names no image of \S+ any more, or more than one/,
  ],
  [
    "an entry under images before the one that image automation writes",
    (files) => files.replace(production, "images:\n", `images:\n  - name: backend\n    newName: quay.io/somebody/else\n    newTag: "1"\n`),
    /Deployment production\/backend .* would run quay\.io\/somebody\/else.*This push changes flux\/apps\/backend\/production\/kustomization\.yaml/,
  ],
  [
    "an image in base/",
    (files) => files.replace(`${backend}/base/deployment.yaml`, "image: backend", `image: ${foreign}`),
    /Deployment staging\/backend \(flux\/apps\/backend\/base\/deployment\.yaml\) would run quay\.io\/somebody\/else:1/,
  ],
  [
    "apps-production pointed to another folder",
    async (files) => {
      await cp(files.path(`${backend}/production`), files.path(`${backend}/copy`), { recursive: true });
      await files.replace("flux/bootstrap/apps/production.yaml", "backend/production", "backend/copy");
    },
    /Kustomization flux-system\/apps-production \(flux\/bootstrap\/apps\/production\.yaml\) has another `spec\.path` than the seed/,
  ],
  [
    "apps-production taken away",
    (files) => files.replace("flux/bootstrap/apps/kustomization.yaml", "  - production.yaml\n", ""),
    /Kustomization flux-system\/apps-production is gone, which the seed has in flux\/bootstrap\/apps\/production\.yaml/,
  ],
  [
    "the GitRepository with another ref",
    (files) =>
      apply(
        files,
        "source.yaml",
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {interval: 1m, url: http://127.0.0.1, ref: {branch: topic}}\n",
      ),
    /GitRepository flux-system\/flux-system \(flux\/bootstrap\/infrastructure\/source\.yaml\) belongs to the lab/,
  ],
  [
    "an ImagePolicy of another image",
    (files) => files.replace(`${backend}/production/image-policy.yaml`, "name: backend\n    namespace", "name: other\n    namespace"),
    /ImagePolicy production\/backend \(flux\/apps\/backend\/production\/image-policy\.yaml\) has another `spec\.imageRepositoryRef`/,
  ],
  [
    "an ImagePolicy that orders otherwise",
    (files) => files.replace(`${backend}/production/image-policy.yaml`, "order: asc", "order: desc"),
    /ImagePolicy production\/backend .* has another `spec\.policy`/,
  ],
  [
    "an automation that pushes elsewhere",
    (files) => files.replace(`${backend}/production/image-automation.yaml`, "branch: image-updates/production", "branch: anywhere"),
    /ImageUpdateAutomation production\/backend .* has another `spec\.git\.push`/,
  ],
  [
    "a component",
    async (files) => {
      await files.add(production, "components:\n  - component\n");
      await files.write(
        `${backend}/production/component/kustomization.yaml`,
        `apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n  - name: backend\n    newName: quay.io/somebody/else\n    newTag: "1"\n`,
      );
    },
    /would run quay\.io\/somebody\/else/,
  ],
  [
    "a patch in the Flux Kustomization",
    (files) => files.add("flux/bootstrap/apps/production.yaml", `  patches:\n    ${strategicPatch(foreign)}\n`),
    /has another `spec\.patches` than the seed|would run quay\.io/,
  ],
  [
    "images in the Flux Kustomization",
    (files) => files.add("flux/bootstrap/apps/production.yaml", "  images:\n    - name: backend\n      newName: quay.io/somebody/else\n"),
    /would run quay\.io\/somebody\/else/,
  ],
  [
    "a patch in the overlay",
    (files) => files.add(production, `patches:\n  ${strategicPatch(foreign)}\n`),
    /would run quay\.io\/somebody\/else:1/,
  ],
  [
    "a JSON patch",
    (files) =>
      files.add(
        production,
        `patches:\n  - target: {kind: Deployment}\n    patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "${foreign}"}]'\n`,
      ),
    /would run quay\.io\/somebody\/else:1/,
  ],
  [
    "a replacement",
    async (files) => {
      await files.write(
        `${backend}/base/values.yaml`,
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values}\ndata: {name: "${foreign}"}\n`,
      );
      await files.add(`${backend}/base/kustomization.yaml`, "  - values.yaml\n");
      await files.add(
        production,
        "replacements:\n  - source: {kind: ConfigMap, name: values, fieldPath: data.name}\n    targets:\n      - select: {kind: Deployment}\n        fieldPaths: [spec.template.spec.containers.0.image]\n",
      );
    },
    /would run quay\.io\/somebody\/else:1/,
  ],
  [
    "a substitution after the build",
    async (files) => {
      await files.add("flux/bootstrap/apps/production.yaml", `  postBuild:\n    substitute:\n      whose: "${foreign}"\n`);
      await files.write(
        `${backend}/production/job.yaml`,
        workload(
          "CronJob",
          '{schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: "${whose}"}]}}}}}',
        ),
      );
      await files.replace(production, "  - ../base\n", "  - ../base\n  - job.yaml\n");
    },
    /CronJob production\/extra .* would run quay\.io\/somebody\/else:1/,
  ],
  [
    "an init container of a CronJob",
    async (files) => {
      await files.write(
        `${backend}/production/job.yaml`,
        workload(
          "CronJob",
          `{schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {initContainers: [{name: a, image: "${foreign}"}]}}}}}`,
        ),
      );
      await files.replace(production, "  - ../base\n", "  - ../base\n  - job.yaml\n");
    },
    /CronJob production\/extra \(flux\/apps\/backend\/production\/job\.yaml\) would run .* \(spec\.jobTemplate\.spec\.template\.spec\.initContainers\[a\]\.image\)/,
  ],
  [
    "an image by its digest alone",
    async (files, { registry }) => {
      const digest = /sha256:\w+/.exec(await files.read(overlayPath("develop")))![0];
      await files.replace(
        `${backend}/base/deployment.yaml`,
        "      containers:\n",
        `      initContainers:\n        - name: first\n          image: ${registry.repository}@${digest}\n      containers:\n`,
      );
    },
    /Deployment production\/backend .* would run \S+\/mona\/backend@sha256:\w+ \(spec\.template\.spec\.initContainers\[first\]\.image\)/,
  ],
  [
    "an image volume",
    (files) =>
      files.replace(
        `${backend}/base/deployment.yaml`,
        "      containers:\n",
        `      volumes:\n        - name: v\n          image:\n            reference: ${foreign}\n      containers:\n`,
      ),
    /would run quay\.io\/somebody\/else:1 \(spec\.template\.spec\.volumes\[v\]\.image\)/,
  ],
  [
    "another path of the registry",
    (files) => files.replace(production, /newName: (\S+)\/mona\/backend/, "newName: $1/other/backend"),
    /names no image of \S+\/mona\/backend any more/,
  ],
  [
    "YAML aliases that give the overlay another image",
    async (files) => {
      const overlay = await files.read(production);
      await files.write(
        production,
        overlay.replace("images:", "x: &i {newName: quay.io/somebody/else, newTag: '1'}\nimages:\n  - {<<: *i, name: backend}"),
      );
    },
    /would run quay\.io|could not be judged/,
  ],
  [
    "a second Kustomization into production",
    async (files) => {
      await apply(files, "second.yaml", fluxKustomization("second", "  path: ./flux/second\n  targetNamespace: production\n"));
      await files.write(
        "flux/second/deployment.yaml",
        workload("Deployment", `{template: {spec: {containers: [{name: a, image: "${foreign}"}]}}}`),
      );
    },
    /Deployment production\/extra \(flux\/second\/deployment\.yaml\) would run .*Kustomization flux-system\/second applies that/,
  ],
  [
    "a Kustomization that another one brings",
    async (files) => {
      await apply(files, "first.yaml", fluxKustomization("first", "  path: ./flux/first\n"));
      await files.write("flux/first/second.yaml", fluxKustomization("second", "  path: ./flux/second\n  targetNamespace: staging\n"));
      await files.write(
        "flux/second/deployment.yaml",
        workload("Deployment", `{template: {spec: {containers: [{name: a, image: "${foreign}"}]}}}`),
      );
    },
    /Deployment staging\/extra .* would run/,
  ],
  [
    "a list of objects",
    async (files) => {
      await apply(files, "list.yaml", fluxKustomization("list", "  path: ./flux/list\n"));
      await files.write(
        "flux/list/list.yaml",
        `apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: production}, spec: {containers: [{name: a, image: "${foreign}"}]}}\n`,
      );
    },
    /Pod production\/p .* would run quay\.io/,
  ],
  [
    "a link in the place of the overlay",
    async (files) => {
      await files.write("elsewhere.yaml", await files.read(production));
      await rm(files.path(production));
      await symlink("../../../../elsewhere.yaml", files.path(production));
    },
    /names no image of|Flux would apply no Deployment production\/backend/,
  ],
  [
    "files that Flux leaves out",
    (files) => files.write(".sourceignore", `${production}\n`),
    /Flux would apply no Deployment production\/backend|would run/,
  ],
  [
    "attributes that hide a file from an archive",
    async (files) => {
      await files.write(`${backend}/production/.gitattributes`, "job.yaml export-ignore\n");
      await files.write(
        `${backend}/production/job.yaml`,
        workload("DaemonSet", `{template: {spec: {containers: [{name: a, image: "${foreign}"}]}}}`),
      );
      await files.replace(production, "  - ../base\n", "  - ../base\n  - job.yaml\n");
    },
    /DaemonSet production\/extra .* would run/,
  ],
  [
    "an admission policy that changes pods",
    (files) =>
      apply(
        files,
        "policy.yaml",
        "apiVersion: admissionregistration.k8s.io/v1beta1\nkind: MutatingAdmissionPolicy\nmetadata: {name: other-image}\nspec: {}\n",
      ),
    /MutatingAdmissionPolicy other-image \(flux\/bootstrap\/infrastructure\/policy\.yaml\) changes what is applied/,
  ],
];
