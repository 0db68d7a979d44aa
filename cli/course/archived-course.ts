import type { ArchivedCourse } from "../../dashboard/archive-source.ts";
import { parseRuns } from "../../records/drills.ts";
import { parseRecords } from "../../records/exercises.ts";
import { parseAttempts } from "../../records/quiz.ts";
import { LabError } from "../../shared/errors.ts";
import { excerpt } from "../../shared/printable.ts";
import { EvidenceBundle } from "../../verification/bundle/schema.ts";
import { openArchive, resultsIn } from "./open-archive.ts";

/**
 * What an archive has of a course, to be shown. Throws LabError `archive-invalid` where it is not as it was written, and what
 * `openArchive` throws.
 */
export async function readArchivedCourse(file: string, fingerprint: string | undefined): Promise<ArchivedCourse> {
  const { files, problems, manifest, fingerprint: signer } = await openArchive(file, fingerprint);
  const results = resultsIn(files);
  if (problems.length > 0 || manifest === undefined || signer === undefined || results === undefined) {
    throw new LabError(
      "archive-invalid",
      `${file} is not shown, since it is not as it was archived: ${problems.join(" ")} \`./lab archive verify ${file}\` checks it.`,
    );
  }
  const { cohort, course, template } = results;
  const textOf = (name: string) => files.get(name)?.toString("utf8");
  const learners = results.learners.map(({ id, name }) => {
    const record = <T>(path: string, parse: (text: string, file: string) => T, none: T): T => {
      const text = textOf(`learners/${id}/records/${path}`);
      return text === undefined ? none : parse(text, `${path} of ${id} in ${file}`);
    };
    return {
      id,
      name,
      bundle: bundleIn(textOf(`learners/${id}/evidence/evidence.json`) ?? "", `the evidence of ${excerpt(id)} in ${file}`),
      exercises: record("exercises.json", parseRecords, {}),
      drills: record("drills.json", parseRuns, []),
      attempts: record("quiz.json", parseAttempts, []),
    };
  });
  return { cohort, course, template, archived: { createdAt: manifest.createdAt, fingerprint: signer }, learners };
}

/** Whoever signs an archive may sign what is no evidence. */
function bundleIn(text: string, name: string): EvidenceBundle {
  try {
    return EvidenceBundle.parse(JSON.parse(text));
  } catch (error) {
    throw new LabError(
      "archive-invalid",
      `The archive is not shown, since ${name} is not in the documented form. Name a file that \`./lab archive\` wrote.`,
      {
        cause: error,
      },
    );
  }
}
