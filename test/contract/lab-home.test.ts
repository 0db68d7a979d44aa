import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeHomeWithoutCohorts } from "../../cli/home.ts";
import { recordCreation } from "../../ledger/inventory.ts";
import { leasePorts, releasePorts } from "../../ledger/ports.ts";
import { leaseNumbers, releaseNumbers } from "../../host/room/numbers.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { claimHome, homeMadeByLab, homeMarkFile, requireOwnHome } from "../../shared/lab-home.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { writeState } from "../../shared/state-file.ts";

/* Whose the lab's folder is: what is somebody's own there, no command touches, moves or shuts off. */
const lab = fileURLToPath(new URL("../../lab", import.meta.url));
const before = process.env["GITOPS_LAB_HOME"];
/** How a child is this program itself, with the home of now. */
const own = () => ({ env: childEnvironment("lab"), extendEnv: false, stdin: "ignore" }) as const;
let folder: string;
let home: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-home-"));
  home = join(folder, "home");
  process.env["GITOPS_LAB_HOME"] = home;
});

afterEach(async () => {
  if (before === undefined) delete process.env["GITOPS_LAB_HOME"];
  else process.env["GITOPS_LAB_HOME"] = before;
  await rm(folder, { recursive: true, force: true });
});

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(home, path)), { recursive: true });
    await writeFile(join(home, path), content);
  }
  await chmod(home, 0o755);
}

/** Everything below a folder with its mode and content. */
async function everything(): Promise<Record<string, string>> {
  const found: Record<string, string> = { ".": (await stat(home)).mode.toString(8) };
  for (const path of await readdir(home, { recursive: true })) {
    const seen = await stat(join(home, path));
    found[path] = `${seen.mode.toString(8)} ${seen.isFile() ? await readFile(join(home, path), "utf8") : ""}`;
  }
  return found;
}

const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const lists = async (path: string) => (await readdir(path)).sort();

/** What a user has who gives the lab a folder of theirs, with the names that the lab uses as well. */
const theirs = {
  "pulumi/notes": "keep",
  "inventory/hosts.ini": "keep",
  "inventory/hosts.jsonl": '{"host":"a"}',
  "cohorts/2026/list.csv": "keep",
  "passphrase.kdbx": "keep",
  "ports.json": '{"http":80}',
  mark: "Mark Twain",
  "evidence-key.pem.old": "keep",
};

test.each([
  "down nosuch",
  "down --orphans --yes",
  "up demo",
  "plan demo",
  "env",
  "doctor",
  "status",
  "verify",
  "setup demo",
  "retry demo",
  "reset ada",
  "reap --dry-run",
  "evidence ada",
  "results",
])("`./lab %s` touches nothing in a folder that is not the lab's, and says so", { timeout: 60_000 }, async (args) => {
  await put(theirs);
  const seen = await everything();
  const { exitCode, stderr } = await run(lab, args.split(" "), { ...own(), reject: false });
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`${home}, which is not empty and not the lab's`)]);
  expect(stderr).toContain(`export GITOPS_LAB_HOME=${home}/gitops-lab`);
  expect(await everything()).toEqual(seen);
});

test.each(Object.entries(theirs))("a folder is not the lab's for having %s", async (path, content) => {
  await put({ [path]: content });
  await expect(requireOwnHome()).rejects.toMatchObject({ code: "home-foreign", exitCode: 2 });
  await removeHomeWithoutCohorts();
  expect(await readFile(join(home, path), "utf8")).toBe(content);
});

test("a folder that was there and empty keeps its mode, and is there when all of the lab's is gone", { timeout: 60_000 }, async () => {
  await mkdir(home);
  await chmod(home, 0o755);
  const { exitCode, stderr } = await run(lab, ["env"], { ...own(), reject: false });
  expect(exitCode, stderr).toBe(0);
  expect(await lists(home)).toEqual([homeMarkFile, "passphrase", "pulumi"]);
  expect([await mode(home), await mode(join(home, "pulumi")), await mode(join(home, "passphrase"))]).toEqual(["755", "700", "600"]);
  await run(lab, ["down", "nosuch"], { ...own(), reject: false });
  expect([await lists(home), await mode(home)]).toEqual([[], "755"]);
});

test("a folder that the lab made is 0700 and goes", { timeout: 60_000 }, async () => {
  await run(lab, ["env"], own());
  expect([await mode(home), await homeMadeByLab()]).toEqual(["700", true]);
  await run(lab, ["down", "nosuch"], { ...own(), reject: false });
  expect(existsSync(home)).toBe(false);
});

test.each([["doctor"], ["plan", "demo"]])("a look makes no folder: %s", { timeout: 60_000 }, async (...args) => {
  await run(lab, args, { ...own(), reject: false });
  expect(existsSync(home)).toBe(false);
});

