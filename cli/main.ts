import "./own-environment.ts";
import { Command, CommanderError, Help, InvalidArgumentError, type Option } from "commander";
import { ExitCode, LabError } from "../shared/errors.ts";
import { damagedPackage, damagedSentence } from "./damaged-packages.ts";
import { fullDisk } from "./full-disk.ts";
import { productVersion } from "../shared/version.ts";
import { requireOwnHome } from "../shared/lab-home.ts";
import { unusableHome } from "./home.ts";
import { note, paint, readerGone } from "./terminal.ts";
import { defaultCohort } from "./which-cohort.ts";

/*
 * Each command's module is loaded when it is asked for: `verify` must not wait for an engine, nor `--help` for anything.
 */
const program = new Command("lab")
  .description("GitOps lab environments as code: a cohort file becomes one Kubernetes, Flux, Git and image registry per learner.")
  .version(`gitops-lab ${productVersion()}`, "-V, --version", "print the version of this program")
  .configureHelp({ sortSubcommands: false, optionDescription })
  .exitOverride()
  .hook("preAction", () => requireOwnHome());

const cohort = ["[cohort]", "name of the cohort, as in stacks/Pulumi.<cohort>.yaml", defaultCohort] as const;
const ofCohort = ["-c, --cohort <name>", "name of the cohort", defaultCohort] as const;
/** Of what brings up or removes whole cohorts. */
const parallel = ["--parallel <n>", "how many resources Pulumi works on at once (default: Pulumi's own choice)", parseCount] as const;
const events = ["--json", "one JSON event per line, for programs (docs/cli.md)", false] as const;
type RunOptions = { parallel?: number; json: boolean };

program
  .command("up")
  .description("bring a cohort up, or to what its file says now, and prove it")
  .argument(...cohort)
  .option("--force", "also where it does not fit on this machine", false)
  .option(...parallel)
  .option(...events)
  .action(async (name: string, options: { force: boolean } & RunOptions) => done((await import("./commands/up.ts")).up(name, options)));
program
  .command("retry")
  .description("bring up those learners whose last run failed or was cut short, and nobody else")
  .argument(...cohort)
  .option(...parallel)
  .option(...events)
  .action(async (name: string, options: RunOptions) => done((await import("./commands/retry.ts")).retry(name, options)));
program
  .command("plan")
  .description("tell what would be created, how many learners fit on this machine, and how long it takes")
  .argument(...cohort)
  .option("--json", "for programs", false)
  .action(async (name: string, options: { json: boolean }) => done((await import("./commands/plan.ts")).plan(name, options)));
program
  .command("down")
  .description("remove everything of a cohort, look for it again and tell what is left")
  .argument(...cohort)
  .option("--receipt <file>", "new file for the receipt, as JSON")
  .option("--orphans", "instead, list what killed runs of any cohort left in this lab's folder and on this machine", false)
  .option("-y, --yes", "with --orphans, remove what is listed; without, it changes nothing, since down does not ask", false)
  .option(...parallel)
  .option("--json", "one JSON event per line, the receipt the last (docs/cli.md); with --orphans one document", false)
  .action(async (name: string, { orphans, yes, ...options }: { receipt?: string; orphans: boolean; yes: boolean } & RunOptions) =>
    done(
      orphans
        ? (await import("./commands/orphans.ts")).orphans({ yes, json: options.json })
        : (await import("./commands/down.ts")).down(name, options),
    ),
  );
program
  .command("verify")
  .description("prove the promotion evidence from live state")
  .argument("[learner]", "only this learner")
  .option(...ofCohort)
  .option("--json", "for programs", false)
  .action(async (learner: string | undefined, options: { cohort: string; json: boolean }) =>
    done((await import("./commands/verify.ts")).verify(options.cohort, { json: options.json, learner })),
  );
const evidence = program.command("evidence").description("keep a learner's evidence as a signed bundle, or check one");
evidence
  .command("create", { isDefault: true })
  .description("prove the evidence and write it as a bundle (the word create may be left out)")
  .argument("<learner>", "whose evidence")
  .option(...ofCohort)
  .option("-o, --out <folder>", "new folder for the bundle (default: evidence/<cohort>-<learner>-<time>)")
  .option("--json", "for programs", false)
  .action(async (learner: string, options: { cohort: string; out?: string; json: boolean }) =>
    done((await import("./commands/evidence.ts")).createEvidence(learner, options)),
  );
