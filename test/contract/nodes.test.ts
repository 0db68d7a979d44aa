import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { preflight } from "../../host/node/preflight.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { decideNodes } from "../../stacks/nodes.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

const spec = (nodes: string) =>
  parseCohort({ course: "x", cluster: { kind: "embedded", nodes }, learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }] }, "x");

test("a machine where pods can run for real gets them, another says what is missing", async () => {
  const unmet = (await preflight()).filter(({ met }) => !met);
  const decision = await decideNodes("new", spec("auto"));
  if (unmet.length === 0) {
    expect(decision).toEqual({ nodes: "real" });
    expect(await decideNodes("new", spec("real"))).toEqual({ nodes: "real" });
  } else {
    expect(decision).toEqual({ nodes: "simulated", because: expect.stringContaining(unmet[0]!.name) });
    await expect(decideNodes("new", spec("real"))).rejects.toMatchObject({
      code: "nodes-impossible",
      exitCode: 2,
      message: expect.stringContaining(unmet[0]!.name),
    });
  }
});

test("`auto` stays with what a cohort's clusters have", async () => {
  await mkdir(cohortPaths("old").learner("ada").cluster, { recursive: true });
  expect(await decideNodes("old", spec("auto"))).toEqual({ nodes: "simulated" });
  await mkdir(join(cohortPaths("other").learner("ada").cluster, "node"), { recursive: true });
  expect(await decideNodes("other", spec("auto"))).toEqual({ nodes: "real" });
});

test("simulated nodes need nothing of the machine", async () => {
  expect(await decideNodes("old", spec("simulated"))).toEqual({ nodes: "simulated" });
});
