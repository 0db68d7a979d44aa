import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProcessTable, type ProcessSpec } from "../../host/processes/process-table.ts";
import { endProcess } from "../../host/processes/end-process.ts";
import { Supervisor } from "../../host/processes/supervisor.ts";
import { findMarked, identify, isRunning } from "../../ledger/process-identity.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { statFields } from "../../shared/proc.ts";
import { waitUntil } from "../../shared/wait.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
let folder: string;
let supervisor: Supervisor;
let count = 0;

beforeEach(async () => {
  folder = await makePrivateFolder(join(home(), `daemon-${count++}`));
  supervisor = new Supervisor(new ProcessTable(folder));
});
afterEach(() => supervisor.remove(() => true, "SIGKILL"));

function spec(name: string, script: string, owner = "ada"): ProcessSpec {
  return {
    name,
    owner,
    command: "/bin/sh",
    args: ["-c", script],
    env: { PATH: "/usr/bin:/bin" },
    cwd: folder,
    logFile: join(folder, `${name}.log`),
  };
}

/** Waits for the process to run with a pid other than `not`, and returns the pid. */
async function pidOf(name: string, not?: number, of = supervisor): Promise<number> {
  return waitUntil(
    async () => {
      const pid = of.status().find((status) => status.name === name)?.pid;
      return pid !== undefined && pid !== not ? { done: true, value: pid } : { done: false, because: `pid ${pid}.` };
    },
    { what: `process ${name}`, timeoutSeconds: 10, intervalMs: 20, remedy: "" },
  );
}

/** Also while its parent, this process, has not taken its end in yet. */
function isGone(pid: number): boolean {
  const identity = identify(pid);
  return identity === undefined || !isRunning(identity);
}

describe("the supervisor", () => {
  test("starts again what was killed and says why it ended", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    const first = await pidOf("a");
    process.kill(first, "SIGKILL");
    await pidOf("a", first);
    expect(supervisor.status()[0]).toMatchObject({ state: "running", restarts: 1, lastExit: { reason: "killed by SIGKILL" } });
  });

  test("reports what cannot run instead of giving up", async () => {
    await supervisor.ensure(spec("a", "echo no luck >&2; exit 3"));
    await waitUntil(
      async () => {
        const [status] = supervisor.status();
        return (status?.restarts ?? 0) >= 2 ? { done: true, value: undefined } : { done: false, because: JSON.stringify(status) };
      },
      { what: "two restarts", timeoutSeconds: 10, intervalMs: 20, remedy: "" },
    );
    expect(supervisor.status()[0]?.lastExit?.reason).toBe("exit code 3");
    expect(await readFile(join(folder, "a.log"), "utf8")).toContain("no luck");
  });

  test("leaves a running process alone when asked for it again, and replaces one with another spec", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    const first = await pidOf("a");
    await supervisor.ensure(spec("a", "exec sleep 600"));
    expect(await pidOf("a")).toBe(first);
    await supervisor.ensure(spec("a", "exec sleep 601"));
    expect(await pidOf("a")).not.toBe(first);
    expect(isGone(first)).toBe(true);
  });

  test("asked twice at once for another spec runs it once, and ends all of it", async () => {
    // Slow to end, so that the second comes while the first waits for that.
    await supervisor.ensure(spec("a", "trap 'sleep 0.5; exit' TERM; while :; do sleep 0.05; done"));
    await pidOf("a");
    await Promise.all([supervisor.ensure(spec("a", "exec sleep 601")), supervisor.ensure(spec("a", "exec sleep 601"))]);
    await pidOf("a");
    const running = () => new Set(findMarked(folder).map(({ identity }) => identity.pid)).size;
    expect(running()).toBe(1);
    await supervisor.pause(() => true, false);
    expect(running()).toBe(0);
  });

  test("adopts what an earlier one started, and goes on watching it", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    const pid = await pidOf("a");
    // As if the first daemon had been killed between starting it and noting its pid.
    const table = new ProcessTable(folder);
    await table.write((await table.read()).map(({ spec, restarts }) => ({ spec, restarts })));
    const second = new Supervisor(table);
    await second.start();
    expect(await pidOf("a", undefined, second)).toBe(pid);
    await second.remove(() => true, "SIGKILL");
    expect(isGone(pid)).toBe(true);
    expect(await new ProcessTable(folder).read()).toEqual([]);
  });

  test("ends the selected processes with their children, and no other", async () => {
    await supervisor.ensure(spec("a", `sleep 600 & echo $! > ${folder}/child; wait`, "ada"));
    await supervisor.ensure(spec("b", "exec sleep 600", "bob"));
    await pidOf("a");
    const other = await pidOf("b");
    const child = await waitUntil(
      async () => {
        const text = await readFile(join(folder, "child"), "utf8").catch(() => "");
        return text.endsWith("\n") ? { done: true, value: identify(Number(text)) } : { done: false, because: "no child." };
      },
      { what: "the child", timeoutSeconds: 10, remedy: "" },
    );
    await supervisor.remove((process) => process.owner === "ada", "SIGKILL");
    expect(child !== undefined && isRunning(child)).toBe(false);
    expect(supervisor.status()).toMatchObject([{ name: "b", pid: other }]);
  });

  test("keeps paused processes down until they are resumed", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    const first = await pidOf("a");
    await supervisor.pause(() => true, false);
    expect(supervisor.status()[0]?.state).toBe("paused");
    expect(isGone(first)).toBe(true);
    await supervisor.resume(() => true, false);
    expect(await pidOf("a")).not.toBe(first);
  });

  test("keeps down what was paused to last, through a new supervisor and the start of all others", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    await supervisor.ensure(spec("b", "exec sleep 600", "bob"));
    const first = await pidOf("b");
    await supervisor.pause(({ owner }) => owner === "ada", true);
    await supervisor.pause(() => true, false);
    const next = new Supervisor(new ProcessTable(folder));
    await next.start();
    await next.resume(() => true, false);
    expect(await pidOf("b", first, next)).not.toBe(first);
    expect(next.status().map(({ name, state }) => [name, state])).toEqual([
      ["a", "paused"],
      ["b", "running"],
    ]);
    await next.resume(({ owner }) => owner === "ada", true);
    await pidOf("a", undefined, next);
    const last = new Supervisor(new ProcessTable(folder));
    await last.start();
    expect(last.status().map(({ state }) => state)).toEqual(["running", "running"]);
    await last.remove(() => true, "SIGKILL");
    await next.remove(() => true, "SIGKILL");
  });

  test("keeps down what was let go until it is taken up, through a new supervisor and every resume, and then counts anew", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    const first = await pidOf("a");
    process.kill(first, "SIGKILL");
    const second = await pidOf("a", first);
    await supervisor.letGo("a");
    expect(isGone(second)).toBe(true);
    const next = new Supervisor(new ProcessTable(folder));
    await next.start();
    await next.resume(() => true, false);
    expect(next.status()).toMatchObject([{ name: "a", state: "awaiting-pod", restarts: 1 }]);
    await next.pause(() => true, true);
    expect(next.statusOf("a")?.state).toBe("paused");
    await next.resume(() => true, true);
    expect(next.statusOf("a")?.state).toBe("awaiting-pod");
    await next.takeUp("a");
    const third = await pidOf("a", undefined, next);
    await next.takeUp("a");
    expect(next.statusOf("a")).toMatchObject({ state: "running", pid: third, restarts: 0 });
    expect(next.statusOf("a")).not.toHaveProperty("lastExit");
    await next.remove(() => true, "SIGKILL");
  });

  test("starts what was let go where it is asked for again", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    await pidOf("a");
    await supervisor.letGo("a");
    await supervisor.ensure(spec("a", "exec sleep 600"));
    await pidOf("a");
  });

  test("tells whose processes changed", async () => {
    const owners: string[] = [];
    supervisor.onChange((owner) => owners.push(owner));
    await supervisor.ensure(spec("b", "exec sleep 600", "bob"));
    await pidOf("b");
    expect(new Set(owners)).toEqual(new Set(["bob"]));
    await supervisor.remove(() => true, "SIGKILL");
    const next = new Supervisor(new ProcessTable(folder));
    await next.ensure(spec("a", "exec sleep 600"));
    await pidOf("a", undefined, next);
    const last = new Supervisor(new ProcessTable(folder));
    const adopted: string[] = [];
    last.onChange((owner) => adopted.push(owner));
    await last.start();
    expect(adopted).toContain("ada");
    await last.remove(() => true, "SIGKILL");
    await next.remove(() => true, "SIGKILL");
  });

  test("tells of a process before it is started, and of what it then is", async () => {
    const told: [string, number | undefined, boolean][] = [];
    const telling = new Supervisor(
      new ProcessTable(folder),
      async ({ name }, identity) => void told.push([name, identity?.pid, existsSync(join(folder, "processes.json"))]),
    );
    await telling.ensure(spec("a", "exec sleep 600"));
    const pid = await pidOf("a", undefined, telling);
    await waitUntil(async () => (told.length > 1 ? { done: true, value: undefined } : { done: false, because: "told once." }), {
      what: "the telling",
      timeoutSeconds: 5,
      intervalMs: 10,
      remedy: "",
    });
    expect(told).toEqual([
      ["a", undefined, false],
      ["a", pid, true],
    ]);
    await telling.remove(() => true, "SIGKILL");
  });
});

