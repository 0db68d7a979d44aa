import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { attemptsTable, tableFile } from "../support/attempts-table.ts";

test("docs/attempts.md lists every attempt; `node test/support/attempts-table.ts` writes it anew", async () => {
  expect(await readFile(tableFile, "utf8")).toBe(await attemptsTable());
});