evidence
  .command("verify")
  .description("check a bundle offline")
  .argument("<bundle>", "folder of the bundle")
  .option("-f, --fingerprint <sha256:hex>", "the key that must have signed it")
  .option("--json", "for programs", false)
  .action(async (bundle: string, options: { fingerprint?: string; json: boolean }) =>
    done((await import("./commands/evidence.ts")).verifyEvidence(bundle, options)),
  );
program
  .command("quiz")
  .description("ask a learner the quiz of the lab, grade it and record the attempt")
  .argument("[learner]", "who answers; with --results, only this learner's attempts")
  .option(...ofCohort)
  .option("--answers <file>", "take the answers from a JSON file instead of asking")
  .option("--questions", "only print the questions, as JSON", false)
  .option("--results", "only list the recorded attempts", false)
  .option("--json", "for programs", false)
  .action(
    async (
      learner: string | undefined,
      { cohort, ...options }: { cohort: string; answers?: string; questions: boolean; results: boolean; json: boolean },
    ) => done((await import("./commands/quiz.ts")).quiz(cohort, { ...options, learner })),
  );
const drill = program.command("drill").description("incidents on demand: break a learner's lab, check the repair, bring it back");
drill
  .command("list")
  .description("list the drills")
  .option(...ofCohort)
  .option("--json", "for programs", false)
  .action(async (options: { cohort: string; json: boolean }) => done((await import("./commands/drill.ts")).listDrills(options)));
for (const [action, description] of [
  ["start", "break the lab and tell the learner the symptom"],
  ["hint", "the next hint"],
  ["check", "look whether the incident is over"],
  ["solve", "repair it as a learner would"],
  ["reset", "bring back the state from before the drill"],
] as const) {
  drill
    .command(action)
    .description(description)
    .argument("<drill>", "as `./lab drill list` names it")
    .argument("<learner>", "whose lab")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (id: string, learner: string, options: { cohort: string; json: boolean }) =>
      done((await import("./commands/drill.ts")).drill(action, id, learner, options)),
    );
}
program
  .command("handout")
  .description("write a learner's handout: pages, access to the cluster, to Git and to the images")
  .argument("<learner>", "whose handout")
  .option(...ofCohort)
  .option("-o, --out <folder>", "folder for it (default: handouts/<cohort>-<learner>)")
  .option("--archive", "also write it as one file, <folder>.tar.gz", false)
  .action(async (learner: string, options: { cohort: string; out?: string; archive: boolean }) =>
    done((await import("./commands/handout.ts")).handout(learner, options)),
  );
const exercise = program.command("exercise").description("the chapter's exercises: instructions, hints, checks and solvers");
/** As in commands/rotate.ts, which is not loaded before it is asked for. */
const rotatableNames = ["kubeconfig", "git", "registry", "page"] as const;
type OfCohort = { cohort: string; json: boolean };
exercise
  .command("list")
  .description("list the exercises with what is recorded of them")
  .argument("[learner]", "only this learner")
  .option(...ofCohort)
  .option("--json", "for programs", false)
  .action(async (learner: string | undefined, options: OfCohort) =>
    done((await import("./commands/exercise.ts")).listExercises(learner, options)),
  );
exercise
  .command("show")
  .description("print the instructions")
  .argument("<exercise>")
  .option(...ofCohort)
  .option("--json", "for programs", false)
  .action(async (id: string, options: OfCohort) => done((await import("./commands/exercise.ts")).showExercise(id, options)));
exercise
  .command("hint")
  .description("give a learner the next hint and record that")
  .argument("<exercise>")
  .argument("<learner>")
  .option(...ofCohort)
  .option("--json", "for programs", false)
  .action(async (id: string, learner: string, options: OfCohort) =>
    done((await import("./commands/exercise.ts")).hintExercise(id, learner, options)),
  );
