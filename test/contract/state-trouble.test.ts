import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir, userInfo } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { statePlaces } from "../../cli/state/files.ts";
import { awaitUnlocked } from "../../cli/state/locks.ts";
import { opens } from "../../cli/state/passphrase.ts";
import { shellWord } from "../../shared/shell-word.ts";
import { TestCohort, type CommandResult } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * A state that can't be got at: what the lab says, whether the command it names helps, and whether `down` ends all the same. The
 * cohort has a stack and no lab, which is all that these are about.
 */
const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let cohort: TestCohort;
let count = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-trouble-"));
  cohort = new TestCohort(`trouble-${process.pid}-${count++}`, join(folder, "lab"), ["ada"]);
  await cohort.writeFile();
});

afterEach(async () => {
  await cohort.removeFile();
  await rm(folder, { recursive: true, force: true });
});

const lab = (args: string, env: Readonly<Record<string, string>> = {}) =>
  cohort.run(join(root, "lab"), args.split(" "), { PULUMI_HOME: join(folder, "pulumi-home"), ...env });
const setup = (env?: Readonly<Record<string, string>>) => lab(`setup ${cohort.name}`, env);
const down = (env?: Readonly<Record<string, string>>) => lab(`down ${cohort.name}`, env);
const backend = () => join(cohort.home, "pulumi");
const places = () => statePlaces(backend(), cohort.name);

/** The command in a sentence that begins as given, run as whoever read it would. */
async function follow({ stderr }: CommandResult, beginning: string, env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  const command = [...stderr.matchAll(/`([^`]+)`/g)].map(([, one]) => one!).find((one) => one.startsWith(beginning));
  expect(command, stderr).toBeDefined();
  return cohort.run("bash", ["-c", command!], { PULUMI_HOME: join(folder, "pulumi-home"), ...env });
}

async function lock(content: object, age = 120_000): Promise<string> {
  const path = join(places().locks, "0f0c5b8e.json");
  await mkdir(places().locks, { recursive: true });
  await writeFile(path, JSON.stringify(content));
  for (const one of [path, places().checkpoint]) await utimes(one, new Date(Date.now() - age), new Date(Date.now() - age));
  return path;
}

const elsewhere = { pid: 4242, username: "ann", hostname: "lab-1", timestamp: "2026-11-26T10:00:00.123456789+01:00" };

const minutes = 60_000;

test("a lock of another machine is told with whose it is and what takes it away; `down` takes it away", {
  timeout: 5 * minutes,
}, async () => {
  succeeded(await setup());
  await lock(elsewhere);
  const refused = await setup();
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("Process 4242 of ann on lab-1 (since 2026-11-26T10:00:00)");
  succeeded(await follow(refused, '(eval "$(./lab env)"'));
  succeeded(await setup());
  await lock(elsewhere);
  expect(succeeded(await down()).stderr).toContain("Its lock is taken away");
  expect(existsSync(cohort.home)).toBe(false);
});

test("a lock whose number another process has got since is nobody's, one of a machine that still writes is waited for", {
  timeout: 5 * minutes,
}, async () => {
  succeeded(await setup());
  const gone = await lock({ ...elsewhere, hostname: hostname(), pid: process.pid });
  await awaitUnlocked(backend(), cohort.name, "refuse");
  expect(existsSync(gone)).toBe(false);
  const active = await lock(elsewhere, 58_000);
  const begun = Date.now();
  await awaitUnlocked(backend(), cohort.name, "take away");
  expect([existsSync(active), Date.now() - begun > 1000]).toEqual([false, true]);
});

/** Gives the stack an output that is encrypted, as those of a lab are. */
async function addSecret(env: Readonly<Record<string, string>> = {}): Promise<void> {
  const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", plaintext: '"x"' };
  const urn = `urn:pulumi:${cohort.name}::gitops-lab::pulumi:pulumi:Stack::gitops-lab-${cohort.name}`;
  const file = join(folder, "state.json");
  const pulumi = (args: string) =>
    cohort.run("bash", ["-c", `eval "$(./lab env)" && pulumi stack ${args} --stack ${cohort.name} --file ${file}`], {
      PULUMI_HOME: join(folder, "pulumi-home"),
      ...env,
    });
  succeeded(await pulumi("export"));
  const state = JSON.parse(await readFile(file, "utf8")) as { deployment: object };
  const resources = [{ urn, custom: false, type: "pulumi:pulumi:Stack", outputs: { secret } }];
  await writeFile(file, JSON.stringify({ ...state, deployment: { ...state.deployment, resources } }));
  succeeded(await pulumi("import"));
  await cohort.writeFile();
}

test("with another passphrase the lab says what gives the right one, and `down` needs none", { timeout: 5 * minutes }, async () => {
  succeeded(await setup());
  await addSecret();
  const other = { PULUMI_CONFIG_PASSPHRASE: "another" };
  for (const args of [`up ${cohort.name} --force`, `verify --cohort ${cohort.name}`]) {
    const refused = await lab(args, other);
    expect(refused.exitCode, refused.stderr).toBe(1);
    expect(refused.stderr).toMatch(
      /was encrypted with another passphrase than the one in PULUMI_CONFIG_PASSPHRASE\. .*The lab's own opens it: run `unset PULUMI_/,
    );
  }
  expect(succeeded(await down(other)).stdout).toContain("is gone");
  expect(existsSync(cohort.home)).toBe(false);
});

