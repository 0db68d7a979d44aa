import { once } from "node:events";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { folderOfBackend } from "../../tools/backend.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";
import { installFolder } from "../../tools/locate.ts";
import { fillCache, program, useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();
const root = join(import.meta.dirname, "..", "..");
let base: { GITOPS_LAB_HOME: string; PULUMI_HOME: string; XDG_CACHE_HOME: string; PATH: string };

beforeEach(async () => {
  base = { GITOPS_LAB_HOME: await newFolder(), PULUMI_HOME: await newFolder(), XDG_CACHE_HOME: await newFolder(), PATH: "/usr/bin:/bin" };
  await fillCache(base);
});

test("puts Node, the engine, the plugins and the language host before what is on PATH", async () => {
  const { PATH } = await pulumiEnvironment(base);
  expect(PATH?.split(":")).toEqual([
    dirname(process.execPath),
    installFolder("pulumi", base),
    join(root, "tools", "pulumi-plugins"),
    installFolder("pulumi-language-nodejs", base),
    "/usr/bin",
    "/bin",
  ]);
});

test.each([
  { folder: "tools/pulumi-language-nodejs/3.68.0-linux-amd64", args: "-typescript=false 127.0.0.1:1" },
  { folder: "of Pulumi's own", args: "127.0.0.1:1" },
])("the language host in $folder is started with $args", async ({ folder, args }) => {
  const host = join(await newFolder(), folder);
  await mkdir(host, { recursive: true });
  await writeFile(join(host, "pulumi-language-nodejs"), `#!/bin/sh\necho "$@"\n`, { mode: 0o755 });
  const plugins = join(root, "tools", "pulumi-plugins");
  const start = (path: string) =>
    run(join(plugins, "pulumi-language-nodejs"), ["127.0.0.1:1"], { env: { PATH: path }, reject: false, stdin: "ignore" });
  expect(await start(`${plugins}:${host}:/usr/bin:/bin`)).toMatchObject({ exitCode: 0, stdout: args });
  expect(await start(`${plugins}:/usr/bin:/bin`)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("`./lab setup` brings it"),
  });
});

test("keeps the state and the passphrase in the lab home", async () => {
  const environment = await pulumiEnvironment(base);
  const file = environment["PULUMI_CONFIG_PASSPHRASE_FILE"] ?? "";
  expect(environment["PULUMI_BACKEND_URL"]).toBe(`file://${base.GITOPS_LAB_HOME}/pulumi?metadata=skip`);
  expect((await stat(join(base.GITOPS_LAB_HOME, "pulumi"))).isDirectory()).toBe(true);
  expect(dirname(file)).toBe(base.GITOPS_LAB_HOME);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, "utf8")).toMatch(/^[\w-]{43}$/);
});

test("programs find their types stripped, in the cache or where the user wants it", async () => {
  expect(await pulumiEnvironment(base)).toHaveProperty("NODE_COMPILE_CACHE", join(base.XDG_CACHE_HOME, "gitops-lab", "node-compile-cache"));
  expect(await pulumiEnvironment({ ...base, NODE_COMPILE_CACHE: "/elsewhere" })).toHaveProperty("NODE_COMPILE_CACHE", "/elsewhere");
});

test("first runs at once agree on one passphrase", async () => {
  const environments = await Promise.all(
    Array.from({ length: 8 }, () =>
      pulumiEnvironment(base).then(async (made) => readFile(made["PULUMI_CONFIG_PASSPHRASE_FILE"] ?? "", "utf8")),
    ),
  );
  expect(new Set(environments).size).toBe(1);
});

test("respects what the user chose", async () => {
  const chosen = { PULUMI_BACKEND_URL: "s3://bucket", PULUMI_CONFIG_PASSPHRASE: "" };
  const environment = await pulumiEnvironment({ ...base, ...chosen, NODE_OPTIONS: "--trace-warnings", PULUMI_STACK: "other" });
  expect(environment).toMatchObject(chosen);
  for (const stranger of ["NODE_OPTIONS", "PULUMI_STACK", "LC_ALL"]) expect(environment).not.toHaveProperty(stranger);
  expect(environment).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
});

