import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inspectTools } from "../../tools/doctor.ts";
import { assetFolder, assetPath, gitHttpBackend, installFolder, locate, toolPath } from "../../tools/locate.ts";
import { fillCache, linkPrograms, program, useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();

/** A PATH of two empty folders and an empty cache. */
async function emptyMachine() {
  const [cache, first, second] = [await newFolder(), await newFolder(), await newFolder()];
  return { first, second, env: { XDG_CACHE_HOME: cache, PATH: `${first}:${second}:/bin` } satisfies NodeJS.ProcessEnv };
}

test("takes the first on PATH whose version fits", async () => {
  const { first, second, env } = await emptyMachine();
  await program(first, "kwok", "echo kwok version v0.7.0");
  const fitting = await program(second, "kwok", "echo kwok version v0.8.0");
  expect(await locate("kwok", env)).toEqual({ path: fitting, origin: "path" });
});

test("takes the installed one when none on PATH fits", async () => {
  const { first, env } = await emptyMachine();
  await program(first, "kwok", "echo kwok version v0.7.0");
  const folder = installFolder("kwok", env);
  const path = await program(folder, "kwok", "exit 1");
  await writeFile(join(folder, "origin"), "downloaded from somewhere\n");
  expect(await locate("kwok", env)).toEqual({ path, origin: "downloaded" });
});

test("says how to get what is missing, and finds it once it is there", async () => {
  const { first, env } = await emptyMachine();
  await program(first, "kwok", "echo something else");
  await expect(toolPath("kwok", env)).rejects.toMatchObject({ code: "tool-missing", message: expect.stringContaining("./lab setup") });
  const path = await program(installFolder("kwok", env), "kwok", "exit 1");
  expect(await toolPath("kwok", env)).toBe(path);
});

test("takes the language host from beside the engine, and from nowhere else on PATH", async () => {
  const { first, second, env } = await emptyMachine();
  await program(first, "pulumi-language-nodejs", "exit 1");
  await program(second, "pulumi", "echo v3.259.0");
  expect(await locate("pulumi-language-nodejs", env)).toBeUndefined();
  const beside = await program(second, "pulumi-language-nodejs", "exit 1");
  expect(await locate("pulumi-language-nodejs", env)).toEqual({ path: beside, origin: "path" });
});

test("asks a program for its version once, until the file changes", async () => {
  const { first, env } = await emptyMachine();
  const log = join(first, "asked");
  const padding = `#${"-".repeat(1_000_000)}`;
  const times = async () => (await readFile(log, "utf8")).length;
  await program(first, "kwok", `printf x >>"${log}"; echo kwok version v0.8.0\n${padding}`);
  // A PATH written in another way is not remembered in memory.
  for (const PATH of [env.PATH, `${env.PATH}:`, `${env.PATH}::`]) expect(await locate("kwok", { ...env, PATH })).toBeDefined();
  expect(await times()).toBe(1);

  await program(first, "kwok", `printf x >>"${log}"; echo kwok version v0.9.0\n${padding}-`);
  expect(await locate("kwok", { ...env, PATH: `${env.PATH}:::` })).toBeUndefined();
  expect(await times()).toBe(2);
});

test("does not remember what a shim says", async () => {
  const { first, env } = await emptyMachine();
  await writeFile(join(first, "version"), "v0.8.0");
  await program(first, "kwok", `echo kwok version $(cat "${join(first, "version")}")`);
  expect(await locate("kwok", env)).toBeDefined();
  await writeFile(join(first, "version"), "v0.9.0");
  expect(await locate("kwok", { ...env, PATH: `${env.PATH}:` })).toBeUndefined();
});

test("reads a controller's version from the file itself", async () => {
  const { first, env } = await emptyMachine();
  await program(
    first,
    "go",
    String.raw`[ "$1 $2" = "version -m" ] && printf '%s: go1.26.8\n\tmod\tgithub.com/fluxcd/source-controller\tv1.9.3\th1:x=\n' "$3"`,
  );
  const path = await program(first, "source-controller", "exit 1");
  expect(await toolPath("source-controller", env)).toBe(path);
});

test("an asset is there when its folder has files", async () => {
  const { env } = await emptyMachine();
  const folder = assetFolder("flux-crds", env);
  await mkdir(folder, { recursive: true });
  await expect(assetPath("flux-crds", env)).rejects.toMatchObject({ code: "tool-missing" });
  await writeFile(join(folder, "crd.yaml"), "");
  expect(await assetPath("flux-crds", env)).toBe(folder);
});

test("Git without its HTTP backend is no Git for a lab", async () => {
  const { first, env } = await emptyMachine();
  await program(first, "git", `case $1 in --version) echo git version 2.50.0 ;; --exec-path) echo "${first}" ;; esac`);
  await expect(gitHttpBackend(env)).rejects.toMatchObject({ code: "tool-missing", message: expect.stringContaining("git-http-backend") });
  const backend = await program(first, "git-http-backend", "exit 0");
  expect(await gitHttpBackend(env)).toBe(backend);
});

test("the doctor tells where each tool is from, and why another was passed over", async () => {
  const { first, env } = await emptyMachine();
  await fillCache(env, ["kwok", "crane", "git"]);
  const kwok = await program(first, "kwok", "echo kwok version v0.7.0");
  const git = join(await linkPrograms(first, ["git"]), "git");
  const reports = await inspectTools({ ...env, PATH: first });
  const of = (name: string) => reports.find((report) => report.name === name);
  expect(of("kwok")).toEqual({ name: "kwok", wanted: "0.8.0", state: "missing", note: `${kwok} is 0.7.0` });
  expect(of("crane")).toEqual({ name: "crane", wanted: "0.22.1", state: "missing" });
  expect(of("etcd")).toEqual({
    name: "etcd",
    wanted: "3.6.8",
    found: "3.6.8",
    state: "built",
    path: join(installFolder("etcd", env), "etcd"),
  });
  expect(of("git")).toEqual({ name: "git", wanted: "2.38.0", found: expect.stringMatching(/^2\.\d+\.\d+$/), state: "path", path: git });
  expect(of("git")?.found).not.toBe("2.38.0");
});
