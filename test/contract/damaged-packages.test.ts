import { cp, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { damagedPackage } from "../../cli/damaged-packages.ts";
import { run } from "../../shared/exec.ts";

/* The program with packages of its own, one of which is damaged in turn. */
const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
const own = (path: string) => join(folder, "node_modules", path);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-packages-"));
  for (const name of [
    "cli",
    "shared",
    "host",
    "ledger",
    "stacks",
    "tools",
    "verification",
    "lab-templates",
    "components",
    "clusters",
    "git-hosts",
    "registries",
    "records",
    "dashboard",
    "package.json",
  ])
    await symlink(join(root, name), join(folder, name));
  await rm(join(folder, "cli"));
  await cp(join(root, "cli"), join(folder, "cli"), { recursive: true });
  await mkdir(own(""));
  for (const name of await readdir(join(root, "node_modules")))
    if (name !== "commander") await symlink(join(root, "node_modules", name), own(name));
});
beforeEach(async () => {
  await rm(own("commander"), { recursive: true, force: true });
  await cp(join(root, "node_modules", "commander"), own("commander"), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

const help = () => run(process.execPath, [join(folder, "cli", "start.ts"), "--help"], { reject: false, stdin: "ignore" });

test("whole packages start the program", { timeout: 60_000 }, async () => {
  expect(await help()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("Usage: lab") });
});

test.each([
  ["a module that is cut off", () => truncate(own("commander/lib/command.js"), 3000)],
  ["a module that is empty", () => truncate(own("commander/index.js"), 0)],
  ["a module that is missing", () => rm(own("commander/lib/option.js"))],
  ["a package.json that is cut off", () => truncate(own("commander/package.json"), 20)],
  ["a package that is missing", () => rm(own("commander"), { recursive: true })],
])("%s is named with what installs it anew", { timeout: 60_000 }, async (_name, hurt) => {
  await hurt();
  const { exitCode, stderr, stdout } = await help();
  expect({ exitCode, stdout, stderr }).toEqual({
    exitCode: 2,
    stdout: "",
    stderr: expect.stringMatching(
      /^error: npm's packages are damaged \((commander|one of them)\)[^\n]*`rm node_modules\/\.package-lock\.json`[^\n]* \[packages-damaged\]$/,
    ),
  });
});

test("an error of the program is none of a package", async () => {
  expect(damagedPackage(new SyntaxError("Unexpected token in JSON"))).toBeUndefined();
  expect(damagedPackage(new Error("x"))).toBeUndefined();
  const file = join(folder, "broken.ts");
  await writeFile(file, "const =");
  expect(damagedPackage(await import(file).catch((error: unknown) => error))).toBeUndefined();
});
