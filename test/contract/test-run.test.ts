import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run } from "../../shared/exec.ts";

const main = join(import.meta.dirname, "../..");

/** A project with one test file, run as `./lab test` runs this one, in a session of its own. */
async function runs(testFile: string): Promise<{ readonly passed: number; readonly left?: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "test-run-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(main, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "vitest.config.ts"), 'export default { test: { include: ["*.test.ts"] } };\n');
  await writeFile(join(folder, "one.test.ts"), testFile);
  await writeFile(
    join(folder, "runner.ts"),
    `import { runTests } from ${JSON.stringify(join(main, "cli/commands/test-run.ts"))};
const { vitest, left } = await runTests(${JSON.stringify(folder)}, [], {}, 2_000);
const passed = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests("passed")]).length;
process.stdout.write("\\n" + JSON.stringify({ passed, left }) + "\\n");
process.exit(0);
`,
  );
  const { stdout } = await run("setsid", [process.execPath, join(folder, "runner.ts")], { cwd: folder, stdin: "ignore", timeout: 50_000 });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as { passed: number; left?: string[] };
}

test("ends with its tests", async () => {
  expect(await runs('import { test } from "vitest";\ntest("one", () => {});\n')).toEqual({ passed: 1 });
});

test("ends, too, where a test has left a program that holds its output open, and names that", async () => {
  const { passed, left } = await runs(`import { spawn } from "node:child_process";
import { test } from "vitest";
test("one", () => {
  const left = spawn("sleep", ["20.5"], { stdio: ["ignore", "inherit", "inherit"] });
  left.unref();
});
`);
  expect(passed).toBe(1);
  const named = left?.find((one) => one.endsWith("sleep 20.5"));
  expect(named).toBeDefined();
  process.kill(Number(named!.split(" ")[0]), "SIGKILL");
});
