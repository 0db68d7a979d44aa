import { describe, expect, test } from "vitest";
import { perLearner, scaleOf } from "../../bench/scale-model.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { countWrites, previewCohort } from "../support/mocked-cohort.ts";

const clusters = {
  embedded: { kind: "embedded" },
  shared: { kind: "shared", kubeconfig: "/nowhere/kubeconfig", expose: { kind: "ingress", domain: "labs.example.org" } },
};
const learners = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `l${index + 1}`, name: `Learner ${index + 1}`, email: `l${index + 1}@example.org` }));
const specOf = (kind: keyof typeof clusters, count: number, shard?: string) =>
  parseCohort({ course: "x", parallel: 8, cluster: clusters[kind], ...(shard && { shard }), learners: learners(count) }, "x");

describe("the paper calculation of docs/scaling.md", () => {
  test.each(Object.keys(perLearner) as (keyof typeof perLearner)[])(
    "is of the program as it is, on %s clusters",
    { timeout: 30_000 },
    async (kind) => {
      const { resources } = await previewCohort(planCohort("big", specOf(kind, 12)));
      const { resources: calculated, writes } = scaleOf(kind, 12);
      expect(resources.length).toBe(calculated);
      expect(countWrites(resources)).toEqual(writes);
    },
  );
});

describe("a class divided into shards", () => {
  const shards = ["1/4", "2/4", "3/4", "4/4"];

  test("has every one of 500 learners in exactly one stack, about as many in each", () => {
    const ids = shards.map((shard) => specOf("shared", 500, shard).learners.map(({ id }) => id));
    expect(ids.flat().sort()).toEqual(
      learners(500)
        .map(({ id }) => id)
        .sort(),
    );
    for (const own of ids) expect(Math.abs(own.length - 125)).toBeLessThan(40);
  });

  test("keeps everybody where they are when somebody comes or goes", () => {
    const before = specOf("shared", 40, "2/4").learners.map(({ id }) => id);
    expect(
      specOf("shared", 41, "2/4")
        .learners.map(({ id }) => id)
        .filter((id) => id !== "l41"),
    ).toEqual(before);
  });

  test("makes in each stack what the stack alone would make", { timeout: 30_000 }, async () => {
    const spec = specOf("shared", 12, "1/4");
    const { resources } = await previewCohort(planCohort("big-1", spec));
    expect(resources.length).toBe(scaleOf("shared", spec.learners.length).resources);
  });

  test.each([
    ["5/4", /`shard` must not be more than there are/],
    ["0/4", /`shard` is "0\/4"; it must be a number of how many/],
    ["two", /`shard` is "two"; it must be a number of how many/],
  ])("%s is refused", (shard, message) => expect(() => specOf("shared", 4, shard)).toThrow(message));

  test("with nobody in it is refused", () =>
    expect(() => specOf("shared", 1, ["1/2", "2/2"].find((shard) => !isIn(shard))!)).toThrow(/no learner in shard \d of 2/));
  const isIn = (shard: string) => {
    try {
      return specOf("shared", 1, shard).learners.length > 0;
    } catch {
      return false;
    }
  };
});
