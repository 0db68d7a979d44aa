import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { readPersonBytes } from "../../shared/person-file.ts";
import { printable } from "../../shared/printable.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { checkBundle } from "../../verification/bundle/check-bundle.ts";
import { partNames } from "../../verification/bundle/schema.ts";
import { manifestName as bundleManifestName, signatureName } from "../../verification/bundle/seal.ts";
import { checkArchive, type ArchiveCheck, unpackArchive } from "./archive.ts";
import { CohortResults } from "./results.ts";

/** Of a course of five hundred learners with all their evidence it is a tenth. */
const largestArchive = 512 * 1024 * 1024;

export interface OpenedArchive extends ArchiveCheck {
  /** By name; to be trusted where there are no problems. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/**
 * Reads an archive and checks all of it, with every bundle in it. Throws LabError (exit code 2) where there is none to read,
 * or the fingerprint that it must be signed by is no fingerprint.
 */
export async function openArchive(file: string, wanted: string | undefined): Promise<OpenedArchive> {
  if (wanted !== undefined && !/^sha256:[0-9a-f]{64}$/.test(wanted)) {
    throw new LabError(
      "fingerprint-invalid",
      "`--fingerprint` must be sha256: and 64 hexadecimal digits, as `./lab archive <cohort>` printed it.",
      { exitCode: ExitCode.badInput },
    );
  }
  const content = readPersonBytes(file, largestArchive);
  if ("problem" in content)
    throw new LabError("archive-unreadable", `${printable(file)} ${content.problem}. Name a file that \`./lab archive\` wrote.`, {
      exitCode: ExitCode.badInput,
    });
  const files = await unpackArchive(content.bytes, file);
  const { problems: ofArchive, manifest, fingerprint } = checkArchive(files);
  const problems = [...ofArchive];
  if (fingerprint !== undefined && wanted !== undefined && fingerprint !== wanted)
    problems.push(`The archive is signed by the key ${fingerprint}, not by ${wanted}.`);
  if (fingerprint !== undefined && problems.length === 0) problems.push(...(await problemsOfContent(files, fingerprint)));
  return { files, problems, manifest, fingerprint };
}

/** Whether the results are in the documented form and every learner in them has a valid bundle by the same key. */
async function problemsOfContent(files: ReadonlyMap<string, Buffer>, fingerprint: string): Promise<string[]> {
  const results = resultsIn(files);
  if (results === undefined) return ["results.json is not in the documented form."];
  const folder = await makeScratchFolder("archive");
  try {
    const checks = results.learners.map(async ({ id }, index) => {
      // A folder of our own naming: an id from a file may be any path.
      const bundle = join(folder, String(index));
      for (const name of [...partNames, bundleManifestName, signatureName]) {
        const content = files.get(`learners/${id}/evidence/${name}`);
        if (content !== undefined) await writePrivateFile(join(bundle, name), content);
      }
      if (!existsSync(bundle)) return [`The evidence of ${id} is missing.`];
      return (await checkBundle(bundle, { fingerprint })).problems.map((problem) => `Evidence of ${id}: ${problem}`);
    });
    return (await Promise.all(checks)).flat();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The results that an archive has; undefined where they are not in the documented form. */
export function resultsIn(files: ReadonlyMap<string, Buffer>): CohortResults | undefined {
  try {
    return CohortResults.parse(JSON.parse(files.get("results.json")?.toString("utf8") ?? ""));
  } catch {
    return undefined;
  }
}
