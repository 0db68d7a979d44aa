import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { packArchive } from "../../cli/course/archive.ts";
import { CohortResults, promotionResult, sumUp } from "../../cli/course/results.ts";
import type { EvidenceBundle } from "../../verification/bundle/schema.ts";
import type { LookedAtPromotion } from "../../verification/verify.ts";
import { sealBundle } from "../../verification/bundle/seal.ts";
import { factsOf } from "./dashboard-cohort.ts";
import { collect } from "./evidence-bundle.ts";

/** Writes the archive of a course whose learners are in the states of `factsOf`. */
export async function writeArchivedCourse(file: string, cohort: string, learners: number): Promise<void> {
  const { privateKey } = generateKeyPairSync("ed25519");
  const made = await collect();
  const all = Array.from({ length: learners }, (_, index) => factsOf(index));
  const results: CohortResults = {
    schemaVersion: 2,
    cohort,
    course: "GitOps promotion, spring",
    template: "gitops-promotion",
    takenAt: made.createdAt,
    learners: all.map(({ id, name, exercises, drills, attempts }) => ({
      id,
      name,
      email: `${id}@example.org`,
      evidence: {
        verdict: made.verdict,
        promotion: promotionResult(made.promotion as LookedAtPromotion),
        items: made.items.map((item) => ({ id: item.id, title: item.title, status: item.result.status, observedAt: item.observedAt })),
      },
      ...sumUp(Object.keys(exercises), { exercises, drills, quiz: attempts }),
    })),
  };
  const files = new Map<string, Buffer>([["results.json", Buffer.from(JSON.stringify(CohortResults.parse(results)))]]);
  for (const { id, name, branch, exercises, attempts } of all) {
    const gitChain: EvidenceBundle["gitChain"] = {
      status: "observed",
      basis: "live",
      value: { branch: "main", commits: [...branch!.commits], truncated: false },
    };
    const bundle: EvidenceBundle = { ...made, cohort, learner: { id, name, email: `${id}@example.org` }, gitChain };
    for (const [part, content] of sealBundle(bundle, privateKey)) files.set(`learners/${id}/evidence/${part}`, content);
    const records = { "exercises.json": { schemaVersion: 1, exercises }, "quiz.json": { schemaVersion: 1, attempts } };
    for (const [part, content] of Object.entries(records))
      files.set(`learners/${id}/records/${part}`, Buffer.from(JSON.stringify(content)));
  }
  await writeFile(file, await packArchive(cohort, files, privateKey));
}
