import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { whileRunning } from "../../ledger/running.ts";
import { cohortGroups } from "../../host/room/cgroups.ts";
import { readInventory, recordCreation } from "../../ledger/inventory.ts";
import { findCrumbs, findTraces, forgetCutShort } from "../../ledger/orphans.ts";
import { leasePorts, releasePorts } from "../../ledger/ports.ts";
import { engineName, identify, mark } from "../../ledger/process-identity.ts";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths, homeMark, labHome } from "../../shared/paths.ts";
import { abandonedScratchIn, dropAbandonedScratch, makeScratchFolder } from "../../shared/scratch.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const children: ChildProcess[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const child of children.splice(0)) if (child.kill("SIGKILL")) await once(child, "exit");
  await rm(join(home(), "cohorts"), { recursive: true, force: true });
  await rm(join(home(), "inventory"), { recursive: true, force: true });
});

async function marked(folder: string, name: string): Promise<number> {
  const child = spawn("sleep", ["600"], { env: mark(folder, name), stdio: "ignore" });
  children.push(child);
  await once(child, "spawn");
  return child.pid!;
}

const gone = { pid: 1, startTime: "1", bootId: "of another boot" };
const run = (command: string, identity: object) =>
  ({ kind: "run", id: JSON.stringify(identity), name: `${command} x`, identity: identity as typeof gone }) as const;

describe("traces", () => {
  test("tell of each cohort what there is, by the mark of this lab home alone", async () => {
    const pid = await marked(cohortPaths("lost").daemon, "ada/etcd");
    await marked("/elsewhere/cohorts/lost/daemon", "ada/etcd");
    await leasePorts("leased/ada", ["api"], { from: 31340, to: 31349 });
    await mkdir(cohortPaths("folder").root, { recursive: true });
    const traces = await findTraces(new Set(["stack"]), await cohortGroups());
    expect(traces.map(({ cohort, folder, stack }) => [cohort, folder, stack])).toEqual([
      ["folder", true, false],
      ["leased", false, false],
      ["lost", false, false],
      ["stack", false, true],
    ]);
    expect(traces.find(({ cohort }) => cohort === "lost")?.things).toEqual([`process ${pid} (ada/etcd)`]);
    expect(traces.find(({ cohort }) => cohort === "leased")?.things).toEqual([
      expect.stringMatching(/^port \d+, leased to leased\/ada\/api$/),
    ]);
    await releasePorts("leased");
  });

  test("know killed commands from interrupted ones and from those that run, and forget what they are told to", async () => {
    await recordCreation("killed", run("up", gone));
    // Interrupted a moment ago: its process is still there.
    await recordCreation("interrupted", { ...run("down", identify(process.pid)!), interrupted: true });
    await recordCreation("running", run("up", gone), run("down", identify(process.pid)!), {
      kind: "stack",
      id: "gitops-lab/running",
      name: "s3://elsewhere",
    });
    const [interrupted, killed, running] = await findTraces(new Set(), await cohortGroups());
    expect(interrupted).toMatchObject({ cohort: "interrupted", cutShort: [{ command: "down", how: "interrupted" }], busy: false });
    expect(killed).toMatchObject({ cohort: "killed", cutShort: [{ command: "up", how: "killed" }], busy: false, backend: undefined });
    expect(running).toMatchObject({
      cohort: "running",
      cutShort: [{ command: "up", how: "killed" }],
      busy: true,
      backend: "s3://elsewhere",
    });
    for (const cohort of ["interrupted", "running"]) await forgetCutShort(cohort);
    expect(await findTraces(new Set(), await cohortGroups())).toMatchObject([
      { cohort: "interrupted", cutShort: [] },
      { cohort: "killed" },
      { cohort: "running", cutShort: [], busy: true },
    ]);
  });
});

