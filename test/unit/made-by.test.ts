import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isNewer, noteVersion, requireNotNewer } from "../../cli/made-by.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { productVersion } from "../../shared/version.ts";
import { useLabHome } from "../support/lab-home.ts";
import { copyOf } from "../../shared/state-file.ts";

useLabHome();

test("versions are compared by number", () => {
  const newer: [string, string][] = [
    ["0.10.0", "0.9.9"],
    ["1.0.0", "0.99.99"],
    ["0.2.1", "0.2.0"],
  ];
  for (const [one, other] of newer) {
    expect(isNewer(one, other), `${one} ${other}`).toBe(true);
    expect(isNewer(other, one), `${other} ${one}`).toBe(false);
  }
  expect(isNewer("0.2.0-rc.1", "0.2.0")).toBe(false);
  expect(isNewer("0.2.0", "0.2.0")).toBe(false);
});

describe("a cohort", () => {
  const root = () => cohortPaths("x").root;

  test("of which nothing is there yet, or that a version before made, is taken", async () => {
    await noteVersion(cohortPaths("x"));
    await requireNotNewer(cohortPaths("x"));
    await mkdir(root(), { recursive: true });
    await requireNotNewer(cohortPaths("x"));
  });

  test("notes the version that had it in hand, which takes it again, and so does a later one", async () => {
    await noteVersion(cohortPaths("x"));
    expect(JSON.parse(await readFile(join(root(), "made-by.json"), "utf8"))).toEqual({ schemaVersion: 1, version: productVersion() });
    await requireNotNewer(cohortPaths("x"));
    await requireNotNewer(cohortPaths("x"), "999.0.0");
  });

  test("that a later version had in hand is refused with both versions and the way out", async () => {
    await expect(requireNotNewer(cohortPaths("x"), "0.0.9")).rejects.toMatchObject({
      code: "made-by-newer",
      exitCode: 2,
      message: expect.stringContaining(`brought up by gitops-lab ${productVersion()}, and this is 0.0.9`),
    });
  });

  test("whose note is damaged is taken", async () => {
    for (const text of ["", "{", "null", '{"schemaVersion":1,"version":"x"}']) {
      const file = join(root(), "made-by.json");
      for (const one of [file, copyOf(file)]) await writeFile(one, text);
      await requireNotNewer(cohortPaths("x"), "0.0.1");
    }
  });
});
