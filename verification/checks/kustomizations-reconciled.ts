import { setTimeout as delay } from "node:timers/promises";
import { fluxNamespace } from "../../shared/names.ts";
import { factOf, getLive, GitRepository, Kustomization, listLive, nameOf } from "../live-objects.ts";
import { isInProgress, notReady, requiredKustomizations } from "../readiness.ts";
import type { CheckContext, CheckResult, EvidenceCheck } from "../types.ts";

/**
 * How long a reconcile that has begun is waited for. kustomize-controller takes Ready away at the beginning of every
 * reconcile, also of one that finds nothing to do, and gives it back within a second or two; one that waits for a rollout
 * in vain takes minutes.
 */
const patienceMs = 5000;

/**
 * Every Kustomization is Ready at the commit at the tip of the branch. The basis is live also on simulated nodes: what
 * is proved is that Flux applied the commit; `deployed-digest` answers for the pods.
 */
export const kustomizationsReconciled: EvidenceCheck = {
  id: "reconcile-success",
  title: "Flux reconcile success",
  command: `flux get kustomizations -n ${fluxNamespace}`,

  async run(context) {
    const until = Date.now() + patienceMs;
    for (;;) {
      const { result, inProgress } = await look(context);
      if (!inProgress || Date.now() >= until) return result;
      await delay(250, undefined, { signal: context.signal });
    }
  },
};

async function look({ kube, git, learner, environments }: CheckContext): Promise<{ result: CheckResult; inProgress: boolean }> {
  const [head, source, kustomizations] = await Promise.all([
    git.head(),
    getLive(kube, GitRepository, fluxNamespace, fluxNamespace),
    listLive(kube, Kustomization, fluxNamespace),
  ]);
  const revision = `${learner.git.branch}@sha1:${head}`;
  const present = new Set(kustomizations.map(({ metadata }) => metadata.name));
  const missing = requiredKustomizations(environments).filter((name) => !present.has(name));

  const seen = [
    ...(source ? [{ object: source, at: source.status.artifact?.revision }] : []),
    ...kustomizations.map((object) => ({ object, at: object.status.lastAppliedRevision })),
  ];
  const problems = [
    ...(source ? [] : [`GitRepository ${fluxNamespace}/${fluxNamespace} does not exist.`]),
    ...missing.map((name) => `Kustomization ${fluxNamespace}/${name} does not exist.`),
    ...seen.flatMap(({ object, at }) => {
      const behind = at === revision ? [] : `${nameOf(object)} is at ${at ?? "no revision"}.`;
      return notReady(object) ?? behind;
    }),
  ];
  const facts = { head, objects: seen.map(({ object }) => factOf(object)) };
  if (problems.length === 0) {
    const observed = `all ${kustomizations.length} Kustomizations Ready at ${revision}`;
    return { result: { status: "pass", basis: "live", observed, facts }, inProgress: false };
  }
  const result: CheckResult = {
    status: "fail",
    basis: "live",
    expected: `every Kustomization in ${fluxNamespace} Ready, not suspended, at ${revision}`,
    observed: problems.join("\n"),
    hint:
      `Right after a push, wait for Flux or run \`flux reconcile source git ${fluxNamespace}\`; ` +
      `else look at \`flux events -n ${fluxNamespace}\`.`,
    facts,
  };
  return { result, inProgress: kustomizations.some(isInProgress) };
}
