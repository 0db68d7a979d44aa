import { z } from "zod";
import { fluxNamespace, type Environment } from "../../shared/names.ts";
import { isolationSentence } from "../../shared/isolation.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { backendDeployment, backendName, noBackend } from "../backend-deployment.ts";
import { rollbackCommit } from "../checks/rollback-commit.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import { getLive, ImagePolicy, Kustomization, listLive } from "../live-objects.ts";
import { lookAtPromotion } from "../promotion-state.ts";
import { basisOf, lookAtRollout } from "../rollout.ts";
import type { Basis, CheckContext, CheckReport, EvidenceCheck } from "../types.ts";
import { verdict } from "../verdict.ts";
import { notObserved, runChecks } from "../verify.ts";
import { gitChain } from "./git-chain.ts";
import { promotedBy } from "./promoted.ts";
import { EvidenceBundle, type Observed } from "./schema.ts";

const commitLimit = 200;

/** What a bundle says of the cohort that the learner is in. */
export type CohortFacts = Pick<CohortOutputs, "cohort" | "course" | "template" | "kubernetesPlugin" | "simulated">;

/**
 * Runs the checks on a learner's lab and gathers what they rest on. What could not be observed is an `error` with its
 * reason and nothing is left out, so this never throws for it. No credential gets in.
 */
export async function collectEvidence(
  cohort: CohortFacts,
  evidence: readonly EvidenceCheck[],
  context: CheckContext,
): Promise<EvidenceBundle> {
  const { git, kube, learner, environments, signal } = context;
  const { id, name, email, cluster, registry } = learner;
  const [items, promotion, chain, reconciles, perEnvironment] = await Promise.all([
    runChecks(evidence, context),
    observe(signal, "live", async () => ({ value: await lookAtPromotion(context) })),
    observe(signal, "live", async () => ({
      value: { branch: learner.git.branch, ...(await gitChain(git, commitLimit, environments, registry.repository)) },
    })),
    observe(signal, "live", async () => {
      const kustomizations = await listLive(kube, Kustomization, fluxNamespace);
      const value = kustomizations.flatMap(({ metadata, status }) =>
        status.history.map(({ lastReconciledStatus, metadata: { revision }, ...times }) => ({
          kustomization: metadata.name,
          revision,
          status: lastReconciledStatus,
          ...times,
        })),
      );
      return value.length > 0 ? { value } : { absent: "The Kustomizations keep no history." };
    }),
    Promise.all(environments.map((environment) => environmentEvidence(context, environment))),
  ]);
  const bundle = {
    schemaVersion: 3,
    cohort: cohort.cohort,
    course: cohort.course,
    template: cohort.template,
    learner: { id, name, email },
    createdAt: new Date().toISOString(),
    lab: { kubernetesPlugin: cohort.kubernetesPlugin, nodes: cluster.nodes, simulated: cohort.simulated, isolation: isolationIn(learner) },
    verdict: verdict(items),
    items,
    promotion,
    environments: perEnvironment,
    gitChain: chain,
    reconciles,
    rollback: rollbackOf(items),
  };
  // Through JSON, so that what is checked is what will be read: a check's facts are of any type.
  return EvidenceBundle.parse(JSON.parse(JSON.stringify(bundle)));
}

function isolationIn(learner: CheckContext["learner"]): EvidenceBundle["lab"]["isolation"] {
  return { kind: learner.isolation, says: isolationSentence(learner) };
}

async function environmentEvidence(context: CheckContext, environment: Environment) {
  const { git, kube, learner, signal } = context;
  const { repository } = learner.registry;
  let looked: ReturnType<typeof backendDeployment> | undefined;
  const deployed = () => (looked ??= backendDeployment(kube, environment, repository));
  const [inGit, policy, deployment, runningDigest, promoted] = await Promise.all([
    observe(signal, "live", async () => {
      const value = await desiredImage(git, await git.head(), environment, repository);
      return value ? { value } : { absent: `${overlayPath(environment)} names no image of ${repository}.` };
    }),
    observe(signal, "live", async () => {
      const latest = (await getLive(kube, ImagePolicy, environment, backendName))?.status.latestRef;
      if (!latest) return { absent: `ImagePolicy ${environment}/${backendName} does not exist or has selected no image.` };
      return { value: { repository: latest.name, tag: latest.tag, digest: latest.digest } };
    }),
    observe(signal, "live", async () => {
      const value = (await deployed())?.image;
      return value ? { value } : { absent: noBackend(environment, repository) };
    }),
    observeRunning(context, environment),
    observe(signal, "live", async () => {
      const found = await deployed();
      if (!found) return { absent: noBackend(environment, repository) };
      const value = promotedBy(found);
      if (value) return { value };
      throw new Error(`no manager of Deployment ${environment}/${backendName} owns its image`);
    }),
  ]);
  return { name: environment, git: inGit, policy, deployment, runningDigest, promoted };
}

/** The digest that the pods run; their nodes tell whether that is simulated. */
async function observeRunning(context: CheckContext, environment: Environment): Promise<Observed<string>> {
  try {
    const rollout = await lookAtRollout(context, environment);
    const basis = await basisOf(context, [rollout]);
    if (rollout.digest) return { status: "observed", basis, value: rollout.digest };
    return { status: "absent", basis, reason: rollout.problem ?? "Nothing runs." };
  } catch (error) {
    return notObserved(error, context.signal);
  }
}

async function observe<T>(
  signal: AbortSignal,
  basis: Basis,
  look: () => Promise<{ readonly value: T } | { readonly absent: string }>,
): Promise<Observed<T>> {
  try {
    signal.throwIfAborted();
    const seen = await look();
    return "value" in seen ? { status: "observed", basis, value: seen.value } : { status: "absent", basis, reason: seen.absent };
  } catch (error) {
    return notObserved(error, signal);
  }
}

const Image = z.object({ repository: z.string(), tag: z.string().optional(), digest: z.string().optional() });
const RollbackFacts = z.object({ change: z.object({ commit: z.object({ id: z.string() }), from: Image, to: Image }) });

/** What the rollback check has proved. */
function rollbackOf(items: readonly CheckReport[]): Observed<unknown> {
  const result = items.find(({ id }) => id === rollbackCommit.id)?.result;
  if (!result) return { status: "error", reason: "this lab has no rollback check" };
  if (result.status === "error") return result;
  if (result.status === "fail") return { status: "absent", basis: result.basis, reason: result.observed };
  const { commit, from, to } = RollbackFacts.parse(result.facts).change;
  return { status: "observed", basis: result.basis, value: { commit: commit.id, from: to, to: from } };
}
