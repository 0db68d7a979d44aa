import { chmod, copyFile, mkdir, readdir, readFile, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { homeFolder } from "../../shared/environment.ts";
import { cacheHome } from "../../shared/paths.ts";
import { installHint } from "../../tools/package-manager.ts";
import { combined, hostileEnvironments } from "../support/hostile-environments.ts";
import { linkPrograms, program, useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();
const posix = [
  "bash",
  "base64",
  "cut",
  "dirname",
  "env",
  "flock",
  "gzip",
  "id",
  "mkdir",
  "mv",
  "od",
  "readlink",
  "rm",
  "sed",
  "sha512sum",
  "sh",
  "tar",
  "tr",
  "uname",
  "printf",
  "touch",
];

/** A checkout whose command line prints its arguments, on a machine that has the POSIX programs only. */
async function checkout() {
  const [root, bin, cache] = [await newFolder(), await newFolder(), await newFolder()];
  await copyFile(join(import.meta.dirname, "..", "..", "lab"), join(root, "lab"));
  await mkdir(join(root, "cli"));
  await writeFile(
    join(root, "cli", "start.ts"),
    "console.log(JSON.stringify([process.cwd(), ...process.argv.slice(2)] satisfies string[]));",
  );
  await writeFile(join(root, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(root, "package-lock.json"), "{}");
  await linkPrograms(bin, posix);
  const env = { PATH: bin, HOME: root, XDG_CACHE_HOME: cache };
  const lab = (args: readonly string[], options = {}) => run(join(root, "lab"), args, { env, extendEnv: false, reject: false, ...options });
  return { root, bin, cache, lab };
}

/** Stands for npm ci, which needs the network: installs in the order npm does. */
const npm = (log: string, root: string) =>
  `echo "$*" >>"${log}"; mkdir -p "${root}/node_modules"; touch "${root}/node_modules/.package-lock.json"`;

async function installed(root: string) {
  await mkdir(join(root, "node_modules"));
  await writeFile(join(root, "node_modules", ".package-lock.json"), "{}");
}

test("works from any folder and through a link, and keeps the arguments", async () => {
  const { root, bin, lab } = await checkout();
  await linkPrograms(bin, ["node"]);
  await installed(root);
  const elsewhere = await newFolder();
  await symlink(join(root, "lab"), join(elsewhere, "linked"));
  const { stdout } = await run(join(elsewhere, "linked"), ["up", "two words", ""], {
    cwd: elsewhere,
    env: { PATH: bin, HOME: root },
    extendEnv: false,
  });
  expect(JSON.parse(stdout)).toEqual([elsewhere, "up", "two words", ""]);
  expect((await lab([])).stderr).toBe("");
});

test("installs the dependencies once, also when started twice at once", async () => {
  const { root, bin, lab } = await checkout();
  const log = join(root, "npm.log");
  const mayGoOn = join(root, "may-go-on");
  await linkPrograms(bin, ["node", "sleep"]);
  await program(bin, "npm", `while [ ! -e "${mayGoOn}" ]; do sleep 0.01; done\n${npm(log, root)}`);
  const runs = [lab([]), lab([])];
  await Promise.race(
    runs.map(async ({ stderr }) => {
      for await (const chunk of stderr) if (String(chunk).includes("waiting for another ./lab")) return;
      throw new Error("ended without waiting");
    }),
  );
  await writeFile(mayGoOn, "");
  expect((await Promise.all(runs)).map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  expect((await readFile(log, "utf8")).trim().split("\n")).toEqual([expect.stringMatching(/^ci /)]);
});

test("installs the dependencies anew when the lock file is newer", async () => {
  const { root, bin, lab } = await checkout();
  const log = join(root, "npm.log");
  await linkPrograms(bin, ["node"]);
  await program(bin, "npm", npm(log, root));
  await installed(root);
  await utimes(join(root, "node_modules", ".package-lock.json"), 1, 1);
  await lab([]);
  expect(await readFile(log, "utf8")).toMatch(/^ci /);
});

test("passes over an old Node.js for the one in the cache", async () => {
  const { root, bin, cache, lab } = await checkout();
  await program(bin, "node", "echo v20.20.2");
  const version = /^node_version=(.*)$/m.exec(await readFile(join(root, "lab"), "utf8"))?.[1] ?? "";
  const home = join(cache, "gitops-lab", "node", version, "bin");
  await mkdir(home, { recursive: true });
  await symlink(process.execPath, join(home, "node"));
  await installed(root);
  expect(JSON.parse((await lab(["verify"], { cwd: root })).stdout)).toEqual([root, "verify"]);
});

test("says in a paragraph that npm is missing, with the command that installs it here", async () => {
  const { lab } = await checkout();
  const { exitCode, stderr } = await lab([]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^lab: needs npm to install Node\.js [\d.]+, .*\.$/);
  expect(stderr).toContain(`${installHint("npm")}, then run ./lab again`);
});

test("takes curl where there is no npm, and brings npm that way too", async () => {
  const { root, bin, cache, lab } = await checkout();
  const log = join(root, "curl.log");
  await linkPrograms(bin, ["node"]);
  await program(bin, "curl", `echo "$*" >>"${log}"; echo something else >package.tgz`);
  const { exitCode, stderr } = await lab([]);
  expect(exitCode).toBe(2);
  expect(await readFile(log, "utf8")).toMatch(/^-fsSLo package\.tgz https:\/\/registry\.npmjs\.org\/npm\/-\/npm-[\d.]+\.tgz\n$/);
  expect(stderr).toMatch(/got another npm@[\d.]+ from the npm registry than the pinned one .* Nothing was installed\.$/);
  expect(await readdir(join(cache, "gitops-lab", "node"))).toEqual([]);
});

test("says of a checkout that may not be written what its owner does", async () => {
  const { root, bin, lab } = await checkout();
  await linkPrograms(bin, ["setpriv"]);
  await program(bin, "node", "echo v24.0.0");
  await program(bin, "npm", "exit 1");
  for (const folder of [root, bin]) await chmod(folder, 0o755);
  const asNobody = ["--reuid=65534", "--regid=65534", "--clear-groups", join(root, "lab")];
  const { exitCode, stderr } =
    process.getuid?.() === 0
      ? await run("setpriv", asNobody, { env: { PATH: bin, HOME: "/nonexistent" }, extendEnv: false, reject: false })
      : await chmod(root, 0o555).then(() => lab([]));
  await chmod(root, 0o755);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/cannot be written by this user.* as its owner, .*run \.\/lab again\.$/);
});

test("refuses a Node.js that is not the pinned one, and installs nothing of it", async () => {
  const { bin, cache, lab } = await checkout();
  await program(bin, "npm", "echo something else >node.tgz");
  const { exitCode, stderr } = await lab([]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("Nothing was installed.");
  expect(await readdir(join(cache, "gitops-lab", "node"))).toEqual([]);
});

test("empties no folder that node_modules is a link to", async () => {
  const { root, bin, lab } = await checkout();
  const elsewhere = await newFolder();
  await writeFile(join(elsewhere, "kept"), "");
  await symlink(elsewhere, join(root, "node_modules"));
  await linkPrograms(bin, ["node"]);
  await program(bin, "npm", `rm -rf "${elsewhere}"/*`);
  const { exitCode, stderr } = await lab([]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`\`rm ${join(root, "node_modules")}\``);
  expect(await readdir(elsewhere)).toEqual(["kept"]);
});

test("says so when npm ci fails", async () => {
  const { root, bin, lab } = await checkout();
  await linkPrograms(bin, ["node"]);
  await program(bin, "npm", "exit 1");
  const { exitCode, stderr } = await lab([]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`\`npm ci\` in ${root} says why`);
});

describe("finds its folders by the rules that the program has", () => {
  test("in every pairing of homes", async () => {
    const kinds = { absolute: await newFolder(), empty: "", relative: "rules", missing: undefined };
    const cases = Object.entries(kinds).flatMap(([home, HOME]) =>
      Object.entries(kinds).map(([xdg, XDG_CACHE_HOME]) => [`HOME ${home}, XDG_CACHE_HOME ${xdg}`, { HOME, XDG_CACHE_HOME }] as const),
    );
    const { root, bin } = await checkout();
    await linkPrograms(bin, ["node"]);
    await installed(root);
    const elsewhere = await newFolder();
    await writeFile(
      join(root, "cli", "start.ts"),
      "console.log(JSON.stringify({ home: process.env['HOME'], cache: process.env['NODE_COMPILE_CACHE'] }));",
    );
    for (const [name, folders] of cases) {
      const { stdout, stderr } = await run(join(root, "lab"), [], {
        cwd: elsewhere,
        env: { PATH: bin, ...folders, NODE_COMPILE_CACHE: "" },
        extendEnv: false,
      });
      expect.soft(JSON.parse(stdout), name).toEqual({
        home: homeFolder(folders),
        cache: join(cacheHome(folders), "node-compile-cache"),
      });
      expect.soft(stderr, name).toBe("");
    }
    expect(await readdir(elsewhere)).toEqual([]);
  });

  test("and says so where an account has none", async () => {
    if (process.getuid?.() !== 0) return;
    const { root, bin } = await checkout();
    await linkPrograms(bin, ["setpriv"]);
    for (const folder of [root, bin]) await chmod(folder, 0o755);
    const nobody = ["--reuid=3999999", "--regid=3999999", "--clear-groups", join(root, "lab")];
    const { exitCode, stderr } = await run("setpriv", nobody, { env: { PATH: bin }, extendEnv: false, reject: false });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^lab: HOME is not set to a folder, and this account has none\..*run the command again\.$/);
  });
});

test("takes nothing of a shell's start-up files, functions and options, nor Node's variables", async () => {
  const { root, bin } = await checkout();
  await linkPrograms(bin, ["node"]);
  await installed(root);
  const folder = await newFolder();
  const hostile = combined(
    (await hostileEnvironments(folder)).filter(({ name }) => /start-up files|Node's own|authorities|leftovers/.test(name)),
  );
  await writeFile(
    join(root, "cli", "start.ts"),
    "console.log(Object.keys(process.env).filter((name) => /^(NODE|BASH_ENV|ENV|LD_|CDPATH)/.test(name)).join());",
  );
  const { exitCode, stdout, stderr } = await labAt(join(root, "lab"), { ...hostile.variables, PATH: bin, HOME: root });
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 0,
    stdout: "NODE_COMPILE_CACHE",
    stderr: expect.stringMatching(/^(ERROR: ld\.so: .*\n?)*$/),
  });
});

/** Without the loader's words for `env` itself. */
const labAt = (lab: string, variables: Readonly<Record<string, string | undefined>>) =>
  run(lab, [], { env: variables, extendEnv: false, reject: false });