describe("ending a process", () => {
  test("kills what ignores the polite signal", { timeout: 15_000 }, async () => {
    await supervisor.ensure(spec("a", `trap 'echo refused' TERM; touch ${folder}/ready; while :; do sleep 1; done`));
    const identity = identify(await pidOf("a"));
    await waitUntil(
      async () => (existsSync(join(folder, "ready")) ? { done: true, value: undefined } : { done: false, because: "no trap yet." }),
      { what: "the trap", timeoutSeconds: 10, intervalMs: 20, remedy: "" },
    );
    await supervisor.pause(() => true, false);
    expect(identity !== undefined && isRunning(identity)).toBe(false);
    expect(await readFile(join(folder, "a.log"), "utf8")).toContain("refused");
  });

  test("waits for a process of which only the first thread has ended: it still holds its ports", async () => {
    // perl's `threads` and exit(2), which ends one thread: the state of a large process between a kill and its end.
    const exitThread = process.arch === "arm64" ? 93 : 60;
    await supervisor.ensure(spec("a", `exec perl -Mthreads -e 'threads->create(sub { sleep 600 }); syscall(${exitThread}, 0)'`));
    const identity = await waitUntil(
      async () => {
        const found = identify(supervisor.status()[0]?.pid ?? 0);
        return found !== undefined && statFields(found.pid)?.[0] === "Z"
          ? { done: true, value: found }
          : { done: false, because: "its first thread runs." };
      },
      { what: "a process without its first thread", timeoutSeconds: 10, intervalMs: 20, remedy: "" },
    );
    expect(isRunning(identity)).toBe(true);
    await supervisor.pause(() => true, false);
    expect(isRunning(identity)).toBe(false);
  });

  test("never touches a process that only has the same pid", async () => {
    await supervisor.ensure(spec("a", "exec sleep 600"));
    const pid = await pidOf("a");
    const identity = identify(pid);
    await endProcess({ ...identity!, startTime: "1" }, "SIGKILL");
    expect(isRunning(identity!)).toBe(true);
  });
});
