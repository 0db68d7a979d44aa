import { InvalidArgumentError } from "commander";
import { defaultCohort } from "../which-cohort.ts";

/** The cohort as the word after a command. */
export const cohortArgument = ["[cohort]", "name of the cohort, as in stacks/Pulumi.<cohort>.yaml", defaultCohort] as const;
/** The cohort where a learner is named first. */
export const ofCohort = ["-c, --cohort <name>", "name of the cohort", defaultCohort] as const;
/** Of what brings up or removes whole cohorts. */
export const parallel = [
  "--parallel <n>",
  "how many resources Pulumi works on at once (default: Pulumi's own choice)",
  parseCount,
] as const;
export const events = ["--json", "one JSON event per line, for programs (docs/cli.md)", false] as const;
export type RunOptions = { parallel?: number; json: boolean };
export type OfCohort = { cohort: string; json: boolean };

/** A port, 0 for any. Throws what commander tells as a wrong argument. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError("It must be a number from 0 to 65535.");
}

/** A number of things. Throws as `parsePort`. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 to 999999.");
}

/** Takes what a command returns for the exit code of the process. */
export async function done(exitCode: Promise<number>): Promise<void> {
  process.exitCode = await exitCode;
}
