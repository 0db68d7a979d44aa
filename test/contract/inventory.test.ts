import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { forgetInventory, readInventory, recordCreation, recordGone, type Item } from "../../ledger/inventory.ts";
import { clusterLooks, sweepClusters } from "../../clusters/upkeep.ts";
import { lookForAll, type Seen } from "../../ledger/looks.ts";
import { claimCohortFolder, ownership, removeOwned } from "../../ledger/ownership.ts";
import { countsOf, linesOf, makeReceipt } from "../../ledger/receipt.ts";
import { embeddedCluster } from "../../clusters/embedded/cluster.ts";
import { gitRepository } from "../../git-hosts/embedded/repository.ts";
import { kindCluster } from "../../clusters/kind/cluster.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { pipeline } from "../../git-hosts/embedded/pipeline.ts";
import { leasePorts, releasePorts } from "../../ledger/ports.ts";
import { identify, isRunning, mark, namespacesOf } from "../../ledger/process-identity.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const children: ChildProcess[] = [];
/** Makes `unshare` need no privilege. */
const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];

afterEach(async () => {
  for (const child of children.splice(0)) if (child.kill("SIGKILL")) await once(child, "exit");
});

/** A process that carries the mark of a cohort's process, in a group of its own. */
async function marked(cohort: string, name: string) {
  const child = spawn("sleep", ["600"], { env: { ...mark(cohortPaths(cohort).daemon, name) }, detached: true, stdio: "ignore" });
  children.push(child);
  await once(child, "spawn");
  return identify(child.pid!)!;
}

const processOf = (cohort: string, name: string) => ({ kind: "process", id: `${cohortPaths(cohort).daemon}#${name}`, name }) as const;

async function look(cohort: string): Promise<Seen[]> {
  return lookForAll(cohortPaths(cohort), await readInventory(cohort), { looks: clusterLooks });
}

const sightOf = (seen: readonly Seen[], kind: Item["kind"], id: string) => seen.find((item) => item.kind === kind && item.id === id)?.sight;

describe("an inventory", () => {
  test("is a private file outside of the cohort's folder that keeps the last word on each thing", async () => {
    await recordCreation("words", { kind: "port", id: "31300", name: "words/ada/api", learner: "ada" }, processOf("words", "ada/etcd"));
    const identity = identify(process.pid)!;
    await recordCreation("words", { ...processOf("words", "ada/etcd"), identity });
    expect(await readInventory("words")).toMatchObject([
      { kind: "port", learner: "ada" },
      { kind: "process", identity },
    ]);
    await recordGone("words", [{ kind: "port", id: "31300" }]);
    expect(await readInventory("words")).toMatchObject([{ kind: "process" }]);
    const file = join(home(), "inventory", "words.jsonl");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await forgetInventory("words");
    expect(existsSync(join(home(), "inventory"))).toBe(false);
  });

  test("loses no more than the line that was being written when the machine went down", async () => {
    await recordCreation("cut", { kind: "port", id: "1" });
    await appendFile(join(home(), "inventory", "cut.jsonl"), '\n{"event":"created","at":"2026-');
    await recordCreation("cut", { kind: "port", id: "2" });
    expect((await readInventory("cut")).map(({ id }) => id)).toEqual(["1", "2"]);
  });

  test("takes no thing of a kind that it does not know, and nothing without an id", async () => {
    await expect(recordCreation("wrong", { kind: "spaceship" as "port", id: "1" })).rejects.toThrow();
    await expect(recordCreation("wrong", { kind: "port", id: "" })).rejects.toThrow();
    expect(await readInventory("wrong")).toEqual([]);
  });

  test("hears of a thing before it is made", async () => {
    const repository = {
      cohort: "before",
      learner: "ada",
      repository: "lab",
      baseUrl: "http://127.0.0.1:1",
      branch: "main",
      seed: { files: { "a.txt": "a" }, message: "Seed", author: { name: "a", email: "a@example.org" }, date: 1 },
    };
    // The inventory can't be written, since a file is where its folder should be.
    await rm(join(home(), "inventory"), { recursive: true, force: true });
    await writeFile(join(home(), "inventory"), "");
    await expect(gitRepository.ensure(repository)).rejects.toThrow();
    await expect(leasePorts("before/ada", ["api"])).rejects.toThrow();
    expect(existsSync(cohortPaths("before").git)).toBe(false);
    expect(await readFile(join(home(), "ports.json"), "utf8").catch(() => "{}")).not.toContain("before");
    await rm(join(home(), "inventory"));
  });
});

