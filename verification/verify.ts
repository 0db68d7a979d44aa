import { setTimeout as delay } from "node:timers/promises";
import type { Environment } from "../shared/names.ts";
import { messageOf } from "../shared/errors.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { gitReader, type GitReader } from "./git-reader.ts";
import { kubeReader } from "./kube-reader.ts";
import type { PromotionState } from "./bundle/schema.ts";
import { lookAtPromotion } from "./promotion-state.ts";
import { registryReader } from "./registry-reader.ts";
import type { CheckContext, CheckReport, CheckResult, EvidenceCheck } from "./types.ts";
import { verdict } from "./verdict.ts";

export interface VerifyOptions {
  /** Which cluster credential to look with, as kubeconfig YAML. Default: the instructor's. */
  readonly kubeconfig?: string;
  /** After so many seconds a check that has not answered is an error. Default 30: a busy machine is slow to start Git. */
  readonly timeoutSeconds?: number;
}

/** What a look at a learner's lab gives. */
export interface LearnerLook {
  readonly reports: readonly CheckReport[];
  readonly promotion: LookedAtPromotion;
}

/** What has become of the newest promotion, or why that could not be seen. */
export type LookedAtPromotion =
  | { readonly status: "observed"; readonly value: PromotionState }
  | { readonly status: "error"; readonly reason: string };

/** So long a lab that fails while it is at work is looked at again. */
const patienceMs = 20_000;
/** A push, a build or a promotion of so little time ago is what Flux is at work on. */
const atWorkMs = 45_000;

/**
 * Proves a learner's evidence from live state, every item at once, and tells what has become of the newest promotion. Never
 * throws for what it could not look at.
 */
export async function lookAtLearner(
  learner: LearnerOutputs,
  evidence: readonly EvidenceCheck[],
  environments: readonly Environment[],
  options: VerifyOptions = {},
): Promise<LearnerLook> {
  const look = async (context: CheckContext) => {
    const [reports, promotion] = await Promise.all([runChecks(evidence, context), promotionIn(context)]);
    return { reports, promotion };
  };
  return observeAtRest(learner, environments, look, ({ reports }) => verdict(reports), options);
}

/**
 * Like `observe`, for what ends in a verdict, which is of a lab at rest: while Flux is at work on what was pushed a moment ago, a
 * failure is looked at again for some seconds.
 */
export async function observeAtRest<T>(
  learner: LearnerOutputs,
  environments: readonly Environment[],
  look: (context: CheckContext) => Promise<T>,
  verdictOf: (seen: T) => CheckResult["status"],
  options: VerifyOptions = {},
): Promise<T> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const { seen, isAtWork } = await observe(
      learner,
      environments,
      async (context) => {
        const seen = await look(context);
        return { seen, isAtWork: verdictOf(seen) === "fail" && (await isPushed(context).catch(() => false)) };
      },
      options,
    );
    if (!isAtWork || Date.now() >= until) return seen;
    await delay(1000);
  }
}

async function promotionIn(context: CheckContext): Promise<LookedAtPromotion> {
  try {
    return { status: "observed", value: await inTime(lookAtPromotion(context), context.signal) };
  } catch (error) {
    return notObserved(error, context.signal);
  }
}

/** Whether the branch or the images moved a moment ago, by the pipeline's journal. */
async function isPushed({ git }: CheckContext): Promise<boolean> {
  const ages = [...(await git.journal()).values()].flat().map(({ at }) => Date.now() - Date.parse(at));
  return ages.some((age) => age >= 0 && age < atWorkMs);
}

/** The reports alone. */
export async function verifyLearner(
  learner: LearnerOutputs,
  evidence: readonly EvidenceCheck[],
  environments: readonly Environment[],
  options: VerifyOptions = {},
): Promise<readonly CheckReport[]> {
  return (await lookAtLearner(learner, evidence, environments, options)).reports;
}

/** Lets a function look at a learner's lab; the readers stop at the deadline and are closed when it returns. */
export async function observe<T>(
  learner: LearnerOutputs,
  environments: readonly Environment[],
  look: (context: CheckContext) => Promise<T>,
  options: VerifyOptions = {},
): Promise<T> {
  const { kubeconfig = learner.cluster.adminKubeconfig, timeoutSeconds = 30 } = options;
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  await using reader = gitReader(learner.git, signal);
  const git = remembering(reader);
  const kube = kubeReader(kubeconfig, signal);
  const registry = registryReader(learner.registry, signal);
  return await look({ kube, git, registry, learner, environments, signal });
}

/** The branch is as it was at the first look, so what was asked once need not be asked again: each question is a process. */
function remembering(git: GitReader): GitReader {
  const answers = new Map<string, Promise<unknown>>();
  const once = <T>(question: string, ask: () => Promise<T>): Promise<T> => {
    const known = answers.get(question) as Promise<T> | undefined;
    const answer = known ?? ask();
    if (known === undefined) answers.set(question, answer);
    return answer;
  };
  return {
    ...git,
    head: () => once("head", () => git.head()),
    log: (path) => once(`log ${path}`, () => git.log(path)),
    readFile: (treeish, path) => once(`file ${treeish}:${path}`, () => git.readFile(treeish, path)),
    isAncestor: (ancestor, descendant) => once(`order ${ancestor} ${descendant}`, () => git.isAncestor(ancestor, descendant)),
  };
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
  try {
    signal.throwIfAborted();
    return await inTime(check.run(context), signal);
  } catch (error) {
    return notObserved(error, signal);
  }
}

/** What a look gives, unless it misses the deadline. */
async function inTime<T>(look: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = Promise.withResolvers<never>();
  const stop = () => late.reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    return await Promise.race([look, late.promise]);
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
