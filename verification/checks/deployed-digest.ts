import { LabError } from "../../shared/errors.ts";
import type { Environment } from "../../shared/names.ts";
import { desiredImage } from "../desired-image.ts";
import { unknownOrigins } from "../image-origins.ts";
import { basisOf, lookAtRollout, type Rollout } from "../rollout.ts";
import { standingOf } from "../standing.ts";
import type { CheckContext, EvidenceCheck } from "../types.ts";

/**
 * Production runs the image that the branch asks for, which is the very one that staging runs; or, where the branch itself asks for two images (staging has gone on, or
 * production back), what was promoted is what staging had. The environments before are reported.
 */
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

    const { asked } = await standingOf(context, production.environment);
    const isAsked = asked?.digest === undefined || production.digest === asked.digest;
    const isSame = isAsked && production.digest !== undefined && production.digest === staging.digest;
    const why = isSame ? undefined : await byTheBranch(context, production, staging);
    if ((isSame || why !== undefined) && unknown.length === 0) {
      const observed = isSame ? `${production.environment} and ${staging.environment} run ${production.digest}` : why;
      return { status: "pass", basis, observed: `${observed}${others.join("")}`, facts };
    }
    const differ = !isSame && why === undefined;
    return {
      status: "fail",
      basis,
      expected: differ
        ? `${production.environment} and ${staging.environment} fully rolled out and running one digest, or what the branch asks for in each`
        : "in each environment that is promoted to, only what the pipeline built and a promotion brought there",
      observed: [
        ...(differ ? [staging, production].map(describe) : []),
        ...(isAsked || production.digest === undefined
          ? []
          : [`${context.learner.git.branch} asks for ${asked.digest} in ${production.environment}.`]),
        ...unknown,
      ].join("\n"),
      hint: differ
        ? "Look at `kubectl get pods -A -l app=backend`; a promotion retags the staging image and never builds it again."
        : "`git log --notes=pipeline` names what the pipeline built and carried out: go back to such an image with `git revert`, or promote one.",
      facts,
    };
  },
};

/** Why the two may run different images, as a sentence; undefined where they may not. */
async function byTheBranch(context: CheckContext, production: Rollout, staging: Rollout): Promise<string | undefined> {
  const { git, learner } = context;
  const { repository } = learner.registry;
  const { head, asked, kind, latest, promotion } = await standingOf(context, production.environment);
  if (kind === "unknown" || asked?.digest === undefined || production.digest !== asked.digest) return undefined;
  const ahead = await desiredImage(git, head, staging.environment, repository);
  if (ahead?.digest === undefined || ahead.digest === asked.digest) return undefined;
  const promoted = promotion?.to.digest ?? asked.digest;
  if (!(await had(context, staging.environment, promoted))) return undefined;
  const runs = `${production.environment} runs ${production.digest}`;
  const now = `${staging.environment} ${staging.digest === undefined ? `is not well: ${staging.problem}` : `runs ${staging.digest}`}`;
  return kind === "rolled-back"
    ? `${runs}, to which ${latest?.commit.slice(0, 7)} took it back from ${promoted}, which ${staging.environment} had; ${now}`
    : `${runs}, which ${staging.environment} had; the branch has taken ${staging.environment} elsewhere, and ${now}`;
}

/** Whether the branch ever gave an environment a digest. */
async function had(context: CheckContext, environment: Environment, digest: string): Promise<boolean> {
  const { git, learner } = context;
  const { repository } = learner.registry;
  const { changes } = await standingOf(context, environment);
  if (changes.some(({ from, to }) => from.digest === digest || to.digest === digest)) return true;
  return (await desiredImage(git, learner.git.seedCommit, environment, repository))?.digest === digest;
}

function describe({ environment, digest, problem }: Rollout): string {
  return problem ?? `${environment} runs ${digest}.`;
}