for (const [verb, description] of [
  ["check", "check one exercise of a learner, or all, and record the results"],
  ["solve", "solve one exercise in a learner's place, or all, and check"],
] as const) {
  exercise
    .command(verb)
    .description(description)
    .usage("[options] [exercise] <learner>")
    .argument("<exercise-and-learner...>", "an exercise and a learner, or a learner alone for all exercises")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (words: string[], options: OfCohort, command: Command) => {
      if (words.length > 2) return command.error(`error: ${verb} takes an exercise and a learner, and got ${words.length} words.`);
      const [id, learner] = words.length === 1 ? [undefined, words[0]!] : words;
      const commands = await import("./commands/exercise.ts");
      return done((verb === "check" ? commands.checkExercises : commands.solveExercises)(id, learner!, options));
    });
}
program
  .command("dashboard")
  .description("show a cohort in the browser, live, until it is interrupted")
  .argument(...cohort)
  .option("-p, --port <port>", "loopback port to listen on, 0 for any", parsePort, 7780)
  .option("-l, --learner <id>", "print a link for this learner's own page instead; the dashboard must run")
  .option("-a, --archive <file>", "show a finished course from its archive instead, read-only")
  .option("-f, --fingerprint <sha256:hex>", "the key that must have signed the archive")
  .action(async (name: string, options: { port: number; learner?: string; archive?: string; fingerprint?: string }) =>
    done((await import("./commands/dashboard.ts")).dashboard(name, options)),
  );
program
  .command("results")
  .description("show what the learners of a cohort have done: evidence, exercises, drills, quiz")
  .argument(...cohort)
  .option("--csv", "for spreadsheets", false)
  .option("--json", "for programs", false)
  .action(async (name: string, options: { csv: boolean; json: boolean }) =>
    done((await import("./commands/results.ts")).results(name, options)),
  );
const archive = program.command("archive").description("keep what a course has shown in one file, or check such a file");
archive
  .command("create", { isDefault: true })
  .description("write results, evidence and records of a cohort as one file (the word create may be left out)")
  .argument("<cohort>", "name of the cohort")
  .option("-o, --out <file>", "new file for it (default: archives/<cohort>-<time>.tar.gz)")
  .option("--json", "for programs", false)
  .action(async (name: string, options: { out?: string; json: boolean }) =>
    done((await import("./commands/archive.ts")).archive(name, options)),
  );
archive
  .command("verify")
  .description("check an archive offline, with every evidence bundle in it")
  .argument("<file>", "the archive")
  .option("-f, --fingerprint <sha256:hex>", "the key that must have signed it")
  .option("--json", "for programs", false)
  .action(async (file: string, options: { fingerprint?: string; json: boolean }) =>
    done((await import("./commands/archive.ts")).verifyArchive(file, options)),
  );
program
  .command("status")
  .description("show the processes of a cohort")
  .argument(...cohort)
  .option("--json", "for programs", false)
  .action(async (name: string, options: { json: boolean }) => done((await import("./commands/processes.ts")).status(name, options)));
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
    done((await import("./commands/logs.ts")).logs(learner, part, options)),
  );
program
  .command("support-bundle")
  .description("gather what helps to find a fault in one file, without secrets, to send to somebody")
  .argument(...cohort)
  .option("-o, --out <file>", "new file for it (default: support/<cohort>-<time>.tar.gz)")
  .option("--json", "for programs", false)
  .action(async (name: string, options: { out?: string; json: boolean }) =>
    done((await import("./commands/support-bundle.ts")).supportBundle(name, options)),
  );
program
  .command("start")
  .description("bring the processes of a cohort back, after a reboot or a stop")
  .argument(...cohort)
  .action(async (name: string) => done((await import("./commands/processes.ts")).start(name)));
program
  .command("stop")
  .description("end the processes of a cohort and keep its data")
  .argument(...cohort)
  .action(async (name: string) => done((await import("./commands/processes.ts")).stop(name)));
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
      done((await import("./commands/processes.ts"))[verb](learner, options)),
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
    done((await import("./commands/rotate.ts")).rotate(learner, options)),
  );
program
  .command("shell")
  .description("open a shell as a learner, or run a command: ./lab shell ada -- kubectl get pods -A")
  .argument("<learner>", "as whom")
  .argument("[command...]", "after --, the command and its arguments")
  .option(...ofCohort)
  .action(async (learner: string, command: string[], options: { cohort: string }) =>
    done((await import("./commands/shell.ts")).shell(learner, command, options)),
  );
