import type { Environment } from "../shared/names.ts";
import { messageOf } from "../shared/errors.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { gitReader } from "./git-reader.ts";
import { kubeReader } from "./kube-reader.ts";
import { registryReader } from "./registry-reader.ts";
import type { CheckContext, CheckReport, CheckResult, EvidenceCheck } from "./types.ts";

export interface VerifyOptions {
  /** Which cluster credential to look with, as kubeconfig YAML. Default: the instructor's. */
  readonly kubeconfig?: string;
  /** After so many seconds a check that has not answered is an error. Default 15. */
  readonly timeoutSeconds?: number;
}

/** Proves a learner's evidence from live state, every item at once. Never throws for what it could not look at. */
export async function verifyLearner(
  learner: LearnerOutputs,
  evidence: readonly EvidenceCheck[],
  environments: readonly Environment[],
  options: VerifyOptions = {},
): Promise<CheckReport[]> {
  return observe(learner, environments, (context) => runChecks(evidence, context), options);
}

/** Lets a function look at a learner's lab; the readers stop at the deadline and are closed when it returns. */
export async function observe<T>(
  learner: LearnerOutputs,
  environments: readonly Environment[],
  look: (context: CheckContext) => Promise<T>,
  options: VerifyOptions = {},
): Promise<T> {
  const { kubeconfig = learner.cluster.adminKubeconfig, timeoutSeconds = 15 } = options;
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  await using git = gitReader(learner.git, signal);
  const kube = kubeReader(kubeconfig, signal);
  const registry = registryReader(learner.registry, signal);
  return await look({ kube, git, registry, learner, environments, signal });
}

/** Runs checks side by side; one that throws or misses the deadline has the status `error`. */
export async function runChecks(evidence: readonly EvidenceCheck[], context: CheckContext): Promise<CheckReport[]> {
  return Promise.all(
    evidence.map(async (check) => {
      const result = await answer(check, context);
      const { id, title, command } = check;
      return { id, title, command, observedAt: new Date().toISOString(), result };
    }),
  );
}

async function answer(check: EvidenceCheck, context: CheckContext): Promise<CheckResult> {
  const { signal } = context;
  const late = Promise.withResolvers<never>();
  const stop = () => late.reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    return await Promise.race([check.run(context), late.promise]);
  } catch (error) {
    return notObserved(error, signal);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What stands for something that could not be observed. */
export function notObserved(error: unknown, signal: AbortSignal): { status: "error"; reason: string } {
  // What a reader throws when it is stopped says less.
  return { status: "error", reason: signal.aborted ? "it could not be observed in time" : reasonOf(error) };
}

/** The message with those of its causes: a failed fetch says why only in its cause. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  return cause === undefined ? messageOf(thrown) : `${messageOf(thrown)}: ${reasonOf(cause)}`;
}
