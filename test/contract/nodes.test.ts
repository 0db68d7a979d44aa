import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { preflight } from "../../clusters/embedded/node/preflight.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { chooseFor } from "../../clusters/upkeep.ts";
import { clustersOf } from "../../stacks/cohort-spec.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

const spec = (nodes: string) =>
  clustersOf(
    parseCohort(
      { course: "x", cluster: { kind: "embedded", nodes }, learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }] },
      "x",
    ),
  );

test("a machine where pods can run for real gets them, another says what is missing", async () => {
  const unmet = (await preflight()).filter(({ met }) => !met);
  const decision = await chooseFor("new", spec("auto"));
  if (unmet.length === 0) {
    expect(decision).toEqual({ nodes: "real" });
    expect(await chooseFor("new", spec("real"))).toEqual({ nodes: "real" });
  } else {
    expect(decision).toEqual({ nodes: "simulated", because: expect.stringContaining(unmet[0]!.name) });
    await expect(chooseFor("new", spec("real"))).rejects.toMatchObject({
      code: "nodes-impossible",
      exitCode: 2,
      message: expect.stringContaining(unmet[0]!.name),
    });
  }
});

test("`auto` stays with what a cohort's clusters have", async () => {
  await mkdir(cohortPaths("old").learner("ada").cluster, { recursive: true });
  expect(await chooseFor("old", spec("auto"))).toEqual({ nodes: "simulated" });
  await mkdir(join(cohortPaths("other").learner("ada").cluster, "node"), { recursive: true });
  expect(await chooseFor("other", spec("auto"))).toEqual({ nodes: "real" });
});

test("simulated nodes need nothing of the machine", async () => {
  expect(await chooseFor("old", spec("simulated"))).toEqual({ nodes: "simulated" });
});
