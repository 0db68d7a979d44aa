import { isDeepStrictEqual } from "node:util";
import pLimit from "p-limit";
import { processStatus } from "../host/processes/client.ts";
import type { ProcessStatus } from "../host/processes/supervisor.ts";
import { handoutOf } from "../lab-templates/handout/document.ts";
import { renderPage } from "../lab-templates/handout/html.ts";
import { gradeQuiz, type QuizAnswers } from "../lab-templates/quiz.ts";
import { labTemplate } from "../lab-templates/templates.ts";
import type { LabTemplate } from "../lab-templates/types.ts";
import { recordAttempt, type Attempt } from "../records/quiz.ts";
import { messageOf } from "../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";
import { noRoom } from "../shared/isolation.ts";
import { verdict } from "../verification/verdict.ts";
import { bundlePageOf, bundlesOf } from "./bundles.ts";
import type { Action, BranchFacts, BundleFacts, Course, Job, LearnerFacts, Ports } from "./facts.ts";
import { workOf } from "./jobs.ts";
import { nextLookMs, verifyAgainMs } from "./next-look.ts";
import { readBranch, refsIn, repositoryFolder, signsOf, timeOf, type CommitFiles, type Sign } from "./signs.ts";
import { lookAtProcesses, noLook, processesOf, usageBetween, type Look } from "./usage.ts";
import { cohortPaths } from "../shared/paths.ts";

/** How often cheap signs are looked at: where branches and records are, and the daemon's process table. */
const tickMs = 3000;
/** One learner's memory and CPU time per this time: memory is the dearest look of all. */
const usageMs = 4000;
/** A repository that is not on this machine gives no sign; it is read this often. */
const remoteMs = 120_000;
/** After a branch moved, Flux needs a while. */
const settleMs = 20_000;
/** How often it is looked whether a learner whose repository refuses has got another lab. */
const renewMs = 60_000;

interface Watched {
  outputs: LearnerOutputs;
  facts: LearnerFacts;
  /** What the cheap signs were when each was acted upon. */
  readonly signs: Map<string, string>;
  readonly files: CommitFiles;
  remoteReadAt: number;
  renewedAt: number;
  verifyAt: number;
  usage: Look;
}

/**
 * Looks at a cohort's learners, each at a bounded rate and only where something moved: it compares the times of a few
 * files every three seconds and reads a repository, a record or a cluster when they say so.
 */
export class Collector implements Course {
  readonly cohort: CohortOutputs;
  readonly template: LabTemplate;
  readonly #ports: Ports;
  readonly #learners: ReadonlyMap<string, Watched>;
  readonly #listeners = new Set<(learner: string) => void>();
  readonly #reads = pLimit(2);
  readonly #verifications = pLimit(1);
  /** An operation on the whole cohort, so one at a time. */
  readonly #resets = pLimit(1);
  readonly #timers: NodeJS.Timeout[] = [];
  #ticking = false;
  #nextUsage = 0;

