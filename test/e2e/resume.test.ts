import { existsSync, globSync, mkdtempSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProgressEvent } from "../../cli/progress/events.ts";
import { endOne, findMarked, livingEngines } from "../../ledger/process-identity.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths, homeMark } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { toolPath } from "../../tools/locate.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { startRun, type EndedRun } from "../support/lab-run.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * Runs that do not go to plan: a learner who fails, and an `up` that is killed or interrupted at several points. What the
 * run itself tells says when. The tests of a cohort build on each other.
 */
const home = mkdtempSync(join(tmpdir(), "gl-resume-"));

afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

const minutes = 60_000;

function cohortOf(name: string, learners: readonly string[]) {
  const cohort = new TestCohort(`e2e-${name}-${process.pid}`, join(home, name), learners);
  const paths = cohortPaths(cohort.name, cohort.home);
  const marked = () => findMarked(paths.daemon);
  return {
    cohort,
    paths,
    marked,
    /** What an engine leaves when it is not ended well. */
    leftOfEngine: () => [
      ...marked().flatMap(({ name: process }) => (process === "pulumi" ? [process] : [])),
      ...globSync(`pulumi/.pulumi/locks/**/${cohort.name}/*.json`, { cwd: cohort.home }),
    ],
    processesOf: (learner: string) =>
      Object.fromEntries(
        marked().flatMap(({ name: process, identity }) => (process.startsWith(`${learner}/`) ? [[process, identity.pid]] : [])),
      ),
    async end() {
      await cohort.lab("down", cohort.name);
      for (const { identity } of marked()) endOne(identity);
      await cohort.removeFile();
    },
  };
}

/** A temporary folder as a killed run of a lab home leaves it: no process that began then has number 1. */
async function leaveScratch(lab: string): Promise<string> {
  const folder = join(tmpdir(), `gitops-lab-crane-${homeMark({ ...process.env, GITOPS_LAB_HOME: lab })}-1-1-${process.pid}`);
  await mkdir(folder);
  return folder;
}

const isStep = (event: "step-started" | "step-done", step: string, learner: string | null) => (seen: ProgressEvent) =>
  seen.event === event && seen.step === step && seen.learner === learner;

function summaryOf({ events }: EndedRun): Extract<ProgressEvent, { event: "summary" }> {
  const last = events.at(-1);
  if (last?.event !== "summary") throw new Error(`the last event is ${JSON.stringify(last)}`);
  return last;
}

const green = (learner: string) =>
  expect.objectContaining({ learner, result: "up", evidence: { verdict: "pass", passed: 4, of: 4 }, cause: null });