test("respects a login", async () => {
  await writeFile(join(base.PULUMI_HOME, "credentials.json"), JSON.stringify({ current: "https://api.pulumi.com" }));
  expect(await pulumiEnvironment(base)).not.toHaveProperty("PULUMI_BACKEND_URL");
  await writeFile(join(base.PULUMI_HOME, "credentials.json"), JSON.stringify({ current: "" }));
  expect(await pulumiEnvironment(base)).toHaveProperty("PULUMI_BACKEND_URL");
});

test.each([
  ["nothing", ""],
  ["white space", "\n"],
  ["null", "null"],
  ["no backend", "{}"],
])("takes a login that holds %s for none", async (_, content) => {
  await writeFile(join(base.PULUMI_HOME, "credentials.json"), content);
  expect(await pulumiEnvironment(base)).toHaveProperty("PULUMI_BACKEND_URL");
});

test.each([
  ["text", "asdf", "is not JSON"],
  ["half of it", '{"current": "file', "is not JSON"],
  ["a list", "[1]", "holds no login"],
  ["a word", '"asdf"', "holds no login"],
  ["a number for the backend", '{"current": 1}', "names no backend"],
])("refuses a login that holds %s, by its file, unless a backend is named", async (_, content, says) => {
  const file = join(base.PULUMI_HOME, "credentials.json");
  await writeFile(file, content);
  await expect(pulumiEnvironment(base)).rejects.toMatchObject({
    code: "login-unreadable",
    exitCode: 2,
    message: expect.stringContaining(`${file} ${says}`),
  });
  expect(await pulumiEnvironment({ ...base, PULUMI_BACKEND_URL: "file:///elsewhere" })).toHaveProperty(
    "PULUMI_BACKEND_URL",
    "file:///elsewhere",
  );
});

test.each([
  ["file://~", userInfo().homedir],
  ["file://~/local-pulumi-state", join(userInfo().homedir, "local-pulumi-state")],
  ["file://./state", "/work/state"],
  ["file://.", "/work"],
  ["file://state", "/work/state"],
  ["file://../state", "/state"],
  ["file:///a%20b/c?metadata=skip", "/a b/c"],
  ["file:///a/b?no_tmp_dir=false", "/a/b"],
  ["file://~/x?y", join(userInfo().homedir, "x")],
  ["file:///a/./b/../c/", "/a/c"],
  ["s3://bucket/a", undefined],
  ["https://api.pulumi.com", undefined],
  ["azblob://container", undefined],
  ["", undefined],
])("the folder of the backend %s is %s, as Pulumi has it", (url, folder) => {
  expect(folderOfBackend(url, "/work")).toBe(folder);
});

test("says what is wrong with an address that can't be read", () => {
  expect(() => folderOfBackend("file:///100%", "/work")).toThrow(expect.objectContaining({ code: "backend-invalid", exitCode: 2 }));
});

test("lets the engine look for plugins only where Pulumi's own Kubernetes plugin is installed", async () => {
  const { implementation, version } = pluginChoice("kubernetes", base);
  expect(implementation).toBe("fallback");
  expect(await pulumiEnvironment(base)).toHaveProperty("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true");

  await program(join(base.PULUMI_HOME, "plugins", `resource-kubernetes-v${version}`), "pulumi-resource-kubernetes", "exit 1");
  expect(pluginChoice("kubernetes", base)).toEqual({ implementation: "official", version });
  expect(await pulumiEnvironment(base)).not.toHaveProperty("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION");
});

test("the plugin for dynamic resources starts, and tells its port", async () => {
  const { PATH = "" } = await pulumiEnvironment(base);
  // The engine's address: the plugin connects there only when it has something to log.
  const plugin = run("pulumi-resource-pulumi-nodejs", ["127.0.0.1:1"], {
    cwd: root,
    env: { PATH, HOME: base.PULUMI_HOME },
    extendEnv: false,
  });
  const [said] = await once(plugin.stdout, "data");
  expect(String(said)).toMatch(/^\d+\n$/);
  plugin.kill();
  await plugin.catch(() => {});
});
