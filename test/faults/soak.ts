import { setTimeout as delay } from "node:timers/promises";
import { withWorkbench } from "../../host/workbench/workbench.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { messageOf } from "../../shared/errors.ts";
import { environments } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { verifyLearner } from "../../verification/verify.ts";
import type { TestCohort } from "../support/lab-cli.ts";
import { work } from "./learner-at-work.ts";
import { killable, killOne } from "./processes.ts";
import { oneOf, randomOf } from "./random.ts";
import { readerOf, type Reader, type Reading } from "./reading.ts";

export interface SoakOptions {
  readonly seed: string;
  /** How long it goes on at least; up to ten times as long where nothing could be compared by then. */
  readonly seconds: number;
  /** Seconds between two kills. */
  readonly killEvery: number;
}

export interface Soaked {
  readonly learners: number;
  readonly seconds: number;
  readonly kills: Record<string, number>;
  /** What the learners got done, refused and failed. */
  readonly work: Record<string, number>;
  readonly commits: number;
  /** Looks at the evidence; those between two readings that were the same; and items that could be compared then. */
  readonly looks: number;
  readonly comparable: number;
  readonly compared: number;
  /** Sentences: each is a failure. */
  readonly lostCommits: string[];
  readonly wrongDigests: string[];
  readonly untrueVerdicts: string[];
  readonly notWholeInTheEnd: string[];
  readonly secondsToWhole: number;
}

/** Learners work while processes are killed at random, and every verdict is compared with an independent reading. */
export async function soak(cohort: TestCohort, { seed, seconds, killEvery }: SoakOptions): Promise<Soaked> {
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  const learners = Object.values((await cohort.outputs()).learners);
  const stop = new AbortController();
  const { signal } = stop;
  const kills: Record<string, number> = {};
  const tally = { looks: 0, comparable: 0, compared: 0 };
  const found = {
    lostCommits: [] as string[],
    wrongDigests: [] as string[],
    untrueVerdicts: [] as string[],
    notWholeInTheEnd: [] as string[],
  };
  const readers = new Map<string, Reader>();
  for (const learner of learners) readers.set(learner.id, await readerOf(cohort.name, cohort.home, learner));
  const killing = killAtRandom(cohort, seed, killEvery, signal, kills);
  const watching = learners.map((learner) => watch(learner, readers.get(learner.id)!, signal, tally, found));
  const working = learners.map((learner) =>
    withWorkbench(cohort.name, learner, environments, (bench) => work(bench, randomOf(`${seed} ${learner.id}`), signal)),
  );
  const began = performance.now();
  await delay(seconds * 1000);
  while (tally.compared === 0 && performance.now() - began < seconds * 10_000) await delay(1000);
  stop.abort();
  await Promise.all([killing, ...watching]);
  const done = await Promise.all(working);
  const rested = performance.now();
  for (const [index, learner] of learners.entries()) {
    const reader = readers.get(learner.id)!;
    for (const commit of done[index]!.commits) if (!(await reader.isOnBranch(commit))) found.lostCommits.push(`${learner.id}: ${commit}`);
    await awaitRest(learner, reader).catch((error: unknown) => found.notWholeInTheEnd.push(messageOf(error)));
    await reader.close();
  }
  const sum: Record<string, number> = {};
  for (const { counts } of done) for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
  return {
    learners: learners.length,
    seconds: Math.round((rested - began) / 1000),
    kills,
    work: sum,
    commits: done.reduce((all, { commits }) => all + commits.length, 0),
    ...tally,
    ...found,
    secondsToWhole: Math.round((performance.now() - rested) / 100) / 10,
  };
}

async function killAtRandom(
  cohort: TestCohort,
  seed: string,
  every: number,
  signal: AbortSignal,
  kills: Record<string, number>,
): Promise<void> {
  const random = randomOf(`${seed} kills`);
  while (!signal.aborted) {
    await delay(every * (0.5 + random()) * 1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const candidates = await killable(cohort.name, cohort.home).catch(() => []);
    if (candidates.length === 0) continue;
    const { name, pid } = oneOf(random, candidates);
    killOne(pid);
    const kind = name.includes("/") ? name.slice(name.indexOf("/") + 1) : name;
    kills[kind] = (kills[kind] ?? 0) + 1;
  }
}

/** Looks at one learner's evidence again and again, between two independent readings. */
async function watch(
  learner: LearnerOutputs,
  reader: Reader,
  signal: AbortSignal,
  tally: { looks: number; comparable: number; compared: number },
  found: { readonly wrongDigests: string[]; readonly untrueVerdicts: string[] },
): Promise<void> {
  while (!signal.aborted) {
    const before = await reader.read().catch(() => undefined);
    const reports = await verifyLearner(learner, gitopsPromotion.evidence, environments);
    const after = await reader.read().catch(() => undefined);
    tally.looks += 1;
    if (after !== undefined) found.wrongDigests.push(...(await strangers(learner, reader, after)));
    if (before !== undefined && before.fingerprint === after?.fingerprint) {
      tally.comparable += 1;
      const inStaging = await reader.everWanted(["staging"]);
      for (const { id, result } of reports) {
        if (result.status === "error") continue;
        const is = truth(id, after, inStaging);
        if (is === undefined) continue;
        tally.compared += 1;
        if ((result.status === "pass") !== is && (result.status === "pass" || id === "reconcile-success"))
          found.untrueVerdicts.push(`${learner.id}: ${id} is ${result.status} at ${after.tip}; ${JSON.stringify({ after, result })}`);
      }
    }
    await delay(2000, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Whether what an item claims when it passes is so; undefined where a reading does not tell.
 *
 * @param inStaging every digest that staging was to run at some time: production may run one of them while staging is ahead
 */
function truth(id: string, { allAtTip, running, wanted }: Reading, inStaging: ReadonlySet<string>): boolean | undefined {
  if (id === "reconcile-success") return allAtTip;
  const only = (environment: "staging" | "production") => (running[environment].length === 1 ? running[environment][0] : undefined);
  const production = only("production");
  if (id === "deployed-digest") return production !== undefined && production === wanted.production && inStaging.has(production);
  if (id === "image-policy-match")
    return (["staging", "production"] as const).every((one) => only(one) === undefined || wanted[one] === only(one));
  return undefined;
}

/** What runs and no commit has ever named. */
async function strangers(learner: LearnerOutputs, reader: Reader, { running }: Reading): Promise<string[]> {
  const known = await reader.everWanted();
  return environments.flatMap((environment) =>
    running[environment]
      .filter((digest) => !known.has(digest))
      .map((digest) => `${learner.id}: ${environment} runs ${digest}, which no commit names`),
  );
}

/** Nobody pushes or kills any more: Flux is at the tip, and each environment runs what Git says. */
async function awaitRest({ id }: LearnerOutputs, reader: Reader): Promise<void> {
  await waitUntil(
    async (): Promise<Look<undefined>> => {
      const seen = await reader.read().catch((error: unknown) => messageOf(error));
      if (typeof seen === "string") return { done: false, because: seen };
      const wrong = environments.filter((one) => seen.running[one].length !== 1 || seen.running[one][0] !== seen.wanted[one]);
      if (seen.allAtTip && wrong.length === 0) return { done: true, value: undefined };
      return { done: false, because: JSON.stringify({ ...seen, fingerprint: "" }) };
    },
    { what: `the lab of ${id} to run what Git says`, timeoutSeconds: 180, intervalMs: 500, remedy: "" },
  );
}
