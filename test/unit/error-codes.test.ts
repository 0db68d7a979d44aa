import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { errorCodes, exitCodes } from "../../shared/error-codes.ts";
import { ExitCode } from "../../shared/errors.ts";
import { errorSites } from "../support/error-sites.ts";
import { cliFile, errorTable, exitTable, tableFile } from "../support/error-table.ts";

const known = new Map(Object.values(errorCodes).flatMap((group) => Object.entries(group)));
const sites = errorSites();

describe("errors", () => {
  test("are found", () => expect(sites.length).toBeGreaterThan(150));

  test("have a code that is in the table of shared/error-codes.ts, with the exit code that it has there", () => {
    const odd = sites.filter(({ code, exitCode }) => {
      const exits = known.get(code ?? "")?.exits;
      // What a signal ended takes the signal's.
      return exits === undefined || (code !== "interrupted" && !exits.includes(exitCode));
    });
    expect(odd.map(({ file, code, exitCode }) => `${file}: ${code} ends with ${exitCode}`)).toEqual([]);
  });

  test("of the table are made somewhere", () => {
    const made = new Set(sites.map(({ code }) => code));
    expect([...known.keys()].filter((code) => !made.has(code))).toEqual([]);
  });

  test("have one code each, in one group", () =>
    expect(known.size).toBe(Object.values(errorCodes).flatMap((group) => Object.keys(group)).length));
});

test("every exit code is told", () => expect(exitCodes.map(([code]) => code).toSorted()).toEqual(Object.values(ExitCode).toSorted()));

test("docs/errors.md and the table in docs/cli.md are as `node test/support/error-table.ts` writes them", async () => {
  expect(await readFile(tableFile, "utf8")).toBe(errorTable());
  expect(await readFile(cliFile, "utf8")).toContain(exitTable());
});