describe("a look", () => {
  test("finds a process by its mark, whether it was told of or not, and by its identity", async () => {
    const told = await marked("looks", "ada/etcd");
    const untold = await marked("looks", "ada/kwok");
    const unmarked = await marked("other", "x");
    await recordCreation("looks", processOf("looks", "ada/etcd"), { ...processOf("looks", "shed"), identity: unmarked });
    const seen = await look("looks");
    expect(sightOf(seen, "process", processOf("looks", "ada/etcd").id)).toMatchObject({ state: "left", remove: `kill -9 ${told.pid}` });
    expect(sightOf(seen, "process", processOf("looks", "ada/kwok").id)).toMatchObject({ state: "left", remove: `kill -9 ${untold.pid}` });
    expect(sightOf(seen, "process", processOf("looks", "shed").id)).toMatchObject({ state: "left", remove: `kill -9 ${unmarked.pid}` });
  });

  test("takes a pid that another process has got for what it is", async () => {
    const { pid, bootId } = identify(process.pid)!;
    await recordCreation("pids", { ...processOf("pids", "ada/etcd"), identity: { pid, bootId, startTime: "1" } });
    expect(await look("pids")).toMatchObject([{ sight: { state: "gone", says: expect.stringContaining("another process") } }]);
    await recordCreation("pids", { ...processOf("pids", "ada/etcd"), identity: identify(process.pid)! });
    expect(await look("pids")).toMatchObject([{ sight: { state: "left" } }]);
  });

  test("finds a lease, and tells it from another's use of the port", async () => {
    const { api } = await leasePorts("ports/ada", ["api"], { from: 31310, to: 31319 });
    expect(sightOf(await look("ports"), "port", String(api))).toMatchObject({ state: "left", remove: "./lab down ports" });
    await releasePorts("ports");
    expect(sightOf(await look("ports"), "port", String(api))).toEqual({ state: "gone" });
    const foreign = createServer().listen(api, "127.0.0.1");
    await once(foreign, "listening");
    try {
      expect(sightOf(await look("ports"), "port", String(api))).toMatchObject({
        state: "foreign",
        says: expect.stringContaining(`process ${process.pid} (`),
        remove: `kill ${process.pid}`,
      });
    } finally {
      await new Promise((resolve) => foreign.close(resolve));
    }
  });

  test("takes a port that was leased to somebody else since for given back, also while that listens", async () => {
    const { api } = await leasePorts("former/ada", ["api"], { from: 31330, to: 31330 });
    await releasePorts("former");
    await leasePorts("later/bob", ["api"], { from: 31330, to: 31330 });
    const listening = createServer().listen(api, "127.0.0.1");
    await once(listening, "listening");
    try {
      expect(sightOf(await look("former"), "port", String(api))).toEqual({ state: "gone" });
    } finally {
      await new Promise((resolve) => listening.close(resolve));
      await releasePorts("later");
    }
  });

  test("finds a lease that nobody told of", async () => {
    const { api } = await leasePorts("lease/ada", ["api"], { from: 31320, to: 31329 });
    await forgetInventory("lease");
    expect(sightOf(await look("lease"), "port", String(api))).toMatchObject({ state: "left" });
    await releasePorts("lease");
  });

  test("finds a namespace while the process that was seen in it runs there", async () => {
    const child = spawn("unshare", [...asRoot, "--uts", "sleep", "600"], { stdio: "ignore" });
    children.push(child);
    await once(child, "spawn");
    const identity = await waitUntil(
      async () => {
        const [id] = namespacesOf(child.pid!).filter((one) => one.startsWith("uts:"));
        return id === undefined
          ? { done: false, because: "it is in our namespace." }
          : { done: true, value: { id, identity: identify(child.pid!)! } };
      },
      { what: "a process in a namespace of its own", timeoutSeconds: 10, intervalMs: 10, remedy: "" },
    );
    await recordCreation("spaces", { kind: "namespace", ...identity });
    expect(await look("spaces")).toMatchObject([{ sight: { state: "left", remove: `kill -9 ${child.pid}` } }]);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await look("spaces")).toMatchObject([{ sight: { state: "gone" } }]);
  });

  test("finds a container by Docker's id, and can't tell where no engine answers", async () => {
    const [left, gone] = ["a".repeat(64), "b".repeat(64)];
    await recordCreation("docker", { kind: "container", id: left, name: "lab-ada-control-plane" }, { kind: "container", id: gone });
    const bin = join(home(), "bin");
    const docker = async (script: string) => {
      await mkdir(bin, { recursive: true });
      await writeFile(join(bin, "docker"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    };
    vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
    try {
      await docker(`case "$*" in *id=${left}*) echo ${left} ;; esac`);
      expect((await look("docker")).map(({ sight }) => sight)).toEqual([
        { state: "left", says: "container lab-ada-control-plane (aaaaaaaaaaaa)", remove: `docker rm --force --volumes ${left}` },
        { state: "gone" },
      ]);
      await docker("echo Cannot connect to the Docker daemon >&2; exit 1");
      expect((await look("docker")).map(({ sight }) => sight)).toMatchObject([
        { state: "unknown", says: expect.stringContaining("Cannot connect") },
        { state: "unknown" },
      ]);
      vi.stubEnv("PATH", "/nowhere");
      expect((await look("docker"))[0]!.sight).toMatchObject({
        state: "unknown",
        says: expect.stringContaining("no docker command on PATH"),
      });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("says of what it can't look for that it can't, and is told how by who can", async () => {
    await recordCreation("far", { kind: "github-repository", id: "123456", name: "org/lab-ada" });
    expect(await look("far")).toMatchObject([{ sight: { state: "unknown" } }]);
    const receipt = makeReceipt({ cohort: "far", startedAt: new Date(), problems: [] }, await look("far"));
    expect(receipt.result).toBe("unknown");
    const seen = await lookForAll(cohortPaths("far"), await readInventory("far"), {
      looks: { "github-repository": ({ id }) => ({ state: "left", says: `repository ${id}`, remove: "gh" }) },
    });
    expect(seen).toMatchObject([{ sight: { state: "left", says: "repository 123456" } }]);
  });
});

describe("the cohort's folder", () => {
  test("is the lab's while it carries the mark that the inventory knows", async () => {
    await claimCohortFolder(cohortPaths("mine"));
    await claimCohortFolder(cohortPaths("mine"));
    expect(await readInventory("mine")).toHaveLength(1);
    expect(await ownership(cohortPaths("mine"))).toBe("own");
    expect(await look("mine")).toMatchObject([{ kind: "folder", sight: { state: "left", remove: `rm -r ${cohortPaths("mine").root}` } }]);
    await removeOwned(cohortPaths("mine"), cohortPaths("mine").root);
    expect(await ownership(cohortPaths("mine"))).toBe("absent");
    // A run killed between making the folder and marking it.
    await mkdir(cohortPaths("mine").root);
    expect(await ownership(cohortPaths("mine"))).toBe("own");
  });

  test("that somebody put into its place is told, left whole, and refused by the next run", async () => {
    const { root, daemon } = cohortPaths("taken");
    await claimCohortFolder(cohortPaths("taken"));
    await rename(root, `${root}-moved`);
    const path = join(root, "git", "ada", "lab.git");
    const files = [join(path, "HEAD"), join(root, "learners", "ada", "access", "grants.json"), join(daemon, "notes.txt")];
    for (const file of files)
      await mkdir(join(file, ".."), { recursive: true }).then(() => writeFile(file, JSON.stringify({ git: [], registry: [] })));
    const output = {
      path,
      url: "",
      branch: "main",
      seedCommit: "",
      learnerUsername: "",
      learnerPassword: "",
      fluxUsername: "",
      fluxPassword: "",
    };
    await gitRepository.remove("taken/ada/lab", output);
    await removeCohortFromHost(cohortPaths("taken"), sweepClusters);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
    expect(sightOf(await look("taken"), "folder", root)).toMatchObject({ state: "foreign", remove: `rm -r ${root}` });
    await expect(claimCohortFolder(cohortPaths("taken"))).rejects.toMatchObject({ code: "folder-foreign" });
    await rm(root, { recursive: true });
    await rename(`${root}-moved`, root);
    await removeCohortFromHost(cohortPaths("taken"), sweepClusters);
    expect(existsSync(root)).toBe(false);
  });

  test("loses everything but a file in the place of a learner's folder, which is told", async () => {
    const { root, learner, daemon } = cohortPaths("file");
    await claimCohortFolder(cohortPaths("file"));
    await mkdir(learner("ada").cluster, { recursive: true });
    await mkdir(daemon);
    const file = learner("bob").root;
    await writeFile(file, "notes");
    const repository = { path: join(root, "git", "bob", "lab.git"), url: "", branch: "", seedCommit: "" };
    const users = { learnerUsername: "", learnerPassword: "", fluxUsername: "", fluxPassword: "" };
    await gitRepository.remove("file/bob/lab", { ...repository, ...users });
    await pipeline.remove("file/bob/pipeline", { cohort: "file", learner: "bob" });
    for (const { remove } of [kindCluster, embeddedCluster])
      await remove("x", {
        cohort: "file",
        learner: "bob",
        clusterId: "",
        apiServer: "",
        adminKubeconfig: "",
        ...{ learnerKubeconfig: "", ingressPort: 0 },
      });
    await removeCohortFromHost(cohortPaths("file"), sweepClusters);
    expect((await readdir(root, { recursive: true })).sort()).toEqual(["learners", "learners/bob", "owner"]);
    expect(await readFile(file, "utf8")).toBe("notes");
    expect(sightOf(await look("file"), "folder", root)).toMatchObject({
      state: "foreign",
      says: expect.stringContaining(file),
      remove: `rm ${file}`,
    });
    await rm(file);
    await removeCohortFromHost(cohortPaths("file"), sweepClusters);
    expect(sightOf(await look("file"), "folder", root)).toEqual({ state: "gone" });
  });

  test("is removed with the processes that carry its mark, down to those that lead no group", async () => {
    await claimCohortFolder(cohortPaths("ends"));
    const leader = spawn("sh", ["-c", "sleep 600 & echo $!; exec sleep 600"], {
      env: { PATH: process.env["PATH"], ...mark(cohortPaths("ends").daemon, "ada/etcd") },
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    children.push(leader);
    const [line] = (await once(leader.stdout!, "data")) as [Buffer];
    const child = identify(Number(line.toString().trim()))!;
    leader.kill("SIGKILL");
    await once(leader, "exit");
    expect(isRunning(child)).toBe(true);
    await removeCohortFromHost(cohortPaths("ends"), sweepClusters);
    const seen = await look("ends");
    expect(isRunning(child)).toBe(false);
    expect(seen.map(({ sight }) => sight.state)).toEqual(["gone"]);
  });
});

describe("what is mounted in the cohort's folder", () => {
  test("is told and not reached by its removal", async () => {
    const kept = join(home(), "kept");
    await mkdir(kept);
    await writeFile(join(kept, "notes.txt"), "mine");
    await claimCohortFolder(cohortPaths("mounted"));
    const { root } = cohortPaths("mounted");
    const point = join(root, "a folder");
    await mkdir(point);
    // In a mount namespace of its own, so that nothing is mounted on this machine.
    const script = `
      import { lookForAll } from ${JSON.stringify(new URL("../../ledger/looks.ts", import.meta.url).href)};
      import { cohortPaths } from ${JSON.stringify(new URL("../../shared/paths.ts", import.meta.url).href)};
      import { removeOwned } from ${JSON.stringify(new URL("../../ledger/ownership.ts", import.meta.url).href)};
      const problem = await removeOwned(cohortPaths("mounted"), ${JSON.stringify(root)}).then(() => "none", ({ code }) => code);
      const seen = await lookForAll(cohortPaths("mounted"), []);
      console.log(JSON.stringify({ problem, seen: seen.map(({ kind, sight }) => [kind, sight.remove]) }));`;
    const mounting = 'mount --bind "$1" "$2" && exec "$3" --input-type=module --eval "$4"';
    const { stdout } = await run("unshare", [...asRoot, "--mount", "sh", "-c", mounting, "sh", kept, point, process.execPath, script]);
    expect(JSON.parse(String(stdout))).toEqual({ problem: "folder-mounted", seen: [["mount", `umount '${point}'`]] });
    expect(await readFile(join(kept, "notes.txt"), "utf8")).toBe("mine");
    await removeOwned(cohortPaths("mounted"), root);
    expect(existsSync(root)).toBe(false);
  });
});

describe("a receipt", () => {
  const item = (kind: Item["kind"], id: string, more: object = {}) => ({ kind, id, at: "2026-11-24T10:00:00.000Z", ...more });
  const teardown = { cohort: "demo", startedAt: new Date("2026-11-24T11:00:00Z"), problems: [] };

  test("ends in zero where everything is gone, and says what that was", () => {
    const seen = [item("port", "1"), item("port", "2"), item("images", "/i"), item("repository", "/r")].map((one) => ({
      ...one,
      sight: { state: "gone" as const },
    }));
    const receipt = makeReceipt(teardown, seen);
    expect(receipt).toMatchObject({ schemaVersion: 1, result: "zero", remainder: [], foreign: [], unknown: [] });
    expect(receipt.items).toHaveLength(4);
    expect(countsOf(receipt)).toBe("2 ports, 1 image path, 1 repository");
    expect(linesOf(receipt)).toEqual([]);
  });

  test("names what is left with its command, once where a folder holds it", () => {
    const left = (id: string) => ({ state: "left" as const, says: `folder ${id}`, remove: `rm -r ${id}` });
    const receipt = makeReceipt(teardown, [
      { ...item("folder", "/home/c"), sight: left("/home/c") },
      { ...item("key", "/home/c/key"), sight: left("/home/c/key") },
      { ...item("port", "7"), sight: { state: "foreign", says: "port 7, on which process 1 (x) listens now", remove: "kill 1" } },
    ]);
    expect(receipt.result).toBe("remainder");
    expect(linesOf(receipt)).toEqual([
      "left over: folder /home/c; remove it with `rm -r /home/c`",
      "not the lab's and left alone: port 7, on which process 1 (x) listens now; `kill 1` would remove it",
    ]);
    expect(receipt.items.map(({ state }) => state)).toEqual(["left", "left", "foreign"]);
  });

  test("is no zero where something went wrong on the way", () => {
    expect(makeReceipt({ ...teardown, problems: ["Pulumi failed."] }, []).result).toBe("remainder");
  });
});