test("what somebody put into the lab's folder stays, whatever its name begins with, and is told", async () => {
  await writePrivateFile(join(home, "passphrase"), "x");
  await makePrivateFolder(join(home, "pulumi", ".pulumi", "stacks", "gitops-lab"));
  const own = [
    "passphrase.kdbx",
    "mark.txt",
    "evidence-key.pem.old",
    "inventory/hosts.ini",
    "pulumi/notes",
    "cohorts.md",
    "rooms.json.bak",
  ];
  await put(Object.fromEntries(own.map((path) => [path, "keep"])));
  for (const draft of [
    "passphrase.0b7c1d2e-1111-4222-8333-123456789abc",
    "ports.json.1234567",
    "ports.json.before",
    "ports.json.copy",
    "rooms.json.before",
    "rooms.json",
  ])
    await writeFile(join(home, draft), "");
  await mkdir(join(home, "ports.json.lock"));
  const stays = await removeHomeWithoutCohorts();
  expect(stays.sort()).toEqual([...new Set(own.map((path) => join(home, path.split("/")[0]!)))].sort());
  expect((await readdir(home, { recursive: true })).filter((path) => own.includes(path)).sort()).toEqual([...own].sort());
  expect(await lists(join(home, "pulumi"))).toEqual(["notes"]);
  expect(existsSync(join(home, homeMarkFile))).toBe(false);
});

test("the copy of a file of the lab's goes with the file, and with it the folder", async () => {
  await claimHome();
  for (const file of ["ports.json", "rooms.json"])
    for (const text of ["{}", '{"demo/web":20000}', "{}"]) await writeState(join(home, file), text);
  expect(await lists(home)).toEqual([homeMarkFile, "ports.json", "ports.json.copy", "rooms.json", "rooms.json.copy"]);
  expect(await removeHomeWithoutCohorts()).toEqual([]);
  expect(existsSync(home)).toBe(false);
});

test.each([
  ["a mark", { mark: "0123abcd" }],
  ["the mark of repositories", { "github-mark": "0123abcd" }],
  ["a passphrase", { passphrase: "k".repeat(43) }],
  ["leased ports", { "ports.json": '{"demo/web":20000}' }],
  ["a cohort's mark", { "cohorts/demo/owner": "0b7c1d2e-1111-4222-8333-123456789abc" }],
  ["a state", { "pulumi/.pulumi/stacks/gitops-lab/demo.json": "" }],
])("the folder of a version before is known by %s, and gets its mark", async (_, files) => {
  await put({ ...files, "notes.txt": "keep" });
  await requireOwnHome();
  expect(await homeMadeByLab()).toBe(true);
});

test("and by an inventory", async () => {
  await recordCreation("demo", { kind: "folder", id: "/x" });
  await rm(join(home, homeMarkFile));
  await requireOwnHome();
  expect(await homeMadeByLab()).toBe(true);
});

test("empty folders that a killed command left, and what a new file system has, are nobody's", async () => {
  for (const name of ["pulumi", "cohorts", "lost+found"]) await mkdir(join(home, name), { recursive: true });
  await requireOwnHome();
  await makePrivateFolder(join(home, "inventory"));
  expect(await homeMadeByLab()).toBe(false);
});

test("first commands at once agree that the lab made its folder", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, i) => makePrivateFolder(join(home, "cohorts", `c${i}`))));
  expect(await homeMadeByLab()).toBe(true);
});

test("a folder elsewhere keeps its mode when the lab writes into it, one that is made is 0700", async () => {
  const other = join(folder, "handouts");
  await mkdir(other);
  await chmod(other, 0o775);
  await makePrivateFolder(other);
  await writePrivateFile(join(other, "registry", "config.json"), "");
  expect([await mode(other), await mode(join(other, "registry"))]).toEqual(["775", "700"]);
  await makePrivateFolder(join(folder, "new", "one"));
  expect([await mode(join(folder, "new")), await mode(join(folder, "new", "one"))]).toEqual(["700", "700"]);
});

test("a folder in the lab's own that was opened to all is shut again", async () => {
  const sockets = await makePrivateFolder(join(home, "cohorts", "demo"));
  await chmod(sockets, 0o755);
  expect(await mode(await makePrivateFolder(sockets))).toBe("700");
});

test("the copies of the lab's own files go with them", async () => {
  for (const owner of ["a/ada", "a/bob"]) {
    await leasePorts(owner, ["api"]);
    await leaseNumbers(owner);
  }
  await releasePorts("a");
  await releaseNumbers("a");
  await rm(join(home, "inventory"), { recursive: true });
  expect(await lists(home)).toContain("ports.json.copy");
  expect(await removeHomeWithoutCohorts()).toEqual([]);
  expect(existsSync(home) ? await lists(home) : "gone").toBe("gone");
});

test("a folder behind a symbolic link is the lab's like any other", async () => {
  await mkdir(join(folder, "disk"));
  await symlink(join(folder, "disk"), home);
  await makePrivateFolder(join(home, "cohorts"));
  await requireOwnHome();
  await rm(join(home, "cohorts"), { recursive: true });
  expect(await removeHomeWithoutCohorts()).toEqual([]);
  expect([existsSync(home), await lists(join(folder, "disk"))]).toEqual([true, []]);
});
