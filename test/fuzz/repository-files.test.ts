import { expect, test } from "vitest";
import { releaseOf } from "../../host/pipeline/build.ts";
import type { BareRepository } from "../../host/pipeline/bare-repository.ts";
import { withImage } from "../../host/pipeline/settle.ts";
import { yamlAtTip } from "../../lab-templates/gitops-promotion/drills/support.ts";
import { imageTracking } from "../../lab-templates/gitops-promotion/exercises/image-tracking.ts";
import { policyAnalysis } from "../../lab-templates/gitops-promotion/exercises/policy-analysis.ts";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { desiredImage, overlayPath } from "../../verification/desired-image.ts";
import { formatImage } from "../../verification/image-reference.ts";
import { parseRecord } from "../../verification/promotion-record.ts";
import { yamlBombs } from "../support/hostile/bombs.ts";
import { answerOf, expectParagraph, expectShown, forEvery, manyRuns, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent } from "../support/hostile/text.ts";
import { digestOf, kustomization, LabState, type Json, repository, tagOf } from "../support/lab-state.ts";

nothingIsMade();

const record = `# What staging is asked to run.\ntag: ${tagOf("develop", "0.2.0")}\ndigest: ${digestOf("b")}\nnote: again\n`;
const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: staging
resources: [../base, image-policy.yaml]
images:
  - name: backend
    newName: ${repository}
    newTag: ${tagOf("staging", "0.2.0")} # {"$imagepolicy": "staging:backend:tag"}
    digest: ${digestOf("b")}
`;

test("a promotion record is one, or the problem is a clause", async () => {
  await forEvery(
    bent(record),
    async (file) => {
      const parsed = await answerOf("parseRecord", () => parseRecord(file));
      if ("problem" in parsed) expectParagraph("parseRecord", parsed.problem);
      else if ("record" in parsed) expect(parsed.record.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    },
    { first: yamlBombs },
  );
});

test("an overlay names an image or none, and can be given another one or not", async () => {
  await forEvery(
    bent(overlay, kustomization("staging", "0.2.0", "b")),
    async (file) => {
      const image = await answerOf("desiredImage", () => desiredImage({ readFile: async () => file }, "main", "staging", repository));
      if (image !== undefined && "repository" in image) expect(formatImage(image).startsWith(repository)).toBe(true);
      const changed = await answerOf("withImage", () => withImage(file, repository, "tag", digestOf("c")));
      if (typeof changed !== "string") return;
      const after = await desiredImage({ readFile: async () => changed }, "main", "staging", repository);
      expect(after).toEqual({ repository, tag: "tag", digest: digestOf("c") });
    },
    { first: yamlBombs },
  );
});

test("a version is one, or the problem is a sentence", async () => {
  await forEvery(
    bent("0.3.0\n", "1.20.300"),
    async (file) => {
      const answer = await answerOf("releaseOf", () => releaseOf("b", repositoryWith(file)));
      if ("problem" in answer) expectParagraph("releaseOf", answer.problem);
      else if ("version" in answer) expect(answer.version).toMatch(/^\d{1,9}\.\d{1,9}\.\d{1,9}$/);
    },
    { first: ["1".repeat(300_000), `${"1".repeat(200)}.0.0`] },
  );
});

function repositoryWith(version: string): BareRepository {
  const readFile = async (_commit: string, path: string) => (path.endsWith("/VERSION") ? version : undefined);
  const files = async () => [];
  return { readFile, files } as Partial<BareRepository> as BareRepository;
}

const tracking = `repository:
  tags-found: 6
policies:
  develop: {namespace: develop, tag: ${tagOf("develop", "0.2.0")}}
  staging: {namespace: staging, tag: ${tagOf("staging", "0.2.0")}}
  production: {namespace: production, tag: ${tagOf("production", "0.2.0")}}
`;
const analysis = `variants:
${policyLab.variants.map((name) => `  ${name}: {selects: none, wrong-tag-in-production: no}`).join("\n")}
keeps-out:
${policyLab.tags.map((tag) => `  ${tag}: "^production"`).join("\n")}
`;

test.each([
  [imageTracking, "exercises/image-tracking.yaml", tracking, manyRuns],
  [policyAnalysis, "exercises/policy-analysis.yaml", analysis, 2000],
])("answers of exercise $id are graded, whatever stands in the file", async ({ check }, path, answers, numRuns) => {
  const lab = exerciseLab();
  await forEvery(
    bent(answers),
    async (file) => {
      lab.commits = lab.commits.slice(-4);
      lab.commit("9", "Answer", "Ada", { [path]: file });
      const result = await answerOf(path, () => check(lab.context()));
      if ("status" in result) expectShown(path, result);
    },
    { first: yamlBombs, numRuns },
  );
});

/** A lab in which the policies of exercise policy-analysis were tried. */
function exerciseLab(): LabState {
  const lab = new LabState();
  for (const policy of lab.objects.filter(({ kind }) => kind === "ImagePolicy"))
    policy["spec"] = {
      filterTags: { pattern: "^production-v[0-9.]+-(?P<ts>[0-9]{10})$", extract: "$ts" },
      policy: { numerical: { order: "asc" } },
    };
  const [policy] = lab.objects.filter(({ kind }) => kind === "ImagePolicy");
  for (const name of policyLab.variants)
    lab.objects.push(structuredClone({ ...policy!, metadata: { ...policy!["metadata"], namespace: policyLab.namespace, name } }));
  const scan: Json = structuredClone({
    ...policy!,
    kind: "ImageRepository",
    spec: {},
    status: { ...policy!["status"], lastScanResult: { tagCount: 6 } },
  });
  for (const name of ["backend", policyLab.image])
    lab.objects.push({ ...scan, metadata: { ...scan["metadata"], namespace: "flux-system", name } });
  return lab;
}

test("a file that a drill looks at is YAML or nothing", async () => {
  const lab = new LabState();
  await forEvery(
    bent(`spec:\n  filterTags: {pattern: '^a$', extract: $ts}\n`),
    async (file) => {
      lab.commits = lab.commits.slice(-4);
      lab.commit("9", "Change", "Ada", { [overlayPath("staging")]: file });
      await answerOf("yamlAtTip", () => yamlAtTip(lab.context().git, overlayPath("staging")));
    },
    { first: yamlBombs },
  );
});
