import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { creationTime, noteCreation, requireLayout } from "../../ledger/creation.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const at = "2026-11-24T10:00:00.000Z";

test("the first note of when a cohort was made stays, and can be taken over by this version", async () => {
  await noteCreation(cohortPaths("new"), undefined, new Date(at));
  await noteCreation(cohortPaths("new"));
  expect(await creationTime(cohortPaths("new"))).toEqual(new Date(at));
  await requireLayout(cohortPaths("new"));
  await requireLayout(cohortPaths("none"));
});

test.each([
  ["an earlier", {}],
  ["a later", { layout: 1000 }],
])(
  "a cohort that %s version made is refused by up with what helps, before anything is touched",
  { timeout: 60_000 },
  async (which, layout) => {
    // A cohort that has a file.
    await writePrivateFile(join(cohortPaths("demo").root, "created", "_cohort.json"), JSON.stringify({ schemaVersion: 1, at, ...layout }));
    const { exitCode, stderr } = await run(fileURLToPath(new URL("../../lab", import.meta.url)), ["up", "demo"], {
      reject: false,
      stdin: "ignore",
    });
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(
        new RegExp(`Cohort demo was made by ${which} version .*Nothing was changed.*\`\\./lab down demo\` and \`\\./lab up demo\``),
      ),
    ]);
    expect(existsSync(join(home(), "inventory"))).toBe(false);
  },
);
