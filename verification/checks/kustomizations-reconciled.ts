import { fluxNamespace } from "../../shared/names.ts";
import { factOf, getLive, GitRepository, Kustomization, listLive, nameOf } from "../live-objects.ts";
import { notReady, requiredKustomizations } from "../readiness.ts";
import type { EvidenceCheck } from "../types.ts";

/**
 * Every Kustomization is Ready at the commit at the tip of the branch. The basis is live also on simulated nodes: what
 * is proved is that Flux applied the commit; `deployed-digest` answers for the pods.
 */
export const kustomizationsReconciled: EvidenceCheck = {
  id: "reconcile-success",
  title: "Flux reconcile success",
  command: `flux get kustomizations -n ${fluxNamespace}`,

  async run({ kube, git, learner, environments }) {
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
      return { status: "pass", basis: "live", observed: `all ${kustomizations.length} Kustomizations Ready at ${revision}`, facts };
    }
    return {
      status: "fail",
      basis: "live",
      expected: `every Kustomization in ${fluxNamespace} Ready, not suspended, at ${revision}`,
      observed: problems.join("\n"),
      hint:
        `Right after a push, wait for Flux or run \`flux reconcile source git ${fluxNamespace}\`; ` +
        `else look at \`flux events -n ${fluxNamespace}\`.`,
      facts,
    };
  },
};
