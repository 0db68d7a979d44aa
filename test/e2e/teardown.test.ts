import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Receipt } from "../../ledger/receipt.ts";
import { listenerOn } from "../../ledger/listeners.ts";
import { findMarked, identify, isRunning, mark } from "../../ledger/process-identity.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * What `./lab down` says of what it leaves, on a real lab of one learner. Things are left behind on purpose and things of
 * others are put in the lab's places. The tests build on each other.
 */
let home: string;
let cohort: TestCohort;
const ended: (() => unknown)[] = [];

const minutes = 60_000;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-teardown-"));
  cohort = new TestCohort(`e2e-teardown-${process.pid}`, join(home, "lab"), ["ada"]);
  await cohort.writeFile();
  succeeded(await cohort.lab("up", cohort.name));
}, 3 * minutes);

afterAll(async () => {
  for (const end of ended) await end();
  await cohort.takeAway(home);
}, 2 * minutes);

const paths = () => cohortPaths(cohort.name, cohort.home);
const readReceipt = async (name: string) => Receipt.parse(JSON.parse(await readFile(join(home, name), "utf8")));

/** Starts a process with a mark again as soon as it ends: what no kill gets rid of. It carries no mark itself. */
function resist(): ChildProcess {
  const variables = Object.entries(mark(paths().daemon, "ada/resists")).map(([name, value]) => `${name}=${value}`);
  const child = spawn("sh", ["-c", 'while :; do env "$@" setsid --wait sleep 600; done', "sh", ...variables], { stdio: "ignore" });
  ended.push(() => child.kill("SIGKILL"));
  return child;
}

async function occupy(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening").catch((error: unknown) => {
    throw new Error(`port ${port} is held by ${JSON.stringify(listenerOn(port))}`, { cause: error });
  });
  ended.push(() => server.close());
  return server;
}

describe("down", () => {
  test("refuses a receipt that it could not keep, before anything is removed", { timeout: minutes }, async () => {
    expect(await cohort.lab("down", cohort.name, "--receipt", join(cohort.home, "receipt.json"))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("Nothing was removed"),
    });
    await writeFile(join(home, "taken.json"), "");
    expect(await cohort.lab("down", cohort.name, "--receipt", join(home, "taken.json"))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("never overwritten"),
    });
    expect(findMarked(paths().daemon).length).toBeGreaterThan(8);
  });

  test("names what is left with what removes it, and leaves alone what is not the lab's", { timeout: 2 * minutes }, async () => {
    const leases = JSON.parse(await readFile(join(cohort.home, "ports.json"), "utf8")) as Record<string, number>;
    const port = leases[`${cohort.name}/ada/api`]!;
    succeeded(await cohort.lab("stop", cohort.name));
    // A port, and a folder, that somebody else has by now; and a process that comes back.
    await occupy(port);
    await rename(paths().root, join(home, "moved"));
    await mkdir(join(paths().git, "ada"), { recursive: true });
    await writeFile(join(paths().git, "ada", "notes.txt"), "mine");
    const resisting = resist();
    await waitUntil(
      async () => (findMarked(paths().daemon).length > 0 ? { done: true, value: undefined } : { done: false, because: "none." }),
      { what: "a marked process", timeoutSeconds: 10, intervalMs: 20, remedy: "" },
    );

    const { exitCode, stdout } = await cohort.lab("down", cohort.name, "--yes", "--receipt", join(home, "left.json"));
    expect(exitCode, stdout).toBe(1);
    const { remainder, foreign, result } = await readReceipt("left.json");
    expect(result).toBe("remainder");
    expect(remainder).toEqual([
      {
        kind: "process",
        id: `${paths().daemon}#ada/resists`,
        says: expect.stringContaining("ada/resists"),
        remove: expect.stringMatching(/^kill -9 \d+/),
      },
    ]);
    expect(foreign.map(({ kind, id, remove }) => [kind, id, remove])).toEqual(
      expect.arrayContaining([
        ["folder", paths().root, `rm -r ${paths().root}`],
        ["port", String(port), `kill ${process.pid}`],
      ]),
    );
    expect(foreign).toHaveLength(2);
    for (const { says, remove } of [...remainder, ...foreign]) {
      expect(stdout).toContain(says);
      expect(stdout).toContain(remove);
    }
    expect(stdout).not.toContain("is gone:");
    expect(await readFile(join(paths().git, "ada", "notes.txt"), "utf8")).toBe("mine");
    // Also where it is all that is known of the cohort.
    expect((await cohort.lab("down", cohort.name)).exitCode).toBe(1);
    expect(await readFile(join(paths().git, "ada", "notes.txt"), "utf8")).toBe("mine");
    resisting.kill("SIGKILL");
    await once(resisting, "exit");
  });

  test("comes to zero once that is put right", { timeout: minutes }, async () => {
    for (const end of ended.splice(0)) await end();
    await rm(paths().root, { recursive: true });
    await rename(join(home, "moved"), paths().root);
    const { stdout } = succeeded(await cohort.lab("down", cohort.name, "--receipt", join(home, "zero.json")));
    expect(stdout).toContain("is gone: nothing is left of");
    expect(await readReceipt("zero.json")).toMatchObject({ result: "zero", remainder: [], foreign: [], problems: [] });
    expect(findMarked(paths().daemon)).toEqual([]);
    expect(existsSync(cohort.home)).toBe(false);
  });
});

