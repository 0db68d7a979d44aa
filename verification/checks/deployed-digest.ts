import { LabError } from "../../shared/errors.ts";
import { basisOf, lookAtRollout, type Rollout } from "../rollout.ts";
import type { EvidenceCheck } from "../types.ts";

/** Production runs the very image that staging runs; the environments before are reported. */
export const deployedDigest: EvidenceCheck = {
  id: "deployed-digest",
  title: "Deployed digest",
  command:
    "kubectl get pods -A -l app=backend -o custom-columns=NAMESPACE:.metadata.namespace,IMAGE_ID:.status.containerStatuses[0].imageID",

  async run(context) {
    const rollouts = await Promise.all(context.environments.map((environment) => lookAtRollout(context, environment)));
    const [production, staging, ...before] = rollouts.toReversed();
    if (!production || !staging) {
      throw new LabError("one-environment", "A promotion needs two environments to compare. Look at the lab template.");
    }
    const basis = await basisOf(context, rollouts);
    const facts = { environments: rollouts };
    const others = before.map(({ environment, digest, problem }) => `; ${environment} runs ${digest ?? `nothing provable: ${problem}`}`);

    if (production.digest && production.digest === staging.digest) {
      const observed = `${production.environment} and ${staging.environment} run ${production.digest}${others.join("")}`;
      return { status: "pass", basis, observed, facts };
    }
    return {
      status: "fail",
      basis,
      expected: `${production.environment} and ${staging.environment} fully rolled out and running one digest`,
      observed: [staging, production].map(describe).join("\n"),
      hint: "Look at `kubectl get pods -A -l app=backend`; a promotion retags the staging image and never builds it again.",
      facts,
    };
  },
};

function describe({ environment, digest, problem }: Rollout): string {
  return problem ?? `${environment} runs ${digest}.`;
}
