import { join, resolve } from "node:path";
import { ExitCode } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";
import { projectFolder } from "../cohort-file.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";
import { note, print } from "../terminal.ts";
import { installTools } from "../tools.ts";
import { runTests } from "./test-run.ts";

export interface FaultOptions {
  /** The long set of test/faults. */
  readonly long: boolean;
  readonly seed: string;
  readonly results?: string | undefined;
}

/**
 * Checks the types and the style of the project and runs its tests: all of them, or those whose file name holds one of
 * the filters. The closing line is `N passed, N failed`. Returns the exit code.
 */
export async function test(filters: readonly string[], faults: FaultOptions): Promise<number> {
  const env = {
    GITOPS_LAB_FAULTS_SEED: faults.seed,
    ...(faults.long && { GITOPS_LAB_FAULTS: "long" }),
    ...(faults.results !== undefined && { GITOPS_LAB_FAULTS_RESULTS: resolve(faults.results) }),
  };
  await installTools();
  note("Checking the types and the style.");
  const checks = [await check("typescript/bin/tsc", "--noEmit"), await check("@biomejs/biome/bin/biome", "ci", "--colors=off")];
  const { vitest, left } = await runTests(projectFolder, filters, env);
  const again = vitest.state
    .getTestModules()
    .flatMap((module) => [...module.children.allTests()])
    .filter((test) => test.result().state === "passed" && (test.diagnostic()?.retryCount ?? 0) > 0);
  const { implementation, version } = pluginChoice("kubernetes");
  note(`Kubernetes plugin of the end-to-end tests: ${implementation === "official" ? "Pulumi's own" : "the stand-in"} (${version}).`);
  for (const { module, fullName } of again) note(`Passed at the second try only: ${module.relativeModuleId} > ${fullName}`);
  const outcomes = vitest.state.getTestModules().flatMap((module) => {
    const tests = [...module.children.allTests()].map((test) => test.result().state);
    // A file that cannot even be loaded has no tests to count.
    return module.state() === "failed" && !tests.includes("failed") ? [...tests, "failed" as const] : tests;
  });
  const errors = vitest.state.getUnhandledErrors().length;
  const count = (state: string) => outcomes.filter((outcome) => outcome === state).length;
  const passed = count("passed") + checks.filter((ok) => ok).length;
  const failed = count("failed") + errors + checks.filter((ok) => !ok).length;
  print(`${passed} passed, ${failed} failed, ${count("skipped")} skipped`);
  const code = failed === 0 && count("skipped") === 0 && count("passed") > 0 ? ExitCode.ok : ExitCode.failed;
  if (left === undefined) return code;
  note(`Vitest did not end after its last test. Of this session still run: ${left.join("; ") || "nothing"}.`);
  process.exit(code);
}

/** Runs a program of an npm package, whose output goes to standard error, and tells whether it found nothing wrong. */
async function check(program: string, ...args: string[]): Promise<boolean> {
  const { exitCode } = await run(process.execPath, [join("node_modules", program), ...args], {
    cwd: projectFolder,
    stdio: ["ignore", 2, 2],
    reject: false,
  });
  return exitCode === 0;
}
