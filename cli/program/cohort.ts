import type { Command } from "commander";
import { note } from "../terminal.ts";
import { cohortArgument, done, events, ofCohort, parallel, type RunOptions } from "./arguments.ts";

/** Told before the modules of a bring-up are loaded, which takes a while by itself. */
const looking = "Reading the cohort file and looking at this machine.";

/** What brings a whole cohort up, removes it and proves it. */
export function cohortCommands(program: Command): void {
  program
    .command("up")
    .description("bring a cohort up, or to what its file says now, and prove it")
    .argument(...cohortArgument)
    .option("--force", "also where it does not fit on this machine", false)
    .option("--engine", "ask Pulumi's engine also where cohort file, program and state are as it left them", false)
    .option(...parallel)
    .option(...events)
    .action(async (name: string, options: { force: boolean; engine: boolean } & RunOptions) => {
      note(looking);
      await done((await import("../commands/up.ts")).up(name, options));
    });
  program
    .command("retry")
    .description("bring up those learners whose last run failed or was cut short, and nobody else")
    .argument(...cohortArgument)
    .option(...parallel)
    .option(...events)
    .action(async (name: string, options: RunOptions) => {
      note(looking);
      await done((await import("../commands/retry.ts")).retry(name, options));
    });
  program
    .command("plan")
    .description("tell what would be created, how many learners fit on this machine, and how long it takes")
    .argument(...cohortArgument)
    .option("--json", "for programs", false)
    .action(async (name: string, options: { json: boolean }) => done((await import("../commands/plan.ts")).plan(name, options)));
  program
    .command("down")
    .description("remove everything of a cohort, look for it again and tell what is left")
    .argument(...cohortArgument)
    .option("--receipt <file>", "new file for the receipt, as JSON")
    .option("--orphans", "instead, list what killed runs of any cohort left in this lab's folder and on this machine", false)
    .option("-y, --yes", "with --orphans, remove what is listed; without, it changes nothing, since down does not ask", false)
    .option(...parallel)
    .option("--json", "one JSON event per line, the receipt the last (docs/cli.md); with --orphans one document", false)
    .action(async (name: string, { orphans, yes, ...options }: { receipt?: string; orphans: boolean; yes: boolean } & RunOptions) =>
      done(
        orphans
          ? (await import("../commands/orphans.ts")).orphans({ yes, json: options.json })
          : (await import("../commands/down.ts")).down(name, options),
      ),
    );
  program
    .command("verify")
    .description("prove the promotion evidence from live state")
    .argument("[learner]", "only this learner")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (learner: string | undefined, options: { cohort: string; json: boolean }) =>
      done((await import("../commands/verify.ts")).verify(options.cohort, { json: options.json, learner })),
    );
}