describe("the note that a command changes a cohort", () => {
  const noted = async () =>
    (await readInventory("noted")).map(({ kind, name, interrupted }) => `${kind} ${name}${interrupted ? ", interrupted" : ""}`);

  test.each([
    ["that ends well", undefined, []],
    ["that fails", new LabError("up-failed", "It did not come up."), []],
    ["that a signal ended", new LabError("interrupted", "Interrupted by SIGINT."), ["run up noted, interrupted"]],
  ])("is there while it runs, and after one %s as it should be", async (_how, error, after) => {
    const work = whileRunning("noted", "up", async () => {
      expect(await noted()).toEqual(["run up noted"]);
      if (error !== undefined) throw error;
    });
    await (error === undefined ? work : expect(work).rejects.toBe(error));
    expect(await noted()).toEqual(after);
  });

  test.each([
    ["down", "up", true],
    ["down", "down", true],
    ["up", "down", true],
    ["reset", "down", true],
    ["up", "retry", false],
  ])("keeps `%s` from beginning beside `%s`, where one takes away what the other works on: %s", async (command, other, isRefused) => {
    const pid = await marked("/elsewhere/cohorts/noted/daemon", "another command");
    const beside = { ...run(other, identify(pid)!), name: `${other} noted` };
    await recordCreation("noted", beside);
    let began = 0;
    const work = () => whileRunning("noted", command, async () => void (began += 1));
    const refusal = { code: "cohort-at-work", message: expect.stringContaining(`kill ${pid}`) };
    await (isRefused ? expect(work()).rejects.toMatchObject(refusal) : work());
    expect([began, await noted()]).toEqual([isRefused ? 0 : 1, [`run ${other} noted`]]);
    const ended = once(children[0]!, "exit");
    process.kill(pid, "SIGKILL");
    await ended;
    children.length = 0;
    // One that was killed, or has ended, stands in nobody's way.
    await work();
    expect(began).toBe(isRefused ? 1 : 2);
  });
});

describe("crumbs", () => {
  test("are processes of an engine that is gone, and locks that nobody renews", async () => {
    const pid = await marked(cohortPaths("engine").daemon, engineName);
    const [stale, held] = [join(home(), "ports.json.lock"), join(cohortPaths("engine").root, "daemon.lock")];
    for (const lock of [stale, held]) await mkdir(lock, { recursive: true });
    await utimes(stale, new Date(0), new Date(0));
    const crumbs = await findCrumbs(["engine"]);
    expect(crumbs.map(({ says }) => says)).toEqual([`process ${pid} of a killed Pulumi engine, cohort engine`, `lock ${stale}`]);
    const ended = once(children[0]!, "exit");
    for (const { remove } of crumbs) await remove();
    await ended;
    children.length = 0;
    expect([existsSync(stale), existsSync(held)]).toEqual([false, true]);
  });

  test("are temporary folders of this lab home whose maker is gone", async () => {
    const parent = await mkdtemp(join(labHome(), "tmp-"));
    const own = await makeScratchFolder("bench", parent);
    const abandoned = join(parent, `gitops-lab-bench-${homeMark()}-${process.pid}-1-abc`);
    for (const name of [abandoned, join(parent, `gitops-lab-bench-00000000-1-1-abc`), join(parent, "notes")]) await mkdir(name);
    expect(await abandonedScratchIn(parent)).toEqual([abandoned]);
    expect(existsSync(own)).toBe(true);
    await rm(parent, { recursive: true });
  });

  test("that are such folders go with the next run, and no other does", async () => {
    // A place of its own: who looks among the temporary files meanwhile is not to see these.
    const parent = await mkdtemp(join(labHome(), "tmp-"));
    vi.stubEnv("TMPDIR", parent);
    const own = await makeScratchFolder("bench");
    const [abandoned, foreign] = [homeMark(), "00000000"].map((mark) => join(parent, `gitops-lab-crane-${mark}-${process.pid}-1-abc`));
    for (const path of [abandoned!, foreign!]) await mkdir(path);
    // As somebody else may lay it there, who can write among the temporary files.
    const laid = join(parent, `gitops-lab-job-${homeMark()}-${process.pid}-1-abc`);
    await symlink(foreign!, laid);
    expect(await dropAbandonedScratch()).toEqual([]);
    expect([own, abandoned!, foreign!, laid].map(existsSync)).toEqual([true, false, true, true]);
    await rm(parent, { recursive: true });
  });
});
