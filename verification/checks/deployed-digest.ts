import { LabError } from "../../shared/errors.ts";
import { unknownOrigins } from "../image-origins.ts";
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
    const unknown = await unknownOrigins(context, rollouts);
    const facts = { environments: rollouts };
    const others = before.map(({ environment, digest, problem }) => `; ${environment} runs ${digest ?? `nothing provable: ${problem}`}`);

    if (production.digest && production.digest === staging.digest && unknown.length === 0) {
      const observed = `${production.environment} and ${staging.environment} run ${production.digest}${others.join("")}`;
      return { status: "pass", basis, observed, facts };
    }
    const differ = production.digest === undefined || production.digest !== staging.digest;
    return {
      status: "fail",
      basis,
      expected: differ
        ? `${production.environment} and ${staging.environment} fully rolled out and running one digest`
        : "in each environment that is promoted to, only what the pipeline built and a promotion brought there",
      observed: [...(differ ? [staging, production].map(describe) : []), ...unknown].join("\n"),
      hint: differ
        ? "Look at `kubectl get pods -A -l app=backend`; a promotion retags the staging image and never builds it again."
        : "`git log --notes=pipeline` names what the pipeline built and carried out: go back to such an image with `git revert`, or promote one.",
      facts,
    };
  },
};

function describe({ environment, digest, problem }: Rollout): string {
  return problem ?? `${environment} runs ${digest}.`;
}
