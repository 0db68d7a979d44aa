import { InvalidArgumentError, type Command } from "commander";
import { cohortArgument, done, ofCohort, parseCount, type OfCohort } from "./arguments.ts";

/** As in rotate/run.ts, which is not loaded before it is asked for. */
const rotatableNames = ["kubeconfig", "git", "registry", "page"] as const;

/** What runs on this machine: processes, logs, learners one by one, tools. */
export function hostCommands(program: Command): void {
  program
    .command("status")
    .description("show the processes of a cohort")
    .argument(...cohortArgument)
    .option("--json", "for programs", false)
    .action(async (name: string, options: { json: boolean }) => done((await import("../commands/processes.ts")).status(name, options)));
  program
    .command("logs")
    .description("show the logs of one learner's lab: processes, controllers, kubelet, pods, pipeline")
    .argument("<learner>", "whose lab; `cohort` for what all of them share")
    .argument("[part]", "control-plane, controllers, kubelet, pods, pipeline, or one process as `./lab status` names it")
    .option(...ofCohort)
    .option("-f, --follow", "go on with what is added, until it is interrupted", false)
    .option("-n, --lines <n>", "how many lines of each part", parseCount, 20)
    .option("--json", "one JSON object per line, for programs", false)
    .action(async (learner: string, part: string | undefined, options: { cohort: string; follow: boolean; lines: number; json: boolean }) =>
      done((await import("../commands/logs.ts")).logs(learner, part, options)),
    );
  program
    .command("support-bundle")
    .description("gather what helps to find a fault in one file, without secrets, to send to somebody")
    .argument(...cohortArgument)
    .option("-o, --out <file>", "new file for it (default: support/<cohort>-<time>.tar.gz)")
    .option("--json", "for programs", false)
    .action(async (name: string, options: { out?: string; json: boolean }) =>
      done((await import("../commands/support-bundle.ts")).supportBundle(name, options)),
    );
  program
    .command("start")
    .description("bring the processes of a cohort back, after a reboot or a stop")
    .argument(...cohortArgument)
    .action(async (name: string) => done((await import("../commands/processes.ts")).start(name)));
  program
    .command("stop")
    .description("end the processes of a cohort and keep its data")
    .argument(...cohortArgument)
    .action(async (name: string) => done((await import("../commands/processes.ts")).stop(name)));
  for (const [verb, description] of [
    ["pause", "end the processes of one learner and keep their data"],
    ["resume", "bring a paused learner's processes back"],
  ] as const) {
    program
      .command(verb)
      .description(description)
      .argument("<learner>", "whose lab")
      .option(...ofCohort)
      .action(async (learner: string, options: { cohort: string }) =>
        done((await import("../commands/processes.ts"))[verb](learner, options)),
      );
  }
  program
    .command("rotate")
    .description("give a learner new credentials, in use everywhere at once, and refuse the old")
    .argument("<learner>", "whose credentials")
    .option(...ofCohort)
    .option("--only <what...>", `which: ${rotatableNames.join(", ")}`, (text: string, before: string[] | undefined) => {
      const names = text.split(",");
      const wrong = names.find((name) => !(rotatableNames as readonly string[]).includes(name));
      if (wrong !== undefined) throw new InvalidArgumentError(`Allowed: ${rotatableNames.join(", ")}. The learner is named before --only.`);
      return [...(before ?? []), ...names];
    })
    .option("--json", "for programs", false)
    .action(async (learner: string, options: OfCohort & { only?: (typeof rotatableNames)[number][] }) =>
      done((await import("../commands/rotate.ts")).rotate(learner, options)),
    );
  program
    .command("shell")
    .description("open a shell as a learner, or run a command: ./lab shell ada -- kubectl get pods -A")
    .argument("<learner>", "as whom")
    .argument("[command...]", "after --, the command and its arguments")
    .option(...ofCohort)
    .action(async (learner: string, command: string[], options: { cohort: string }) =>
      done((await import("../commands/shell.ts")).shell(learner, command, options)),
    );
  program
    .command("reset")
    .description("give a learner a fresh lab, with a backup of what they had")
    .argument("<learner>", "whose lab")
    .option(...ofCohort)
    .option("-o, --out <folder>", "new folder for the backup (default: backups/<cohort>-<learner>-<time>)")
    .action(async (learner: string, options: { cohort: string; out?: string }) =>
      done((await import("../commands/reset.ts")).reset(learner, options)),
    );
  program
    .command("reap")
    .description("archive what is past its time, then remove it (cohorts) or pause it (learners); for cron")
    .option("--dry-run", "only tell what would be done", false)
    .option("-o, --out <folder>", "folder for the archives", "archives")
    .option("--json", "for programs", false)
    .action(async (options: { dryRun: boolean; out: string; json: boolean }) => done((await import("../commands/reap.ts")).reap(options)));
  program
    .command("setup")
    .description("install the tools that are missing and make the cohort's Pulumi stack")
    .argument(...cohortArgument)
    .action(async (name: string) => (await import("../commands/setup.ts")).setup(name));
  program
    .command("doctor")
    .description("tell where each tool comes from and what is missing")
    .option("--json", "for programs", false)
    .action(async (options: { json: boolean }) => done((await import("../commands/doctor.ts")).doctor(options)));
  program
    .command("env")
    .description('print what plain pulumi needs: eval "$(./lab env)"')
    .action(async () => (await import("../commands/env.ts")).env());
  program
    .command("test")
    .description("run the tests")
    .argument("[filters...]", "parts of test file names")
    .option("--long", "of the faults the long set, which takes hours and goes on where it was (docs/reliability.md)", false)
    .option("--seed <text>", "what the faults' points are chosen by", "1")
    .option("--results <file>", "where the long set keeps what came of each trial")
    .action(async (filters: string[], options: { long: boolean; seed: string; results?: string }) =>
      done((await import("../commands/test.ts")).test(filters, options)),
    );
}
