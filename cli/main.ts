import "./own-environment.ts";
import { Command, CommanderError, Help, type Option } from "commander";
import { ExitCode, LabError } from "../shared/errors.ts";
import { damagedPackage, damagedSentence } from "./damaged-packages.ts";
import { fullDisk } from "./full-disk.ts";
import { productVersion } from "../shared/version.ts";
import { cohortCommands } from "./program/cohort.ts";
import { courseCommands } from "./program/course.ts";
import { exerciseCommands } from "./program/exercises.ts";
import { hostCommands } from "./program/host.ts";
import { note, paint, readerGone } from "./terminal.ts";
import { unusableHome } from "./unusable-home.ts";

/*
 * A group of commands a file in program/, in the order in which `--help` lists them. Each command's module is loaded when it
 * is asked for: `verify` must not wait for an engine, nor `--help` for anything. So what is imported here is small.
 */
const program = new Command("lab")
  .description("GitOps lab environments as code: a cohort file becomes one Kubernetes, Flux, Git and image registry per learner.")
  .version(`gitops-lab ${productVersion()}`, "-V, --version", "print the version of this program")
  .configureHelp({ sortSubcommands: false, optionDescription })
  .exitOverride()
  .hook("preAction", async () => (await import("../shared/lab-home.ts")).requireOwnHome());

cohortCommands(program);
exerciseCommands(program);
courseCommands(program);
hostCommands(program);

/** As commander has it, but for "(default: false)" of every flag. */
function optionDescription(option: Option): string {
  return option.defaultValue === false ? option.description : Help.prototype.optionDescription(option);
}

/** What is told after an error of each command: where its own help is. */
function pointToHelp(command: Command, called: string): void {
  command.showHelpAfterError(`(\`${called} --help\` ${command.commands.length > 0 ? "lists the commands" : "shows how it is used"})`);
  for (const one of command.commands) pointToHelp(one, `${called} ${one.name()}`);
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
