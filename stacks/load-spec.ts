import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import { DnsLabel } from "../shared/names.ts";
import { largestPersonFile, readPersonText } from "../shared/person-file.ts";
import { excerpt, printable, quoted, shownValue, visible } from "../shared/printable.ts";
import { readYaml } from "../shared/yaml.ts";
import { CohortSpec } from "./cohort-spec.ts";
import { inShard } from "./shards.ts";
import { parseRoster } from "./roster.ts";

/** The key under `config:` that holds a cohort. */
export const cohortKey = "gitops-lab:cohort";

/** Gives a roster's text by its path relative to stacks/. */
export type RosterReader = (path: string) => string;

/**
 * The cohort in a parsed configuration value, with the learners of its roster. Throws LabError `cohort-invalid` that names
 * every wrong field, what is wrong with it and what is allowed, and `roster-invalid` for the roster.
 *
 * @param source how to call the file in the message, e.g. `stacks/Pulumi.demo.yaml`
 */
export function parseCohort(value: unknown, source: string, readRoster: RosterReader = rosterFile): CohortSpec {
  const result = CohortSpec.safeParse(withRoster(value, readRoster), { reportInput: true });
  if (result.success) {
    const { shard, learners } = result.data;
    if (shard === undefined) return result.data;
    const own = inShard(learners, shard);
    if (own.length > 0) return { ...result.data, learners: own };
    throw new LabError(
      "shard-empty",
      `${source} has no learner in shard ${shard.index} of ${shard.count}: there are ${learners.length} in all. Nothing was created. Divide the class into fewer shards.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const { issues } = result.error;
  const more = issues.length > mostProblems ? `; and ${issues.length - mostProblems} more` : "";
  const problems = issues.slice(0, mostProblems).map(describe).join("; ") + more;
  throw new LabError(
    "cohort-invalid",
    `${source} does not describe a cohort: ${problems}. Nothing was created. Correct the file and run the command again; docs/cohort-file.md lists every field.`,
    { exitCode: ExitCode.badInput },
  );
}

/** What is told of one file at once. */
const mostProblems = 8;
const longestProblem = 300;

/** The cohort in the text of a `Pulumi.<cohort>.yaml`, before Pulumi is asked. Throws like `parseCohort`. */
export function parseCohortFile(text: string, source: string, readRoster?: RosterReader): CohortSpec {
  const yaml = readYaml(text, largestPersonFile);
  if ("problem" in yaml) {
    throw new LabError(
      "cohort-malformed",
      `${source} ${yaml.problem}. Nothing was created. Correct the file and run the command again; stacks/Pulumi.demo.yaml shows one.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const config = z.looseObject({ config: z.looseObject({ [cohortKey]: z.unknown() }) }).safeParse(yaml.content);
  if (!config.success || config.data.config[cohortKey] === undefined) {
    throw new LabError(
      "cohort-missing",
      `${source} has no \`config: ${cohortKey}:\` with the cohort below it. Nothing was created. stacks/Pulumi.demo.yaml shows one.`,
      { exitCode: ExitCode.badInput },
    );
  }
  return parseCohort(config.data.config[cohortKey], source, readRoster);
}

const WithRoster = z.looseObject({ roster: z.string().min(1), learners: z.array(z.unknown()).default([]) });

/** The value with the roster's learners after its own; as it is where it has no roster, or is wrong before it comes to that. */
function withRoster(value: unknown, readRoster: RosterReader): unknown {
  const parsed = WithRoster.safeParse(value);
  if (!parsed.success) return value;
  const { roster, learners } = parsed.data;
  const taken = learners.flatMap((learner) => Taken.safeParse(learner).data ?? []);
  return { ...parsed.data, learners: [...learners, ...parseRoster(readRoster(roster), `stacks/${printable(roster)}`, taken)] };
}

/** What nobody else in the cohort may have. */
const Taken = z.object({ id: z.string(), email: z.string().optional() });

function rosterFile(path: string): string {
  const read = readPersonText(join(import.meta.dirname, path), "sheet");
  if ("text" in read) return read.text;
  const where = read.missing ? " `roster` in the cohort file must name a CSV file, relative to stacks/." : "";
  throw new LabError("roster-unreadable", `The roster stacks/${printable(path)} ${read.problem}. Nothing was created.${where}`, {
    exitCode: ExitCode.badInput,
  });
}

/** Checks the name of a cohort, which is also its stack's and part of many names on the host. */
export function parseCohortName(name: string): string {
  const result = DnsLabel.safeParse(name);
  if (result.success) return name;
  throw new LabError(
    "cohort-name-invalid",
    `${quoted(name)} is no name for a cohort: it ${result.error.issues[0]?.message}. Nothing was changed. Example: \`./lab up demo\`.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

function describe(issue: z.core.$ZodIssue): string {
  // The discriminator is the field at fault, not the object that holds it.
  const path =
    issue.code === "invalid_union" && issue.discriminator !== undefined && issue.path.at(-1) !== issue.discriminator
      ? [...issue.path, issue.discriminator]
      : issue.path;
  const at = path.reduce<string>(
    (path, key) => (typeof key === "number" ? `${path}[${key}]` : path ? `${path}.${String(key)}` : String(key)),
    "",
  );
  // The schema's own messages quote what they refuse.
  return visible(`${at === "" ? "the cohort" : `\`${excerpt(at)}\``} ${complaint(issue)}`.slice(0, longestProblem));
}

function complaint(issue: z.core.$ZodIssue): string {
  const input =
    issue.code === "invalid_union" && issue.discriminator !== undefined
      ? (issue.input as Record<string, unknown>)[issue.discriminator]
      : issue.input;
  if (input === undefined && issue.code === "invalid_type") return `is missing; it must be ${article(issue.expected)}`;
  const got = `is ${shownValue(input)}`;
  switch (issue.code) {
    case "invalid_type":
      return `${got}; it must be ${article(issue.expected)}`;
    case "invalid_value":
      return `${got}; allowed: ${issue.values.map(String).join(", ")}`;
    case "invalid_union":
      return "options" in issue && issue.options !== undefined
        ? `${got}; allowed: ${issue.options.map(String).join(", ")}`
        : `${got}; it ${issue.message}`;
    case "unrecognized_keys":
      return `has unknown ${issue.keys.length === 1 ? "field" : "fields"} ${excerpt(issue.keys.map((key) => `\`${key}\``).join(", "), 300)}`;
    case "custom":
      return issue.message;
    case "too_small":
      // Of a list or a text nobody wants to read what is in it.
      return issue.origin === "number" || issue.origin === "int" ? `${got}; it ${issue.message}` : issue.message;
    default:
      return `${got}; it ${issue.message}`;
  }
}

function article(type: string): string {
  if (type === "int") return "a whole number";
  return /^[aio]/.test(type) ? `an ${type}` : `a ${type}`;
}
