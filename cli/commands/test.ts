import { startVitest } from "vitest/node";
import { ExitCode } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";
import { projectFolder } from "../cohort-file.ts";
import { note, print } from "../terminal.ts";
import { installTools } from "./setup.ts";

/**
 * Type-checks the project and runs its tests: all of them, or those whose file name holds one of the filters. The
 * closing line is `N passed, N failed`. Returns the exit code.
 */
export async function test(filters: readonly string[]): Promise<number> {
  await installTools();
  note("Checking the types.");
  const types = await run(process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit"], { cwd: projectFolder, stdio: ["ignore", 2, 2], reject: false });
  const vitest = await startVitest("test", [...filters], { run: true, root: projectFolder, watch: false });
  const outcomes = vitest.state.getTestModules().flatMap((module) => {
    const tests = [...module.children.allTests()].map((test) => test.result().state);
    // A file that cannot even be loaded has no tests to count.
    return module.state() === "failed" && !tests.includes("failed") ? [...tests, "failed" as const] : tests;
  });
  const errors = vitest.state.getUnhandledErrors().length;
  await vitest.close();
  const count = (state: string) => outcomes.filter((outcome) => outcome === state).length;
  const passed = count("passed") + (types.exitCode === 0 ? 1 : 0);
  const failed = count("failed") + errors + (types.exitCode === 0 ? 0 : 1);
  print(`${passed} passed, ${failed} failed, ${count("skipped")} skipped`);
  return failed === 0 && count("skipped") === 0 && count("passed") > 0 ? ExitCode.ok : ExitCode.failed;
}
