import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { suiteIsRoot } from "../support/room.ts";

const source = (path: string) => JSON.stringify(join(import.meta.dirname, "../..", path));

/**
 * Runs a module where a hierarchy of version 2 is mounted in the place of the machine's, and returns what it prints. Those
 * of version 1 may have the controllers; then what limits a group is not to be seen there.
 */
async function withUnified(script: string): Promise<unknown> {
  const mounted = `mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await run("unshare", ["--mount", "sh", "-c", mounted, process.execPath, script], { stdin: "ignore" });
  return JSON.parse(stdout);
}

const preamble = `
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, chownSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { cgroupMembers, planCgroup, presentFolders, removeCgroup } from ${source("host/room/cgroups.ts")};
const top = "/sys/fs/cgroup/gitops-lab-test-" + process.pid;
`;

/** Only root can mount one. */
const notPossible = () => expect(withUnified("")).rejects.toThrow(/unshare failed|not permitted/);

test("a group of version 2 is found, and ends with all that is in it and in groups within", async () => {
  if (!suiteIsRoot) return notPossible();
  const seen = await withUnified(`${preamble}
    const group = await planCgroup(top.slice("/sys/fs/cgroup/".length) + "/ada");
    const folder = group.folders.unified;
    mkdirSync(folder + "/room/deeper", { recursive: true });
    const children = ["", "/room", "/room/deeper"].map((below) => {
      const child = spawn("sleep", ["60"]);
      writeFileSync(folder + below + "/cgroup.procs", String(child.pid));
      return child;
    });
    const ended = children.map(async (child) => (await once(child, "exit"))[1]);
    const members = [...(await cgroupMembers(group))].sort();
    const present = await presentFolders(group);
    await removeCgroup(group);
    const left = existsSync(top);
    console.log(JSON.stringify({
      version: group.version, below: folder === top + "/ada", all: members.length === 3 && children.every(({ pid }) => members.includes(pid)),
      present: present.length, ended: await Promise.all(ended), left,
    }));`);
  expect(seen).toEqual({ version: 2, below: true, all: true, present: 1, ended: ["SIGKILL", "SIGKILL", "SIGKILL"], left: false });
});

test("an ordinary account has the topmost group that was handed over, and none without", async () => {
  if (!suiteIsRoot) return notPossible();
  const asAccount = `${preamble}
    const plan = async () => (await planCgroup("x")).folders.unified;
    writeFileSync(process.argv[1] + "/handed/session/cgroup.procs", String(process.pid));
    process.setgid(64321);
    process.setuid(64321);
    const handed = await plan();
    mkdirSync(handed);
    rmdirSync(handed);
    console.log(JSON.stringify(handed));`;
  const seen = await withUnified(`${preamble}
    import { execFileSync } from "node:child_process";
    mkdirSync(top + "/handed/session", { recursive: true });
    try {
      const plan = () => execFileSync(process.execPath, ["--input-type=module", "-e", ${JSON.stringify(asAccount)}, top], { encoding: "utf8" });
      let trouble = "";
      try { plan(); } catch (error) { trouble = /EACCES: permission denied, mkdir '.sys.fs.cgroup.x'/.exec(error.stderr)?.[0] ?? String(error.stderr); }
      for (const below of ["/handed", "/handed/cgroup.procs", "/handed/session", "/handed/session/cgroup.procs"]) chownSync(top + below, 64321, 64321);
      console.log(JSON.stringify({ trouble, handed: JSON.parse(plan()).slice(top.length) }));
    } finally {
      for (const below of ["/handed/session", "/handed", ""]) rmdirSync(top + below);
    }`);
  expect(seen).toEqual({ trouble: "EACCES: permission denied, mkdir '/sys/fs/cgroup/x'", handed: "/handed/x" });
});
