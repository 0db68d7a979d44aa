import type { Command } from "commander";
import { cohortArgument, done, parsePort } from "./arguments.ts";

/** What an instructor sees and keeps of a course. */
export function courseCommands(program: Command): void {
  program
    .command("dashboard")
    .description("show a cohort in the browser, live, until it is interrupted")
    .argument(...cohortArgument)
    .option("-p, --port <port>", "loopback port to listen on, 0 for any", parsePort, 7780)
    .option("-l, --learner <id>", "print a link for this learner's own page instead; the dashboard must run")
    .option("-a, --archive <file>", "show a finished course from its archive instead, read-only")
    .option("-f, --fingerprint <sha256:hex>", "the key that must have signed the archive")
    .action(async (name: string, options: { port: number; learner?: string; archive?: string; fingerprint?: string }) =>
      done((await import("../commands/dashboard.ts")).dashboard(name, options)),
    );
  program
    .command("results")
    .description("show what the learners of a cohort have done: evidence, exercises, drills, quiz")
    .argument(...cohortArgument)
    .option("--csv", "for spreadsheets", false)
    .option("--json", "for programs", false)
    .action(async (name: string, options: { csv: boolean; json: boolean }) =>
      done((await import("../commands/results.ts")).results(name, options)),
    );
  const archive = program.command("archive").description("keep what a course has shown in one file, or check such a file");
  archive
    .command("create", { isDefault: true })
    .description("write results, evidence and records of a cohort as one file (the word create may be left out)")
    .argument("<cohort>", "name of the cohort")
    .option("-o, --out <file>", "new file for it (default: archives/<cohort>-<time>.tar.gz)")
    .option("--json", "for programs", false)
    .action(async (name: string, options: { out?: string; json: boolean }) =>
      done((await import("../commands/archive.ts")).archive(name, options)),
    );
  archive
    .command("verify")
    .description("check an archive offline, with every evidence bundle in it")
    .argument("<file>", "the archive")
    .option("-f, --fingerprint <sha256:hex>", "the key that must have signed it")
    .option("--json", "for programs", false)
    .action(async (file: string, options: { fingerprint?: string; json: boolean }) =>
      done((await import("../commands/archive.ts")).verifyArchive(file, options)),
    );
}
