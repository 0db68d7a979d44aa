import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { untilFirstLine } from "../support/first-line.ts";

const folder = await mkdtemp(join(tmpdir(), "gl-line-"));

afterAll(() => rm(folder, { recursive: true, force: true }));

// Modules are what the silence of a command consists of, and unlike its milliseconds they are the same on every machine.
test.concurrent.each([["up"], ["retry"]])("%s speaks before it loads what a bring-up needs", async (command) => {
  const { line, modules, ofPulumi } = await untilFirstLine([command], join(folder, "lab"));
  expect(line).toBe("Reading the cohort file and looking at this machine.");
  expect([modules < 200, ofPulumi]).toEqual([true, 0]);
});

test("plan loads nothing of Pulumi before it speaks", async () => {
  const { line, ofPulumi } = await untilFirstLine(["plan"], join(folder, "lab"));
  expect(line).toMatch(/^cohort demo: /);
  expect(ofPulumi).toBe(0);
});