program
  .command("reset")
  .description("give a learner a fresh lab, with a backup of what they had")
  .argument("<learner>", "whose lab")
  .option(...ofCohort)
  .option("-o, --out <folder>", "new folder for the backup (default: backups/<cohort>-<learner>-<time>)")
  .action(async (learner: string, options: { cohort: string; out?: string }) =>
    done((await import("./commands/reset.ts")).reset(learner, options)),
  );
program
  .command("reap")
  .description("archive what is past its time, then remove it (cohorts) or pause it (learners); for cron")
  .option("--dry-run", "only tell what would be done", false)
  .option("-o, --out <folder>", "folder for the archives", "archives")
  .option("--json", "for programs", false)
  .action(async (options: { dryRun: boolean; out: string; json: boolean }) => done((await import("./commands/reap.ts")).reap(options)));
program
  .command("setup")
  .description("install the tools that are missing and make the cohort's Pulumi stack")
  .argument(...cohort)
  .action(async (name: string) => (await import("./commands/setup.ts")).setup(name));
program
  .command("doctor")
  .description("tell where each tool comes from and what is missing")
  .option("--json", "for programs", false)
  .action(async (options: { json: boolean }) => done((await import("./commands/doctor.ts")).doctor(options)));
program
  .command("env")
  .description('print what plain pulumi needs: eval "$(./lab env)"')
  .action(async () => (await import("./commands/env.ts")).env());
program
  .command("test")
  .description("run the tests")
  .argument("[filters...]", "parts of test file names")
  .option("--long", "of the faults the long set, which takes hours and goes on where it was (docs/reliability.md)", false)
  .option("--seed <text>", "what the faults' points are chosen by", "1")
  .option("--results <file>", "where the long set keeps what came of each trial")
  .action(async (filters: string[], options: { long: boolean; seed: string; results?: string }) =>
    done((await import("./commands/test.ts")).test(filters, options)),
  );

/** As commander has it, but for "(default: false)" of every flag. */
function optionDescription(option: Option): string {
  return option.defaultValue === false ? option.description : Help.prototype.optionDescription(option);
}

/** What is told after an error of each command: where its own help is. */
function pointToHelp(command: Command, called: string): void {
  command.showHelpAfterError(`(\`${called} --help\` ${command.commands.length > 0 ? "lists the commands" : "shows how it is used"})`);
  for (const one of command.commands) pointToHelp(one, `${called} ${one.name()}`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a number from 0 to 65535.");
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 to 999999.");
}

async function done(exitCode: Promise<number>): Promise<void> {
  process.exitCode = await exitCode;
}

// A reader that has seen enough, such as `head`, is no defect, and neither is a terminal that was closed (EIO).
const isReaderGone = ({ code }: NodeJS.ErrnoException) => code === "EPIPE" || code === "EIO";
process.stdout.on("error", (error) => {
  if (!isReaderGone(error)) throw error;
  readerGone();
});
// Without a reader of remarks the work goes on: what must end it is the signal that a closed terminal sends.
process.stderr.on("error", (error) => {
  if (!isReaderGone(error)) throw error;
});

pointToHelp(program, "./lab");
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
  // What a signal ended leaves unfinished work behind that nobody waits for.
  if (error instanceof LabError && error.code === "interrupted") process.exit();
}

/** Shows an error the way its class asks for and returns the exit code. */
function report(thrown: unknown): number {
  const name = damagedPackage(thrown);
  const damaged = name === undefined ? undefined : new LabError("packages-damaged", damagedSentence(name), { exitCode: ExitCode.badInput });
  const error = damaged ?? unusableHome(thrown) ?? fullDisk(thrown) ?? thrown;
  if (error instanceof LabError) {
    note(`${paint("red", "error", process.stderr)}: ${error.message} ${paint("dim", `[${error.code}]`, process.stderr)}`);
    return error.exitCode;
  }
  // commander has printed its own message; help and version are not errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.badInput;
  note(
    `This is a defect of gitops-lab; please report it with what follows.\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  return ExitCode.bug;
}
