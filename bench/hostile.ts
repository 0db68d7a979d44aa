import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostileEnvironments } from "../test/support/hostile-environments.ts";
import { wholeLife } from "../test/support/hostile-trial.ts";
import { TestCohort } from "../test/support/lab-cli.ts";

/*
 * Runs a lab's whole life under each hostile environment by itself: `node bench/hostile.ts [number...]`, about two minutes
 * each. Prints a JSON object a line; of a step that failed also what it said. docs/reliability.md keeps the figures.
 */
const folder = await mkdtemp(join(tmpdir(), "gl-hostile-"));
const cohort = new TestCohort(`e2e-hostile-${process.pid}`, join(folder, "lab"), ["ada"], { interval: "10s" });
const all = await hostileEnvironments(folder);
const chosen = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [...all.keys()];
try {
  await cohort.writeFile();
  for (const number of chosen) {
    const environment = all[number];
    if (environment === undefined) throw new Error(`there is no environment ${number}`);
    const steps = await wholeLife(environment, cohort.name, "ada", cohort.home);
    const passed = steps.length === 4 && steps.every(({ exitCode }) => exitCode === 0);
    console.log(
      JSON.stringify({
        number,
        name: environment.name,
        passed,
        steps: steps.map(({ said, ...step }) => (step.exitCode === 0 ? step : { ...step, said })),
      }),
    );
  }
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(folder, { recursive: true, force: true });
}
