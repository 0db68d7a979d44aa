import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { requireReach } from "../../stacks/reach.ts";
import { clusterKinds } from "../../clusters/providers.ts";
import { previewCohort } from "../support/mocked-cohort.ts";

const folder = join(import.meta.dirname, "../../examples");
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
const specOf = (file: string) => parseCohortFile(readFileSync(join(folder, file), "utf8"), `examples/${file}`);

test("there is an example of every kind of cluster", () => {
  const kinds = files.flatMap((file) => planCohort("example", specOf(file)).learners.map(({ cluster }) => cluster.kind));
  expect([...new Set(kinds)].sort()).toEqual([...clusterKinds].sort());
});

describe.each(files)("the example %s", (file) => {
  test("has Git and registry where its clusters reach them", () => requireReach(planCohort("example", specOf(file))));

  // Its Git host and registry are asked beforehand whether they let us in, so here they are embedded ones.
  test("previews as a lab for every learner", { timeout: 30_000 }, async () => {
    const spec = specOf(file);
    const plan = planCohort("example", { ...spec, access: undefined, git: { kind: "embedded" }, registry: { kind: "embedded" } });
    const { outputs } = await previewCohort(plan);
    expect(Object.values(outputs.learners).map(({ id, cluster }) => [id, cluster.kind])).toEqual(
      spec.learners.map(({ id, cluster = spec.cluster }) => [id, cluster.kind]),
    );
  });
});

test("a cluster that can't reach what is embedded is refused: which learner's, what, and what would go", () => {
  const spec = specOf("Pulumi.mixed.yaml");
  expect(() => requireReach(planCohort("example", { ...spec, git: { kind: "embedded" } }))).toThrow(
    /cluster of learner grace \(kind\) has no way to what is embedded: `git` would listen on this machine's loopback.*`access: \{listen: /,
  );
});