  constructor(cohort: CohortOutputs, ports: Ports) {
    this.cohort = cohort;
    this.template = labTemplate(cohort.template);
    this.#ports = ports;
    this.#learners = new Map(
      Object.values(cohort.learners).map((outputs, index) => {
        const facts: LearnerFacts = {
          id: outputs.id,
          name: outputs.name,
          noRoom: noRoom(outputs),
          exercises: {},
          attempts: [],
          drills: [],
          processes: [],
          problems: [],
        };
        // The first verifications come one after the other, when the repositories were read.
        return [
          outputs.id,
          {
            outputs,
            facts,
            signs: new Map(),
            files: new Map(),
            remoteReadAt: Number.NEGATIVE_INFINITY,
            renewedAt: Number.NEGATIVE_INFINITY,
            verifyAt: performance.now() + 2000 + index * 1500,
            usage: noLook,
          },
        ];
      }),
    );
  }

  start(): void {
    void this.#tick();
    this.#timers.push(
      setInterval(() => void this.#tick(), tickMs),
      setInterval(() => void this.#measureNext(), usageMs),
    );
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  facts(): readonly LearnerFacts[] {
    return [...this.#learners.values()].map(({ facts }) => facts);
  }

  of(learner: string): LearnerFacts | undefined {
    return this.#learners.get(learner)?.facts;
  }

  subscribe(changed: (learner: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  handout(learner: string): string {
    return renderPage(handoutOf(this.cohort, this.#watched(learner).outputs, this.template));
  }

  bundles(learner: string): Promise<readonly BundleFacts[]> {
    return bundlesOf(this.cohort.cohort, learner);
  }

  bundlePage(learner: string, name: string): Promise<string | undefined> {
    return bundlePageOf(this.cohort.cohort, learner, name);
  }

  async takeQuiz(learner: string, answers: QuizAnswers): Promise<Attempt> {
    const attempt: Attempt = { time: new Date().toISOString(), answers, result: gradeQuiz(this.template.quiz, answers) };
    await recordAttempt(this.cohort.cohort, this.#watched(learner).outputs.id, attempt);
    void this.#tick();
    return attempt;
  }

  act(learner: string, action: Action): void {
    const watched = this.#watched(learner);
    if (watched.facts.job?.state === "running") return;
    const { what, work } = workOf(action, {
      cohort: this.cohort.cohort,
      outputs: watched.outputs,
      ports: this.#ports,
      verify: () => this.#verify(watched),
      reset: () => this.#reset(watched),
    });
    const startedAt = new Date().toISOString();
    const tell = (job: Omit<Job, "kind" | "what" | "startedAt">) =>
      this.#change(watched, { job: { kind: action.kind, what, startedAt, ...job } });
    tell({ state: "running" });
    work()
      .then((says) => tell({ state: "done", ...(says !== undefined && { says }) }))
      .catch((error: unknown) => tell({ state: "failed", says: messageOf(error) }))
      .finally(() => void this.#tick());
  }

  async #reset(watched: Watched): Promise<string> {
    const { outputs } = watched;
    const says = await this.#resets(() => this.#ports.reset(outputs));
    await this.#renew(watched);
    return says;
  }

  #watched(learner: string): Watched {
    const watched = this.#learners.get(learner);
    if (watched === undefined) throw new Error(`no learner ${learner}`);
    return watched;
  }

  #change(watched: Watched, changes: Partial<LearnerFacts>): void {
    const facts = { ...watched.facts, ...changes };
    if (isDeepStrictEqual(facts, watched.facts)) return;
    watched.facts = facts;
    for (const listener of this.#listeners) listener(facts.id);
  }

  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      const processes = await processStatus(cohortPaths(this.cohort.cohort)).catch((): ProcessStatus[] => []);
      for (const watched of this.#learners.values()) {
        const { id } = watched.outputs;
        this.#change(watched, { processes: processes.filter(({ owner }) => owner === id) });
        await this.#lookForSigns(watched);
        if (performance.now() >= watched.verifyAt) {
          watched.verifyAt = performance.now() + verifyAgainMs;
          void this.#verifications(() => this.#verify(watched));
        }
      }
    } finally {
      this.#ticking = false;
    }
  }

  async #lookForSigns(watched: Watched): Promise<void> {
    const { cohort } = this.cohort;
    for (const sign of signsOf(cohort, watched.outputs.id)) await this.#readIfMoved(watched, sign);
    const repository = repositoryFolder(cohort, watched.outputs);
    if ((await timeOf(repository)) === "absent") {
      if (performance.now() - watched.remoteReadAt < remoteMs) return;
      watched.remoteReadAt = performance.now();
      watched.signs.delete("repository");
    }
    const files = refsIn(repository, watched.outputs.git.branch);
    await this.#readIfMoved(watched, { name: "repository", files, read: async () => ({ branch: await this.#readBranch(watched) }) });
  }

  async #readIfMoved(watched: Watched, { name, files, read }: Sign): Promise<void> {
    const now = (await Promise.all(files.map(timeOf))).join(" ");
    if (watched.signs.get(name) === now) return;
    watched.signs.set(name, now);
    void this.#reads(() => this.#read(watched, name, read));
  }

  async #read(watched: Watched, sign: string, read: () => Promise<Partial<LearnerFacts>>): Promise<void> {
    const prefix = `The ${sign} could not be read: `;
    const others = () => watched.facts.problems.filter((problem) => !problem.startsWith(prefix));
    try {
      const found = await read();
      this.#change(watched, { ...found, problems: others() });
    } catch (error) {
      this.#change(watched, { problems: [...others(), `${prefix}${messageOf(error)}`] });
      // A lab that was made anew has other credentials.
      if (sign === "repository" && performance.now() - watched.renewedAt > renewMs) await this.#renew(watched).catch(() => undefined);
    }
  }

  /** Takes over what a learner's lab is now; a new one is looked at from the beginning. */
  async #renew(watched: Watched): Promise<void> {
    watched.renewedAt = performance.now();
    const outputs = (await this.#ports.outputs()).learners[watched.outputs.id];
    if (outputs === undefined || isDeepStrictEqual(outputs, watched.outputs)) return;
    watched.outputs = outputs;
    watched.signs.clear();
    watched.files.clear();
    watched.verifyAt = performance.now();
  }

  async #readBranch(watched: Watched): Promise<BranchFacts> {
    const branch = await readBranch(watched.outputs, this.template.environments, watched.files);
    const before = watched.facts.branch?.tip;
    if (before !== undefined && before !== branch.tip) watched.verifyAt = Math.min(watched.verifyAt, performance.now() + settleMs);
    return branch;
  }

  async #verify(watched: Watched): Promise<void> {
    const { reports, promotion } = await this.#ports.verify(watched.outputs);
    const at = new Date().toISOString();
    const before = watched.facts.checklist;
    const redSince = verdict(reports) === "fail" ? (before?.redSince ?? at) : undefined;
    const state = promotion.status === "observed" ? promotion.value : undefined;
    this.#change(watched, { checklist: { at, reports, ...(state && { promotion: state }), ...(redSince !== undefined && { redSince }) } });
    watched.verifyAt = Math.min(watched.verifyAt, performance.now() + nextLookMs(watched.facts.checklist));
  }

  async #measureNext(): Promise<void> {
    const all = [...this.#learners.values()];
    const watched = all[this.#nextUsage++ % all.length];
    if (watched === undefined) return;
    const look = await lookAtProcesses(processesOf(this.cohort.cohort, watched.facts));
    const usage = usageBetween(watched.usage, look);
    watched.usage = look;
    this.#change(watched, { usage });
  }
}