test("a passphrase that the lab does not have is asked for, and `down` needs none", { timeout: 5 * minutes }, async () => {
  const theirs = { PULUMI_CONFIG_PASSPHRASE: "theirs" };
  succeeded(await setup(theirs));
  await addSecret(theirs);
  const refused = await lab(`verify --cohort ${cohort.name}`);
  expect([refused.exitCode, refused.stderr]).toEqual([
    1,
    expect.stringMatching(/than the lab's own in .*export PULUMI_CONFIG_PASSPHRASE_FILE=<file>/),
  ]);
  succeeded(await down());
  expect(existsSync(cohort.home)).toBe(false);
});

test("what plain `pulumi` left in the cohort file keeps nobody from coming up anew", { timeout: 5 * minutes }, async () => {
  const asWritten = await cohort.readFile();
  succeeded(await lab("env"));
  succeeded(await cohort.pulumi("stack", "init", cohort.name));
  const salt = /^encryptionsalt: (\S+)/m.exec(await cohort.readFile())?.[1] ?? "";
  const passphrase = await readFile(join(cohort.home, "passphrase"), "utf8");
  expect([await opens(salt, passphrase), await opens(salt, "another"), await opens("v1:x", "another")]).toEqual([true, false, false]);
  const withSalt = await cohort.readFile();
  succeeded(await down());
  // As whoever ran plain `pulumi` last has it.
  await writeFile(join(root, "stacks", `Pulumi.${cohort.name}.yaml`), withSalt);
  succeeded(await setup());
  expect(await cohort.readFile()).toBe(asWritten);
  succeeded(await down());
});

test("the passphrase outlives the last cohort while a cohort file holds secrets; without it they are named", {
  timeout: 5 * minutes,
}, async () => {
  succeeded(await lab("env"));
  succeeded(await cohort.pulumi("stack", "init", cohort.name));
  succeeded(await cohort.pulumi("config", "set", "--secret", "gitops-lab:githubToken", "ghp_x", "--stack", cohort.name));
  expect(succeeded(await down()).stderr).toContain(`${join(cohort.home, "passphrase")} stays: it opens what is encrypted`);
  expect((await readdir(cohort.home)).sort()).toEqual(["lab-home.json", "passphrase"]);
  succeeded(await setup());
  expect(succeeded(await cohort.pulumi("config", "get", "gitops-lab:githubToken", "--stack", cohort.name)).stdout).toBe("ghp_x");
  succeeded(await down());
  await rm(cohort.home, { recursive: true });
  const refused = await setup();
  expect([refused.exitCode, refused.stderr]).toEqual([
    2,
    expect.stringContaining(`stacks/Pulumi.${cohort.name}.yaml holds values that were encrypted`),
  ]);
  succeeded(await down());
});

test.each([
  ["below the account's home", () => `file://~/${relative(userInfo().homedir, join(folder, "state"))}`],
  ["from the checkout", () => `file://./${relative(root, join(folder, "state"))}`],
])("a backend that is written %s works as in Pulumi, with the locks of the dead", { timeout: 5 * minutes }, async (_, url) => {
  await mkdir(join(folder, "state"));
  const env = { PULUMI_BACKEND_URL: url() };
  succeeded(await setup(env));
  const theirs = statePlaces(join(folder, "state"), cohort.name);
  expect(existsSync(theirs.checkpoint)).toBe(true);
  await mkdir(theirs.locks, { recursive: true });
  await writeFile(join(theirs.locks, "1.json"), JSON.stringify({ ...elsewhere, hostname: hostname(), pid: 2 ** 22 }));
  expect((await lab("down --orphans", env)).stdout).toContain(join(theirs.locks, "1.json"));
  succeeded(await setup(env));
  succeeded(await down(env));
  expect(existsSync(theirs.checkpoint)).toBe(false);
});

test("a login is followed, and `down` with another backend says where the stack is", { timeout: 5 * minutes }, async () => {
  await mkdir(join(folder, "state"));
  const url = `file://${join(folder, "state")}`;
  succeeded(await setup({ PULUMI_BACKEND_URL: url }));
  const elsewhereDown = await down();
  expect(elsewhereDown.exitCode).toBe(1);
  const told = { ...elsewhereDown, stderr: elsewhereDown.stdout + elsewhereDown.stderr };
  expect(told.stderr).toContain(`PULUMI_BACKEND_URL=${shellWord(url)} ./lab down ${cohort.name}`);
  succeeded(await follow(told, "PULUMI_BACKEND_URL="));
  expect(existsSync(statePlaces(join(folder, "state"), cohort.name).checkpoint)).toBe(false);
});

test.each([
  ["a folder that does not exist", "file:///nonexistent/pulumi-state", /mkdir -p \/nonexistent\/pulumi-state/],
  ["a parameter that nobody knows", "file:///tmp?y", /invalid query parameter.*unset PULUMI_BACKEND_URL/],
  ["a scheme that nobody knows", "ftp://example.org/state", /unset PULUMI_BACKEND_URL/],
  [
    "a store that does not answer",
    "s3://state?endpoint=http://127.0.0.1:1&region=x&s3ForcePathStyle=true",
    /s3:\/\/state.* can't be used.*unset PULUMI_BACKEND_URL/,
  ],
  ["half a character", "file:///tmp/100%", /two hexadecimal digits/],
])("%s for a backend is told in a sentence, and `down` takes what is here", { timeout: 5 * minutes }, async (_, url, says) => {
  const env = { PULUMI_BACKEND_URL: url, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_MAX_ATTEMPTS: "1" };
  const refused = await setup(env);
  expect(refused.stderr).toMatch(says);
  expect(refused.stderr).not.toContain("defect");
  expect([2, 3]).toContain(refused.exitCode);
  const removed = await down(env);
  expect(removed.stderr).not.toContain("defect");
  expect([1, 2, 3]).toContain(removed.exitCode);
  succeeded(await down());
  expect(existsSync(cohort.home)).toBe(false);
});

test.each(["", "{}", "null"])("a login that holds %j is none", { timeout: 5 * minutes }, async (content) => {
  await mkdir(join(folder, "pulumi-home"));
  await writeFile(join(folder, "pulumi-home", "credentials.json"), content);
  succeeded(await setup());
  succeeded(await down());
});

test.each(["asdf", "[]", '{"current":'])(
  "a login that holds %j is refused by its file, and the command that is named helps",
  { timeout: 5 * minutes },
  async (content) => {
    const file = join(folder, "pulumi-home", "credentials.json");
    await mkdir(join(folder, "pulumi-home"));
    await writeFile(file, content);
    for (const args of ["env", `setup ${cohort.name}`, `verify --cohort ${cohort.name}`, `down ${cohort.name}`, "down --orphans"]) {
      const refused = await lab(args);
      expect([refused.exitCode, refused.stderr], args).toEqual([2, expect.stringContaining(file)]);
    }
    succeeded(await follow(await lab("env"), "mv "));
    succeeded(await setup());
    succeeded(await down());
  },
);

test("settings of Pulumi's that were cut off are written anew", { timeout: 5 * minutes }, async () => {
  succeeded(await setup());
  const settings = join(folder, "pulumi-home", "workspaces");
  for (const file of await readdir(settings)) await writeFile(join(settings, file), "");
  succeeded(await setup());
  succeeded(await down());
});

test("a state that is whole and makes no sense does not keep `down` from its work", { timeout: 5 * minutes }, async () => {
  succeeded(await setup());
  const checkpoint = JSON.parse(await readFile(places().checkpoint, "utf8")) as { checkpoint: { latest: Record<string, unknown> } };
  checkpoint.checkpoint.latest["resources"] = [
    { urn: "urn:pulumi:x::gitops-lab::a:b:C::d", custom: false, type: "a:b:C", parent: "urn:pulumi:x::gitops-lab::a:b:C::none" },
  ];
  await writeFile(places().checkpoint, JSON.stringify(checkpoint));
  const refused = await lab(`up ${cohort.name} --force`);
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining(`./lab down ${cohort.name}`)]);
  expect(refused.stderr).not.toContain("defect");
  succeeded(await down());
  expect(existsSync(cohort.home)).toBe(false);
});