describe("down --orphans", () => {
  test("finds nothing where nothing is, and makes nothing", { timeout: minutes }, async () => {
    expect(succeeded(await cohort.lab("down", "--orphans")).stdout).toContain("No orphan");
    expect(existsSync(cohort.home)).toBe(false);
  });

  test("finds what a killed up has left, and removes it when asked to, and nothing of others", { timeout: 3 * minutes }, async () => {
    const up = cohort.startLab("up", cohort.name);
    const seen = await waitUntil(
      async () => {
        const found = findMarked(paths().daemon).find(({ name }) => name === "ada/kube-apiserver");
        return found === undefined ? { done: false, because: "no API server." } : { done: true, value: found.identity };
      },
      { what: "the learner's API server", timeoutSeconds: 60, intervalMs: 20, remedy: "" },
    );
    process.kill(-up.pid!, "SIGKILL");
    await up;
    const homeMark = createHash("sha256").update(cohort.home).digest("hex").slice(0, 8);
    // A process that can't run any more left the first; another lab's the second, and this one, which lives, the third.
    const scratch = [`${homeMark}-1-1`, "00000000-1-1", `${homeMark}-${process.pid}-${identify(process.pid)!.startTime}`].map((owner) =>
      join(tmpdir(), `gitops-lab-bench-${owner}-${process.pid}`),
    );
    for (const folder of scratch) await mkdir(folder);
    ended.push(...scratch.map((folder) => () => rm(folder, { recursive: true, force: true })));
    const foreign = spawn("sleep", ["600"], { env: mark("/elsewhere/cohorts/x/daemon", "ada/etcd"), stdio: "ignore" });
    ended.push(() => foreign.kill());
    await once(foreign, "spawn");

    const listed = await cohort.lab("down", "--orphans");
    expect(listed.exitCode, listed.stderr).toBe(1);
    expect(listed.stdout).toContain(`orphan ${cohort.name}: its first \`up\` was killed`);
    expect(listed.stdout).toContain(`process ${seen.pid} (ada/kube-apiserver)`);
    expect(listed.stdout).toMatch(/port \d+, leased to/);
    expect(listed.stdout).toContain(scratch[0]!);
    for (const folder of scratch.slice(1)) expect(listed.stdout).not.toContain(folder);
    expect(isRunning(seen)).toBe(true);

    const removed = succeeded(await cohort.lab("down", "--orphans", "--yes"));
    expect(removed.stdout).toContain(`Cohort ${cohort.name} is gone`);
    expect(findMarked(paths().daemon)).toEqual([]);
    expect(existsSync(cohort.home)).toBe(false);
    expect(scratch.map((folder) => existsSync(folder))).toEqual([false, true, true]);
    expect(isRunning(identify(foreign.pid!)!)).toBe(true);
    expect(succeeded(await cohort.lab("down", "--orphans")).stdout).toContain("No orphan");
  });
});
