import { CsvError, parse } from "csv-parse/sync";
import type { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import { excerpt, quoted } from "../shared/printable.ts";
import { addressKey, LearnerSpec, oneAddressEach } from "./cohort-spec.ts";

const required = ["id", "name", "email"] as const;
const optional = ["github", "ttl"] as const;
type Column = (typeof required)[number] | (typeof optional)[number];
const columns: readonly string[] = [...required, ...optional];

/** Whom the cohort file names itself. */
export interface Taken {
  readonly id: string;
  readonly email?: string | undefined;
}

/**
 * The learners in a roster: CSV as RFC 4180 says, with a header, and as spreadsheets write it: with commas, semicolons or tabs, a
 * line `sep=;`, headers in capitals, and the rows and columns of the sheet that are empty. Throws LabError `roster-invalid` that
 * names every fault by line and column.
 *
 * @param text as shared/person-text.ts decodes it
 * @param source how to call the file in the message, e.g. `stacks/demo.csv`
 */
export function parseRoster(text: string, source: string, taken: readonly Taken[] = []): LearnerSpec[] {
  const [header, ...rows] = rowsOf(text, source);
  if (header === undefined) throw invalid(source, ["it is empty"]);
  const names = columnsOf(header, rows, source);
  if (rows.length === 0) throw invalid(source, ["it names no learner below its header"]);

  const ids = new Map<string, string>(taken.map(({ id }) => [id, "the cohort file"]));
  const addresses = new Map<string, string>(
    taken.flatMap(({ email }) => (email === undefined ? [] : [[addressKey(email), "the cohort file"]])),
  );
  const problems: string[] = [];
  const learners = rows.flatMap((row) => {
    const given = cellsOf(row, names);
    if (typeof given === "string") {
      problems.push(given);
      return [];
    }
    const { line } = row;
    const place = (name: Column) => at(line, names.indexOf(name), name);
    const learner = LearnerSpec.safeParse(given);
    if (!learner.success) {
      problems.push(...learner.error.issues.map((issue) => complaint(issue, place, given)));
      return [];
    }
    const { id, email } = learner.data;
    const [sameId, sameAddress] = [ids.get(id), addresses.get(addressKey(email))];
    if (sameId !== undefined) problems.push(`${place("id")}: "${id}" is taken by ${sameId}; every learner needs an id of their own`);
    // Who is there twice as a whole is told once.
    else if (sameAddress !== undefined) problems.push(`${place("email")}: ${quoted(email)} is taken by ${sameAddress}; ${oneAddressEach}`);
    ids.set(id, `line ${line}`);
    addresses.set(addressKey(email), `line ${line}`);
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

/** Rows in which something is. */
function rowsOf(text: string, source: string): Row[] {
  const declared = /^"?sep=([^\n"\w])"?[,;\t]*(?=[\r\n]|$)/i.exec(text);
  // The line stays, so that lines are counted as an editor counts them.
  const table = declared === null ? text : text.slice(declared[0].length);
  const delimiter = declared?.[1] ?? delimiterOf(table);
  try {
    const records = parse(table, {
      bom: true,
      delimiter,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    // The parser tells the line on which a record ends.
    return records
      .map(({ record, info }) => ({ line: info.lines - record.join("").split("\n").length + 1, cells: record.map(bare) }))
      .filter(({ cells }) => cells.some((cell) => cell !== ""));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw invalid(source, [`it is no CSV: ${excerpt(error.message, 200)}`], error);
  }
}

/** What separates the names of columns that are known, in the first line that has any letters. */
function delimiterOf(text: string): string {
  const header = /^.*\p{L}.*$/mu.exec(text)?.[0] ?? "";
  const known = (delimiter: string) => header.split(delimiter).filter((cell) => columns.includes(columnName(cell))).length;
  return [",", ";", "\t", "|"].reduce((best, other) => (known(other) > known(best) ? other : best));
}

/** Without space and invisible characters around it: sheets and chats leave them, and nobody sees them. */
const bare = (cell: string) => cell.replace(/^[\p{Z}\p{Cc}\p{Cf}]+|[\p{Z}\p{Cc}\p{Cf}]+$/gu, "");

/** `E-Mail` and `EMAIL` are `email`. */
const columnName = (cell: string) =>
  bare(cell.replaceAll('"', ""))
    .toLowerCase()
    .replace(/[\s_-]+/g, "");

/** What each column of the table is; undefined for one without header and content. Throws for anything else. */
function columnsOf(header: Row, rows: readonly Row[], source: string): (Column | undefined)[] {
  const names = header.cells.map(columnName);
  const wrong = names.flatMap((name, index) => {
    if (name === "") {
      const filled = rows.find(({ cells }) => (cells[index] ?? "") !== "");
      return filled === undefined
        ? []
        : [`${at(header.line, index)}: the column has no header, and ${quoted(filled.cells[index]!)} in line ${filled.line}`];
    }
    if (!columns.includes(name)) return [`${at(header.line, index)}: ${quoted(header.cells[index]!)} is no column of a roster`];
    return names.indexOf(name) === index ? [] : [`${at(header.line, index)}: there is a column ${name} already`];
  });
  const missing = required.filter((name) => !names.includes(name));
  if (missing.length > 0) wrong.push(`line ${header.line}: the header has no column ${missing.join(", none ")}`);
  if (wrong.length > 0) throw invalid(source, [...wrong, `a roster's columns are ${columns.join(", ")}`]);
  return names.map((name) => (name === "" ? undefined : (name as Column)));
}

/** What a row gives, or what is wrong with its length. */
function cellsOf({ line, cells }: Row, names: readonly (Column | undefined)[]): Record<string, string> | string {
  const filled = cells.findLastIndex((cell) => cell !== "") + 1;
  if (filled > names.length || cells.length < names.findLastIndex((name) => name !== undefined) + 1)
    return `line ${line}: it has ${cells.length} columns and the header ${names.length}`;
  return Object.fromEntries(
    names.flatMap((name, index) => {
      const cell = cells[index] ?? "";
      // An empty cell of a column that may be left out says nothing.
      if (name === undefined || (cell === "" && (optional as readonly string[]).includes(name))) return [];
      return [[name, name === "name" ? oneLine(cell) : cell]];
    }),
  );
}

/** A name as it is read: line breaks of a cell are spaces, and marks of which nothing is seen are none of it. */
const oneLine = (name: string) => name.replace(/[\u00ad\u200b\u200e\u200f\u2060\ufeff]/g, "").replace(/\s+/g, " ");

function complaint(issue: z.core.$ZodIssue, place: (name: Column) => string, given: Readonly<Record<string, string>>): string {
  const name = String(issue.path[0]);
  return `${place(name as Column)}: ${quoted(given[name] ?? "")} ${issue.message}`;
}

function at(line: number, index: number, name?: string): string {
  return `line ${line}, column ${index + 1}${name === undefined ? "" : ` (${name})`}`;
}

/** What is told of one file at once: a habit of the program that wrote it is in every line. */
const mostProblems = 10;

function invalid(source: string, problems: readonly string[], cause?: unknown): LabError {
  const more = problems.length > mostProblems ? `; and ${problems.length - mostProblems} more` : "";
  return new LabError(
    "roster-invalid",
    `${source} is no roster: ${problems.slice(0, mostProblems).join("; ")}${more}. Nothing was created. Correct the file and run the command again; docs/course.md shows one.`,
    {
      exitCode: ExitCode.badInput,
      cause,
    },
  );
}
