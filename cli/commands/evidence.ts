import type { KeyObject } from "node:crypto";
import { join, relative, resolve } from "node:path";
import { evidenceKey } from "../course/evidence-key.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { checkBundle } from "../../verification/bundle/check-bundle.ts";
import { collectEvidence } from "../../verification/bundle/collect.ts";
import type { EvidenceBundle } from "../../verification/bundle/schema.ts";
import { fingerprintOf, sealBundle, writeBundle } from "../../verification/bundle/seal.ts";
import { printable } from "../../shared/printable.ts";
import { observeAtRest } from "../../verification/verify.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note, print, printJson } from "../terminal.ts";
import { exitCodeOf } from "../checklist.ts";

export interface EvidenceOptions {
  readonly cohort: string;
  /** Folder for the bundle; must not exist. */
  readonly out?: string | undefined;
  readonly json: boolean;
}

/** Proves a learner's evidence and writes it as a signed bundle. Returns the exit code of the verdict. */
export async function createEvidence(learner: string, options: EvidenceOptions): Promise<number> {
  return writeEvidence(await readOutputs(parseCohortName(options.cohort)), learner, options);
}

export async function writeEvidence(outputs: CohortOutputs, id: string, options: Omit<EvidenceOptions, "cohort">): Promise<number> {
  const learner = selectLearner(outputs, id);
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const folder = resolve(options.out ?? join("evidence", `${outputs.cohort}-${id}-${time}`));
  const { verdict, promotion, key } = await bundleInto(outputs, learner, folder);
  const [path, fingerprint] = [relative("", folder), fingerprintOf(key)];
  if (options.json) printJson({ schemaVersion: 1, bundle: path, verdict, promotion, fingerprint });
  else {
    print(`bundle       ${path}\nverdict      ${verdict}\npromotion    ${promotionWords(promotion)}\nfingerprint  ${fingerprint}`);
    note(`Keep the fingerprint: \`./lab evidence verify ${path} --fingerprint ${fingerprint}\``);
  }
  return exitCodeOf([verdict]);
}

/** Proves a learner's evidence and writes it as a signed bundle into a new folder. */
export async function bundleInto(
  outputs: CohortOutputs,
  learner: LearnerOutputs,
  folder: string,
): Promise<Pick<EvidenceBundle, "verdict" | "promotion"> & { readonly key: KeyObject }> {
  const template = labTemplate(outputs.template);
  const bundle = await observeAtRest(
    learner,
    template.environments,
    (context) => collectEvidence(outputs, template.evidence, context),
    ({ verdict }) => verdict,
    // More to look at than `verify` has: the whole history, one commit after the other.
    { timeoutSeconds: 60 },
  );
  const key = await evidenceKey();
  await writeBundle(folder, sealBundle(bundle, key));
  return { verdict: bundle.verdict, promotion: bundle.promotion, key };
}

/** Checks a bundle offline: 0 valid, 1 not, 2 when there is none or the fingerprint is no fingerprint. */
export async function verifyEvidence(
  folder: string,
  options: { readonly fingerprint?: string | undefined; readonly json: boolean },
): Promise<number> {
  if (options.fingerprint !== undefined && !/^sha256:[0-9a-f]{64}$/.test(options.fingerprint)) {
    throw new LabError(
      "fingerprint-invalid",
      "`--fingerprint` must be sha256: and 64 hexadecimal digits, as `./lab evidence <learner>` printed it.",
      {
        exitCode: ExitCode.badInput,
      },
    );
  }
  const { valid, problems, fingerprint, bundle } = await checkBundle(folder, options);
  if (options.json)
    printJson({
      schemaVersion: 1,
      valid,
      problems,
      fingerprint,
      learner: bundle?.learner,
      verdict: bundle?.verdict,
      promotion: bundle?.promotion,
    });
  else if (bundle) {
    const { cohort, learner, createdAt, verdict, promotion } = bundle;
    print(`valid: ${printable(learner.name)} (${printable(learner.id)}) in ${printable(cohort)}, ${createdAt}, verdict ${verdict}`);
    if (promotion !== undefined) print(`then: ${promotionWords(promotion)}`);
    if (options.fingerprint === undefined)
      note(`Who signed it was not checked: compare ${fingerprint} with the fingerprint that was printed when it was made.`);
  } else {
    print(["not valid:", ...problems.map((problem) => `  ${printable(problem)}`)].join("\n"));
  }
  return valid ? ExitCode.ok : ExitCode.failed;
}

function promotionWords(promotion: EvidenceBundle["promotion"]): string {
  if (promotion === undefined) return "not told";
  return printable(promotion.status === "observed" ? promotion.value.says : promotion.reason);
}
