import { ExitCode, LabError } from "../shared/errors.ts";

const gib = 1024 ** 3;

/**
 * Sources, compiled packages and programs of all tools take about 12 GiB, those of one up to 3 GiB; asked before each
 * build. Throws LabError `disk-full`.
 */
export function requireSpace(freeBytes: number, folder: string): void {
  if (freeBytes >= 5 * gib) return;
  throw new LabError(
    "disk-full",
    `Building a tool from source needs 5 GiB of free disk (all together up to 12 GiB), and ${folder} has ${(freeBytes / gib).toFixed(1)} GiB. Make room, then run ./lab setup`,
    { exitCode: ExitCode.badInput },
  );
}
