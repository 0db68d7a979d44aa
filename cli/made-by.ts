import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { readState, writeState } from "../shared/state-file.ts";
import { productVersion } from "../shared/version.ts";

/*
 * The version that brought a cohort up last. A later one reads what an earlier has kept, never the other way round: it would
 * leave out what it does not know, and write the rest back.
 */
const MadeBy = z.object({ schemaVersion: z.literal(1), version: z.string().regex(/^\d+\.\d+\.\d+(-[\w.]+)?$/) });

const fileOf = (paths: CohortPaths) => join(paths.root, "made-by.json");

/** Throws LabError `made-by-newer` (exit code 2) if a later version has worked on the cohort; nothing is changed then. */
export async function requireNotNewer(paths: CohortPaths, version: string = productVersion()): Promise<void> {
  // Versions before 0.2.0 wrote none, and what is damaged tells nothing.
  const made = await readState(fileOf(paths), MadeBy, { orElse: undefined });
  if (made === undefined || !isNewer(made.version, version)) return;
  throw new LabError(
    "made-by-newer",
    `Cohort ${paths.cohort} was brought up by gitops-lab ${made.version}, and this is ${version}, which can't read the records of a later version. Nothing was changed. Use version ${made.version} or later; \`./lab down ${paths.cohort}\` removes the cohort with this one, too.`,
    { exitCode: ExitCode.badInput },
  );
}

/** Notes that this version works on the cohort, if something of the cohort is on this machine. */
export async function noteVersion(paths: CohortPaths): Promise<void> {
  if (!existsSync(paths.root)) return;
  await writeState(fileOf(paths), JSON.stringify({ schemaVersion: 1, version: productVersion() } satisfies z.input<typeof MadeBy>));
}

/** Compares numbers; the part behind a hyphen says nothing about the layout. */
export function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((version) => version.replace(/-.*$/, "").split(".").map(Number));
  const [at] = [0, 1, 2].filter((place) => a![place] !== b![place]);
  return at !== undefined && a![at]! > b![at]!;
}
