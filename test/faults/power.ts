import { globSync } from "node:fs";
import { stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { endOne, findMarked } from "../../ledger/process-identity.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { wholeCourse } from "./cut.ts";
import { awaitGreen, surplus, Work } from "./soundness.ts";
import type { StandingLab } from "./kills.ts";
import { trial, type Results, type Trial } from "./trials.ts";

/**
 * The state that the lab keeps in files of its own, below its home: a lost machine may tear the one that it was about to write. What git, etcd and the registry keep is forced to the disk by them before they answer.
 */
const stores = [
  "ports.json",
  "rooms.json",
  "cohorts/*/daemon/processes.json",
  "cohorts/*/daemon/config.json",
  "cohorts/*/web/config.json",
  "cohorts/*/limits.json",
  "cohorts/*/last-run.json",
  "cohorts/*/learners/*/pipeline.json",
  "cohorts/*/learners/*/access/{grants,credentials,generations}.json",
  "cohorts/*/learners/*/exercises/records.json",
  "pulumi/.pulumi/stacks/gitops-lab/*.json",
];

export const tears = {
  half: async (file: string) => truncate(file, Math.floor((await stat(file)).size / 2)),
  empty: (file: string) => truncate(file, 0),
} as const;

/** The power goes: every process ends at once, and each of the newest files is torn. Then `up`. */
export async function tearEverything(lab: StandingLab, results: Results, how: readonly (keyof typeof tears)[]): Promise<Trial[]> {
  const { cohort, healthy } = lab;
  const made: Trial[] = [];
  for (const tear of how) {
    const done = await trial(results, "power loss", tear, async (told) => {
      const work = new Work(cohort, "ada");
      await work.go();
      for (const { identity } of findMarked(cohortPaths(cohort.name, cohort.home).daemon)) endOne(identity);
      const torn = globSync(stores, { cwd: cohort.home });
      told.what = `all processes at once; ${tear}: ${torn.map((path) => path.replace(/^cohorts\/[^/]+\//, "")).join(", ")}`;
      for (const path of torn) await tears[tear](join(cohort.home, path));
      const { exitCode, output } = await wholeCourse(cohort, ["up", cohort.name]);
      if (exitCode !== 0) told.faults.push(`up ended with ${exitCode}: ${output.slice(-1500)}`);
      await awaitGreen(cohort);
      told.faults.push(...(await work.lost()), ...(await surplus(cohort, healthy)));
      await work.go();
    });
    if (done !== undefined) made.push(done);
  }
  return made;
}
