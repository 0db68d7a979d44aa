import { CsvError, parse } from "csv-parse/sync";
import type { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import { LearnerSpec } from "./cohort-spec.ts";

const required = ["id", "name", "email"] as const;
const optional = ["github", "ttl"] as const;
type Column = (typeof required)[number] | (typeof optional)[number];
const columns: readonly string[] = [...required, ...optional];

/**
 * The learners in a roster: CSV as RFC 4180 says, with a header. Throws LabError `roster-invalid` that names every fault by
 * line and column.
 *
 * @param source how to call the file in the message, e.g. `stacks/demo.csv`
 * @param taken ids that the cohort file gives to others
 */
export function parseRoster(text: string, source: string, taken: Iterable<string> = []): LearnerSpec[] {
  const [header, ...rows] = rowsOf(text, source);
  if (header === undefined) throw invalid(source, ["it is empty"]);
  const wrong = header.cells.flatMap((cell, index) => {
    if (!columns.includes(cell))
      return [`${at(header.line, index)}: ${JSON.stringify(cell)} is no column of a roster; allowed: ${columns.join(", ")}`];
    return header.cells.indexOf(cell) === index ? [] : [`${at(header.line, index)}: there is a column ${cell} already`];
  });
  const missing = required
    .filter((name) => !header.cells.includes(name))
    .map((name) => `line ${header.line}: the header has no column ${name}`);
  if (wrong.length + missing.length > 0) throw invalid(source, [...wrong, ...missing]);
  if (rows.length === 0) throw invalid(source, ["it names no learner below its header"]);

  const names = header.cells as Column[];
  const seen = new Map([...taken].map((id) => [id, "the cohort file"]));
  const problems: string[] = [];
  const learners = rows.flatMap(({ line, cells }) => {
    if (cells.length !== names.length) {
      problems.push(`line ${line}: it has ${cells.length} columns and the header ${names.length}`);
      return [];
    }
    // An empty cell of a column that may be left out says nothing.
    const given = Object.fromEntries(
      names.flatMap((name, index) =>
        cells[index] === "" && (optional as readonly string[]).includes(name) ? [] : [[name, cells[index]!]],
      ),
    );
    const learner = LearnerSpec.safeParse(given);
    if (!learner.success) {
      problems.push(...learner.error.issues.map((issue) => complaint(issue, line, names, given)));
      return [];
    }
    const { id } = learner.data;
    const first = seen.get(id);
    if (first !== undefined)
      problems.push(`${at(line, names.indexOf("id"), "id")}: "${id}" is taken by ${first}; every learner needs an id of their own`);
    seen.set(id, `line ${line}`);
    return [learner.data];
  });
  if (problems.length > 0) throw invalid(source, problems);
  return learners;
}

interface Row {
  /** On which it begins, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

function rowsOf(text: string, source: string): Row[] {
  try {
    const records = parse(text, { bom: true, trim: true, skip_empty_lines: true, relax_column_count: true, info: true }) as unknown as {
      record: string[];
      info: { lines: number };
    }[];
    // The parser tells the line on which a record ends.
    return records.map(({ record, info }) => ({ line: info.lines - record.join("").split("\n").length + 1, cells: record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw invalid(source, [`it is no CSV: ${error.message}`], error);
  }
}

function complaint(issue: z.core.$ZodIssue, line: number, names: readonly Column[], given: Readonly<Record<string, string>>): string {
  const name = String(issue.path[0]);
  return `${at(line, names.indexOf(name as Column), name)}: ${JSON.stringify(given[name] ?? "")} ${issue.message}`;
}

function at(line: number, index: number, name?: string): string {
  return `line ${line}, column ${index + 1}${name === undefined ? "" : ` (${name})`}`;
}

function invalid(source: string, problems: readonly string[], cause?: unknown): LabError {
  return new LabError(
    "roster-invalid",
    `${source} is no roster: ${problems.join("; ")}. Nothing was created. Correct the file and run the command again; docs/course.md shows one.`,
    {
      exitCode: ExitCode.badInput,
      cause,
    },
  );
}
