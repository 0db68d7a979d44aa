import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import pLimit from "p-limit";
import { stringify } from "yaml";
import { evidenceKey } from "../course/evidence-key.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths, labHome } from "../../shared/paths.ts";
import { largestPersonFile } from "../../shared/person-file.ts";
import { readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";
import { readYaml } from "../../shared/yaml.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { collectEvidence } from "../../verification/bundle/collect.ts";
import type { EvidenceBundle } from "../../verification/bundle/schema.ts";
import { fingerprintOf, sealBundle } from "../../verification/bundle/seal.ts";
import { printable } from "../../shared/printable.ts";
import type { CheckReport } from "../../verification/types.ts";
import { observeAtRest, type LookedAtPromotion } from "../../verification/verify.ts";
import { cohortFileText } from "../cohort-file.ts";
import { packArchive, refuseCredentials, withoutSecrets } from "../course/archive.ts";
import { openArchive } from "../course/open-archive.ts";
import { readOutputs } from "../outputs.ts";
import { note, print, printJson } from "../terminal.ts";
import { learnerResult, resultsOf } from "./results.ts";

export interface ArchiveOptions {
  /** File for the archive; must not exist. */
  readonly out?: string | undefined;
  readonly json: boolean;
}

/** Writes what a cohort's learners have shown as one file. Returns the exit code: 3 where some evidence could not be looked at. */
export async function archive(name: string, { out, json }: ArchiveOptions): Promise<number> {
  const cohort = parseCohortName(name);
  const file = archiveFile(out ?? join("archives", archiveName(cohort)));
  const outputs = await readOutputs(cohort);
  const { fingerprint, unobserved } = await writeArchive(outputs, Object.values(outputs.learners), file);
  const path = relative("", file);
  if (json) printJson({ schemaVersion: 1, archive: path, fingerprint, unobserved });
  else {
    print(`archive      ${path}\nfingerprint  ${fingerprint}`);
    if (unobserved.length > 0)
      note(
        `The evidence of ${unobserved.join(", ")} could not be looked at as a whole; the archive says so. \`./lab status ${cohort}\` shows what does not run.`,
      );
    note(`Keep the fingerprint: \`./lab archive verify ${path} --fingerprint ${fingerprint}\``);
  }
  return unobserved.length > 0 ? ExitCode.unknown : ExitCode.ok;
}

/** `<cohort>[-<learner>]-<time>.tar.gz`, the time to the second. */
export function archiveName(...parts: string[]): string {
  return `${[...parts, new Date().toISOString().replace(/[-:]|\.\d+/g, "")].join("-")}.tar.gz`;
}

/** Where an archive goes. Throws LabError for a file that exists, and for one in the lab's folder, which goes with its last cohort. */
export function archiveFile(path: string): string {
  const file = resolve(path);
  if (existsSync(file))
    throw new LabError("archive-exists", `${path} exists and an archive is never overwritten. Name another file with \`--out\`.`, {
      exitCode: ExitCode.badInput,
    });
  if (`${file}/`.startsWith(`${labHome()}/`)) {
    throw new LabError(
      "archive-in-lab",
      `${path} is in the lab's folder ${labHome()}, which is removed with its last cohort. Name a file elsewhere with \`--out\`.`,
      { exitCode: ExitCode.badInput },
    );
  }
  return file;
}

export interface WrittenArchive {
  readonly fingerprint: string;
  /** Ids of the learners whose evidence could not be looked at in full. */
  readonly unobserved: readonly string[];
}

/**
 * Gathers evidence and records of these learners and writes them as one file, whole or not at all. Changes nothing else.
 *
 * @param patience seconds to wait for a lab that has just been started until its evidence can be looked at
 */
export async function writeArchive(
  outputs: CohortOutputs,
  learners: readonly LearnerOutputs[],
  file: string,
  patience = 0,
): Promise<WrittenArchive> {
  const key = await evidenceKey();
  const atOnce = pLimit(4);
  const gathered = await Promise.all(
    learners.map((learner) =>
      atOnce(async () => {
        const bundle = await evidenceOf(outputs, learner, patience);
        return {
          learner,
          bundle,
          result: await learnerResult(outputs, learner, {
            reports: bundle.items as readonly CheckReport[],
            promotion: bundle.promotion as LookedAtPromotion,
          }),
          records: await recordsOf(outputs.cohort, learner.id),
        };
      }),
    ),
  );
  const results = resultsOf(
    outputs,
    gathered.map(({ result }) => result),
  );
  const text = await cohortFileText(outputs.cohort);
  const cohortFile = text === undefined ? undefined : readYaml(text, largestPersonFile);
  if (cohortFile !== undefined && "problem" in cohortFile)
    note(`The cohort file is not in the archive: stacks/Pulumi.${outputs.cohort}.yaml ${cohortFile.problem}.`);
  const files = new Map<string, Buffer>([
    ["results.json", Buffer.from(`${JSON.stringify(results, null, 2)}\n`)],
    ...(cohortFile !== undefined && "content" in cohortFile
      ? [["cohort.yaml", Buffer.from(stringify(withoutSecrets(cohortFile.content)))] as const]
      : []),
    ...gathered.flatMap(({ learner: { id }, bundle, records }) => [
      ...[...sealBundle(bundle, key)].map(([name, content]) => [`learners/${id}/evidence/${name}`, content] as const),
      ...records.map(([name, content]) => [`learners/${id}/records/${name}`, content] as const),
    ]),
  ]);
  refuseCredentials(files, Object.values(outputs.learners));
  const content = await packArchive(outputs.cohort, files, key);
  await writePrivateFile(file, content).catch((error: unknown) => {
    throw new LabError(
      "archive-unwritable",
      `The archive ${file} can't be written: ${messageOf(error)}. Name a place of yours with \`--out\`.`,
      { cause: error },
    );
  });
  return {
    fingerprint: fingerprintOf(key),
    unobserved: gathered.flatMap(({ learner, bundle }) => (isObserved(bundle) ? [] : [learner.id])),
  };
}

function isObserved({ items }: EvidenceBundle): boolean {
  return items.length > 0 && items.every(({ result }) => result.status !== "error");
}

async function evidenceOf(outputs: CohortOutputs, learner: LearnerOutputs, patience: number): Promise<EvidenceBundle> {
  const { evidence, environments } = labTemplate(outputs.template);
  const look = () =>
    observeAtRest(
      learner,
      environments,
      (context) => collectEvidence(outputs, evidence, context),
      ({ verdict }) => verdict,
      { timeoutSeconds: 60 },
    );
  let bundle = await look();
  if (isObserved(bundle) || patience === 0) return bundle;
  await waitUntil(
    async () =>
      isObserved((bundle = await look())) ? { done: true, value: undefined } : { done: false, because: "some could not be looked at." },
    {
      what: `the evidence of learner ${learner.id}`,
      timeoutSeconds: patience,
      intervalMs: 1000,
      remedy: "",
    },
  ).catch((error: unknown) => {
    if (!(error instanceof LabError)) throw error;
  });
  return bundle;
}

/** What the commands keep of a learner, file by file. */
async function recordsOf(cohort: string, learner: string): Promise<(readonly [name: string, content: Buffer])[]> {
  const { root } = cohortPaths(cohort).learner(learner);
  const kept = {
    "exercises.json": join("exercises", "records.json"),
    "drills.json": join("drills", "runs.json"),
    "quiz.json": join("quiz", "attempts.json"),
  };
  const found = await Promise.all(Object.entries(kept).map(async ([name, path]) => [name, await readIfExists(join(root, path))] as const));
  return found.flatMap(([name, text]) => (text === undefined ? [] : [[name, Buffer.from(text)] as const]));
}

/** Checks an archive offline: 0 valid, 1 not, 2 when there is none or the fingerprint is no fingerprint. */
export async function verifyArchive(
  file: string,
  { fingerprint: wanted, json }: { readonly fingerprint?: string | undefined; readonly json: boolean },
): Promise<number> {
  const { problems, manifest, fingerprint } = await openArchive(file, wanted);
  const valid = problems.length === 0;
  if (json)
    printJson({
      schemaVersion: 1,
      valid,
      problems,
      fingerprint,
      cohort: valid ? manifest?.cohort : undefined,
      createdAt: valid ? manifest?.createdAt : undefined,
    });
  else if (valid) {
    print(`valid: cohort ${printable(manifest!.cohort)}, ${manifest!.createdAt}, ${Object.keys(manifest!.files).length} files`);
    if (wanted === undefined)
      note(`Who signed it was not checked: compare ${fingerprint} with the fingerprint that was printed when it was made.`);
  } else print(["not valid:", ...problems.map((problem) => `  ${printable(problem)}`)].join("\n"));
  return valid ? ExitCode.ok : ExitCode.failed;
}
