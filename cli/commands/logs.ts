import { setTimeout as delay } from "node:timers/promises";
import { notedLearners } from "../../ledger/creation.ts";
import { daemonLog, readDaemonConfig } from "../../host/processes/config.ts";
import { cohortLogs, groupOf, lastLines, learnerLogs, linesSince, partGroups, type LogPart } from "../../host/processes/log-parts.ts";
import { processStatus } from "../../host/processes/client.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { excerpt, quoted } from "../../shared/printable.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { notUp } from "../not-up.ts";
import { podLogs } from "../pod-logs.ts";
import { note, print } from "../terminal.ts";

export interface LogsOptions {
  readonly cohort: string;
  readonly follow: boolean;
  /** How many lines of each part. */
  readonly lines: number;
  readonly json: boolean;
}

/** What stands for the processes that a cohort has for all; no learner can be called so. */
const ofCohort = "cohort";
const lookEveryMs = 300;
/** A line of a program is as long as it likes. */
const longestLine = 8192;

/**
 * Shows the last lines of the logs of one learner's lab, part by part, and with `follow` what is added to them until the command
 * is interrupted. Nothing of another learner's. Works while the lab is stopped, too. Returns the exit code.
 */
export async function logs(learner: string, part: string | undefined, options: LogsOptions): Promise<number> {
  const cohort = parseCohortName(options.cohort);
  const paths = cohortPaths(cohort);
  if ((await readDaemonConfig(paths)) === undefined) throw await notUp(cohort, ", so it has no logs");
  if (learner !== ofCohort) await requireLearner(cohort, learner);
  if (part === "pods" && learner !== ofCohort) return podLogs(cohort, learner, options, (line) => show("pods", line, options));
  const all = learner === ofCohort ? cohortLogs(paths, daemonLog(paths)) : await learnerLogs(paths, daemonLog(paths), learner);
  const parts = all.filter(({ name }) => part === undefined || name === part || groupOf(name) === part);
  if (parts.length === 0) throw unknownPart(learner, part!, all);
  const read = new Map<LogPart, number>();
  for (const one of parts) {
    const { lines, bytes } = await lastLines(one, options.lines);
    read.set(one, bytes);
    for (const line of lines) show(one.name, line, options);
  }
  if (options.follow) await follow(read, options, async () => (await readDaemonConfig(paths)) !== undefined);
  return ExitCode.ok;
}

/** Until the cohort is gone, or a signal ends the command. */
async function follow(read: Map<LogPart, number>, options: LogsOptions, isThere: () => Promise<boolean>): Promise<void> {
  while (await isThere()) {
    for (const [one, bytes] of read) {
      const more = await linesSince(one, bytes);
      for (const line of more?.lines ?? []) show(one.name, line, options);
      read.set(one, more?.bytes ?? 0);
    }
    await delay(lookEveryMs);
  }
  note("The cohort is gone, and its logs with it.");
}

function show(part: string, line: string, { json }: Pick<LogsOptions, "json">): void {
  const said = excerpt(line, longestLine);
  if (!json) return print(`${part} | ${said}`);
  print(JSON.stringify({ part, line: said, ...entryIn(line) }));
}

/** What a program that writes JSON says in the line. */
function entryIn(line: string): { readonly entry?: unknown } {
  if (!line.startsWith("{")) return {};
  try {
    return { entry: JSON.parse(line) as unknown };
  } catch {
    return {};
  }
}

async function requireLearner(cohort: string, learner: string): Promise<void> {
  const paths = cohortPaths(cohort);
  const owners = (await processStatus(paths)).map(({ owner }) => owner).filter((owner) => owner !== ofCohort);
  const known = [...new Set([...(await notedLearners(paths)), ...owners])].sort();
  if (known.includes(learner)) return;
  const whose = known.length === 0 ? "It has none yet" : `Its learners: ${known.join(", ")}`;
  throw new LabError(
    "learner-unknown",
    `Cohort ${cohort} has no learner ${quoted(learner)} on this machine. ${whose}. \`./lab logs cohort\` shows what is there for all of them.`,
    { exitCode: ExitCode.badInput },
  );
}

function unknownPart(learner: string, part: string, all: readonly LogPart[]): LabError {
  const names = [...new Set(all.map(({ name }) => name))];
  const groups = learner === ofCohort ? [] : [...partGroups.filter((group) => !names.includes(group)), "pods"];
  return new LabError(
    "log-part-unknown",
    `There is no log ${quoted(part)} of ${learner}. Its parts: ${names.join(", ")}${groups.length === 0 ? "" : `; together: ${groups.join(", ")}`}. Run the command with one of these, or with none for all.`,
    { exitCode: ExitCode.badInput },
  );
}