describe("a cohort of three with one who fails", () => {
  const { cohort, paths, leftOfEngine, processesOf, marked, end } = cohortOf("failing", ["ada", "bob", "cleo"]);
  const inTheWay = paths.learner("bob").root;

  beforeAll(async () => {
    await cohort.writeFile();
    // A folder with things in it that the lab did not make would be refused.
    succeeded(await cohort.lab("env"));
    await mkdir(dirname(inTheWay), { recursive: true });
    await writeFile(inTheWay, "");
  });
  afterAll(end, minutes);

  /** The learner's resources, with when each was made and last changed. */
  async function inState(learner: string): Promise<readonly object[]> {
    const environment = await pulumiEnvironment({ ...process.env, ...cohort.environment });
    const { stdout } = succeeded(await cohort.run(await toolPath("pulumi"), ["stack", "export", "--stack", cohort.name], environment));
    const { deployment } = JSON.parse(stdout) as {
      deployment: { resources: { urn: string; id?: string; created?: string; modified?: string }[] };
    };
    const own = deployment.resources.filter(({ urn }) => new RegExp(`::${learner}(-|$)`).test(urn));
    return own.map(({ urn, id, created, modified }) => ({ urn, id, created, modified })).sort((a, b) => a.urn.localeCompare(b.urn));
  }

  test("brings up the other two and names the cause", { timeout: 4 * minutes }, async () => {
    const run = await startRun(cohort, "up", cohort.name).ended;
    expect(run.exitCode, run.stderr).toBe(1);
    expect(summaryOf(run)).toMatchObject({
      command: "up",
      result: "failed",
      exitCode: 1,
      learners: [green("ada"), { learner: "bob", result: "failed", cause: expect.stringContaining("ENOTDIR") }, green("cleo")],
    });
    expect(run.events.find(({ event }) => event === "learner-failed")).toMatchObject({
      learner: "bob",
      cause: expect.stringContaining("ENOTDIR"),
    });
    expect(run.stderr).toContain(`./lab retry ${cohort.name}`);
    expect(leftOfEngine()).toEqual([]);
  });

  test("is made whole by retry, which touches nobody else", { timeout: 4 * minutes }, async () => {
    await rm(inTheWay);
    const before = { ada: await inState("ada"), cleo: await inState("cleo"), processes: { ...processesOf("ada"), ...processesOf("cleo") } };
    expect([before.ada.length, before.cleo.length].every((count) => count > 20)).toBe(true);
    // Not even what the cohort file has come to say of them: `up` would remove cleo now.
    await cohort.setLearners(["ada", "bob"]);
    const abandoned = await leaveScratch(cohort.home);
    const run = succeeded(await startRun(cohort, "retry", cohort.name).ended);
    expect(existsSync(abandoned)).toBe(false);
    await cohort.setLearners(["ada", "bob", "cleo"]);
    expect(summaryOf(run)).toMatchObject({ command: "retry", result: "succeeded", learners: [green("bob")] });
    expect(Object.keys(summaryOf(run).changes)).toEqual(["create"]);
    const steps = run.events.flatMap((event) => (event.event === "step-started" ? [event.learner] : []));
    expect(new Set(steps)).toEqual(new Set([null, "bob"]));
    expect({
      ada: await inState("ada"),
      cleo: await inState("cleo"),
      processes: { ...processesOf("ada"), ...processesOf("cleo") },
    }).toEqual(before);
  });

  test("leaves retry nothing to do then", { timeout: minutes }, async () => {
    const abandoned = await leaveScratch(cohort.home);
    expect(succeeded(await cohort.lab("retry", cohort.name))).toMatchObject({ stderr: expect.stringContaining("Nothing to try again") });
    expect(existsSync(abandoned)).toBe(false);
  });

  test("is removed with a learner-done each, and nothing is left", { timeout: 2 * minutes }, async () => {
    const file = join(home, "receipt.json");
    const run = succeeded(await startRun(cohort, "down", cohort.name, "--receipt", file).ended);
    expect(run.events.flatMap((event) => (event.event === "learner-done" ? [event.learner] : [])).sort()).toEqual(["ada", "bob", "cleo"]);
    expect(run.events.slice(-2)).toEqual([
      expect.objectContaining({ event: "summary", command: "down", result: "succeeded", exitCode: 0 }),
      expect.objectContaining({ event: "receipt", receipt: JSON.parse(await readFile(file, "utf8")) }),
    ]);
    expect(run.events.at(-1)).toMatchObject({ receipt: { result: "zero", remainder: [], foreign: [], problems: [] } });
    expect(marked()).toEqual([]);
    expect(existsSync(cohort.home)).toBe(false);
  });
});

