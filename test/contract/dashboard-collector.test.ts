import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Collector } from "../../dashboard/collector.ts";
import { seedRepository } from "../../host/git/repository.ts";
import { bareRepository, pipelineAuthor } from "../../host/pipeline/bare-repository.ts";
import { run } from "../../shared/exec.ts";
import { environments } from "../../shared/names.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { recordLimitHit } from "../../host/limits/hits.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { changeRecord } from "../../records/exercises.ts";
import { reportsOf } from "../support/dashboard-cohort.ts";
import { useLabHome } from "../support/lab-home.ts";
import { digestOf, kustomization, LabState, overlay, repository, tagOf } from "../support/lab-state.ts";

useLabHome();
const cohort = "collected";
let collector: Collector;
let path = "";
let verifications = 0;

beforeAll(async () => {
  path = join(cohortPaths(cohort).git, "ada", "lab.git");
  await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
  const files = Object.fromEntries(environments.map((environment) => [overlay(environment), kustomization(environment, "0.1.0", "a")]));
  await seedRepository(path, "main", { files, message: "Seed", author: { name: "Ada", email: "ada@example.org" }, date: 1_790_000_000 });
  const { learner } = new LabState();
  const outputs: CohortOutputs = {
    schemaVersion: 1,
    cohort,
    course: "Test",
    template: "gitops-promotion",
    kubernetesPlugin: { implementation: "fallback", version: "0" },
    simulated: [],
    learners: { ada: { ...learner, git: { ...learner.git, url: `file://${path}` } } },
  };
  let now = outputs;
  collector = new Collector(outputs, {
    verify: async () => (++verifications, { reports: reportsOf([]), promotion: { status: "error", reason: "not looked at" } }),
    writeEvidence: () => Promise.reject(new Error("the disk is full")),
    startDrill: async () => {},
    reset: async () => {
      now = {
        ...outputs,
        learners: {
          ada: { ...outputs.learners["ada"]!, name: "Ada anew", git: { ...outputs.learners["ada"]!.git, url: `file://${await anew()}` } },
        },
      };
      return "It is in backups/x.";
    },
    outputs: async () => now,
  });
  collector.start();
});
afterAll(() => collector?.stop());

/** The repository of a lab that was made anew. */
async function anew(): Promise<string> {
  const other = path.replace("lab.git", "anew.git");
  await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", other]);
  await seedRepository(other, "main", {
    files: { "README.md": "anew" },
    message: "Seed anew",
    author: { name: "Ada", email: "ada@example.org" },
    date: 1_790_000_100,
  });
  return other;
}

const seen = <T>(what: string, look: () => T | undefined) =>
  waitUntil(
    async () =>
      look() === undefined ? { done: false, because: JSON.stringify(collector.of("ada")).slice(0, 500) } : { done: true, value: look()! },
    { what, timeoutSeconds: 30, remedy: "" },
  );

describe("the collector", () => {
  test("reads what limits a learner came up against, and again when there is another", async () => {
    const own = cohortPaths(cohort).learner("ada");
    await recordLimitHit(own, "push", "That is too large.");
    expect(await seen("the first limit", () => collector.of("ada")?.limitHits?.[0])).toMatchObject({ said: "That is too large." });
    await recordLimitHit(own, "layer", "So is that.");
    expect(await seen("the second limit", () => collector.of("ada")?.limitHits?.[1])).toMatchObject({ limit: "layer" });
  });

  test("reads a learner's branch, and again when it has moved", async () => {
    const first = await seen("the branch", () => collector.of("ada")?.branch);
    expect(first.environments).toContainEqual({
      name: "develop",
      image: { repository, tag: tagOf("develop", "0.1.0"), digest: digestOf("a") },
    });
    expect(first.commits.map(({ kind }) => kind)).toEqual(["seed"]);

    const changed: string[] = [];
    const unsubscribe = collector.subscribe((learner) => changed.push(learner));
    const bare = bareRepository(path);
    const commit = await bare.commitFile({
      branch: "main",
      parent: first.tip,
      path: overlay("develop"),
      content: kustomization("develop", "0.2.0", "b"),
      message: "Update",
      author: pipelineAuthor,
    });
    await bare.note(commit!, { event: "received", at: new Date().toISOString(), by: "ada", branch: "main" });
    const next = await seen("the commit", () =>
      [collector.of("ada")?.branch].find((branch) => branch?.tip === commit && branch?.commits[0]?.journal.length === 1),
    );
    expect(next.commits.map(({ kind }) => kind)).toEqual(["image-update", "seed"]);
    expect(next.environments[0]).toMatchObject({ image: { digest: digestOf("b") } });
    expect(changed).toContain("ada");
    unsubscribe();
  });

  test("sees what is recorded, by whatever process", async () => {
    await changeRecord(cohort, "ada", "rollback", (record) => ({
      ...record,
      checks: [{ time: new Date().toISOString(), status: "pass", says: "restored" }],
    }));
    expect(await seen("the record", () => collector.of("ada")?.exercises["rollback"])).toMatchObject({ checks: [{ says: "restored" }] });
  });

  test("tells what comes of an action, also of one that fails", async () => {
    const before = verifications;
    collector.act("ada", { kind: "verify" });
    await seen("the verification", () => [collector.of("ada")?.job].find((job) => job?.kind === "verify" && job.state === "done"));
    expect(verifications).toBeGreaterThan(before);
    expect(collector.of("ada")?.checklist?.reports).toHaveLength(4);
    collector.act("ada", { kind: "evidence" });
    expect(await seen("the failure", () => [collector.of("ada")?.job].find((job) => job?.state === "failed"))).toMatchObject({
      kind: "evidence",
      says: "the disk is full",
    });
  });

  test("looks at the new lab after a reset, from the beginning", async () => {
    collector.act("ada", { kind: "reset" });
    const job = await seen("the reset", () => [collector.of("ada")?.job].find((one) => one?.kind === "reset" && one.state === "done"));
    expect(job?.says).toBe("It is in backups/x.");
    expect(
      (await seen("the new branch", () => [collector.of("ada")?.branch].find((branch) => branch?.commits[0]?.subject === "Seed anew")))
        ?.commits,
    ).toHaveLength(1);
  });

  test("gives no page for a name that is not in the list", async () => {
    expect(await collector.bundles("ada")).toEqual([]);
    for (const name of ["..", "../../x", ""]) expect(await collector.bundlePage("ada", name)).toBeUndefined();
  });

  test("holds no credential in what it tells", () => expect(JSON.stringify(collector.of("ada"))).not.toMatch(/git-secret|registry-secret/));
});
