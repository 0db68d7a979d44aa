import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { collectEvidence, type CohortFacts } from "../../verification/bundle/collect.ts";
import type { EvidenceBundle } from "../../verification/bundle/schema.ts";
import type { CheckContext } from "../../verification/types.ts";
import { LabState } from "./lab-state.ts";

const cohort: CohortFacts = {
  cohort: "demo",
  course: "sre",
  template: "gitops-promotion",
  kubernetesPlugin: { implementation: "fallback", version: "4.34.2" },
  simulated: ["Pods are simulated."],
};

/** The evidence of a healthy lab, bent. */
export async function collect(bend: (lab: LabState) => void = () => {}, context?: Partial<CheckContext>): Promise<EvidenceBundle> {
  const lab = new LabState();
  bend(lab);
  return collectEvidence(cohort, gitopsPromotion.evidence, lab.context(context));
}