describe("an up that is cut short", () => {
  const { cohort, paths, leftOfEngine, processesOf, marked, end } = cohortOf("cut", ["ada"]);

  beforeAll(() => cohort.writeFile());
  afterAll(end, minutes);

  /** Starts `up`, does something to it at an event, and waits for its end. */
  async function upUntil(isIt: (event: ProgressEvent) => boolean, act: (pid: number) => void): Promise<EndedRun> {
    const run = startRun(cohort, "up", cohort.name);
    await run.until(isIt);
    act(run.pid);
    return run.ended;
  }

  async function resumes(...learners: string[]): Promise<void> {
    const run = succeeded(await startRun(cohort, "up", cohort.name).ended);
    expect(summaryOf(run)).toMatchObject({ result: "succeeded", learners: learners.map(green) });
    expect(leftOfEngine()).toEqual([]);
  }

  test("by SIGKILL after the lab host, then by SIGINT while Flux comes up, goes on to green", { timeout: 5 * minutes }, async () => {
    const killed = await upUntil(isStep("step-done", "lab-host", null), (pid) => process.kill(pid, "SIGKILL"));
    expect(killed.signal).toBe("SIGKILL");

    // As a terminal sends it: to the whole group.
    const interrupted = await upUntil(isStep("step-started", "flux-ready", "ada"), (pid) => process.kill(-pid, "SIGINT"));
    expect(interrupted.exitCode, interrupted.stderr).toBe(130);
    expect(summaryOf(interrupted)).toMatchObject({
      result: "interrupted",
      exitCode: 130,
      learners: [{ learner: "ada", result: "unfinished" }],
    });
    expect(interrupted.stderr).toContain(`\`./lab up ${cohort.name}\``);
    expect(leftOfEngine()).toEqual([]);
    await resumes("ada");
  });

  test("by SIGKILL while a control plane starts, goes on by retry and leaves who is up alone", { timeout: 4 * minutes }, async () => {
    const before = processesOf("ada");
    await cohort.setLearners(["ada", "bob"]);
    await upUntil(isStep("step-started", "control-plane", "bob"), (pid) => process.kill(pid, "SIGKILL"));
    const run = succeeded(await startRun(cohort, "retry", cohort.name).ended);
    expect(summaryOf(run).learners).toEqual(expect.arrayContaining([green("bob")]));
    expect(leftOfEngine()).toEqual([]);
    expect(processesOf("ada")).toEqual(before);
  });

  test("by SIGKILL of its engine, too, while Flux comes up, goes on to green", { timeout: 4 * minutes }, async () => {
    await cohort.setLearners(["ada", "bob", "cleo"]);
    await upUntil(isStep("step-started", "flux-ready", "cleo"), (pid) => {
      const [engine] = livingEngines(paths.daemon, pid);
      process.kill(engine!.pid, "SIGKILL");
      process.kill(pid, "SIGKILL");
    });
    await resumes("ada", "bob", "cleo");
  });

  test("by two signals ends at once", { timeout: 2 * minutes }, async () => {
    await cohort.setLearners(["ada", "bob", "cleo", "dora"]);
    const run = startRun(cohort, "up", cohort.name);
    await run.until(isStep("step-started", "control-plane", "dora"));
    process.kill(run.pid, "SIGTERM");
    await run.until((event) => event.event === "interrupted");
    process.kill(run.pid, "SIGTERM");
    const { exitCode, stderr } = await run.ended;
    expect(exitCode, stderr).toBe(143);
    expect(leftOfEngine()).toEqual([]);
  });

  test("by the end of its terminal ends in order", { timeout: 2 * minutes }, async () => {
    await cohort.setLearners(["ada", "bob", "cleo", "dora", "eve"]);
    const interrupted = async () =>
      (await readFile(join(cohort.home, "inventory", `${cohort.name}.jsonl`), "utf8")).split('"interrupted":true').length;
    const before = await interrupted();
    const terminal = run("script", ["--quiet", "--command", `./lab up ${cohort.name}`, "/dev/null"], {
      env: cohort.environment,
      reject: false,
      stdin: "pipe",
    });
    await waitUntil(
      async () => ("eve/etcd" in processesOf("eve") ? { done: true, value: undefined } : { done: false, because: "nothing of hers runs." }),
      { what: "eve's control plane", timeoutSeconds: 90, intervalMs: 50, remedy: "" },
    );
    process.kill(terminal.pid!, "SIGKILL");
    await terminal;
    await waitUntil(
      async () => ((await interrupted()) > before ? { done: true, value: undefined } : { done: false, because: "no note of that." }),
      { what: "the run to end in order", timeoutSeconds: 30, intervalMs: 50, remedy: "" },
    );
    expect(leftOfEngine()).toEqual([]);
  });

  test("leaves nothing when it is removed", { timeout: 2 * minutes }, async () => {
    succeeded(await cohort.lab("down", cohort.name));
    expect(marked()).toEqual([]);
    expect(existsSync(cohort.home)).toBe(false);
  });
});
