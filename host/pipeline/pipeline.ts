import { readdir } from "node:fs/promises";
import { join } from "node:path";
import pLimit, { type LimitFunction } from "p-limit";
import { messageOf } from "../../shared/errors.ts";
import { limitsForWeb } from "../limits/stored.ts";
import { recordLimitHit } from "../limits/hits.ts";
import { excessOf } from "../git/push-limits.ts";
import { quietRepository } from "../git/receiving.ts";
import { isUntidy, tidyRepository } from "../git/tidy.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { noCommit, type Push, type PushListener, type Say } from "../git/push.ts";
import { bareRepository } from "./bare-repository.ts";
import { readPipelineConfig } from "./config.ts";
import { refusalsOf } from "./gate.ts";
import { labOf, type Lab, type LabOptions } from "./lab.ts";
import { PipelineMetrics } from "../metrics/pipeline.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import { settle } from "./settle.ts";
import { log } from "../log.ts";

export interface PipelineOptions extends LabOptions {
  readonly cohort: string;
  /** Called when the branch that Flux follows has moved. */
  readonly onBranchMoved: (learner: string) => void;
}

/**
 * The delivery pipeline of a cohort's learners: what a CI service would be, beside the Git server. It gates pushes, builds
 * the app once, and promotes an image by giving it another tag, all as the learner's repository says.
 */
export class Pipeline implements PushListener {
  /** What was seen since the start. */
  readonly metrics = new PipelineMetrics();
  readonly #options: PipelineOptions;
  readonly #queues = new Map<string, LimitFunction>();
  /** Of all learners: those of one wait in the own queue, which has one at work, so nobody takes both for long. */
  readonly #builds = pLimit(2);
  /** Repositories that wait for a clean-up. */
  readonly #untidy = new Set<string>();

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  async refusals(push: Push): Promise<readonly string[]> {
    const refusals = await this.#judge(push);
    const { learner, user, refs } = push;
    if (refusals.length > 0) {
      this.metrics.push(learner, user, "refused");
      log("info", "push refused", { learner, by: user, refs: refs.map(({ ref }) => ref), because: refusals });
    }
    return refusals;
  }

  async #judge(push: Push): Promise<readonly string[]> {
    const excess = await this.#excess(push);
    if (excess !== undefined) return [excess];
    const config = await readPipelineConfig(this.#options.cohort, push.learner);
    // While the lab is brought up nobody but Flux pushes.
    return config === undefined ? [] : refusalsOf(push, labOf(this.#options, push.learner, config, push.quarantine));
  }

  async accepted(push: Push, say: Say): Promise<void> {
    const { learner, user, refs } = push;
    this.metrics.push(learner, user, "accepted");
    log("info", "push accepted", { learner, by: user, refs: refs.map(({ ref }) => ref) });
    const repository = bareRepository(join(this.#options.paths.git, learner, `${push.repository}.git`));
    const branch = await repository.branch();
    const moved = refs.find(({ ref }) => ref === `refs/heads/${branch}`);
    const tip = moved?.newOid;
    if (tip !== undefined && tip !== noCommit) {
      this.#options.onBranchMoved(learner);
      await this.#inTurn(learner, () => repository.note(tip, { event: "received", at: new Date().toISOString(), by: user, branch }));
    }
    // Before what may fail: a deletion leaves what it deleted also where the lab can't do what the branch asks for.
    if (refs.some(({ newOid }) => newOid === noCommit) || (await isUntidy(repository.path))) this.#tidySoon(learner, repository.path);
    await this.settle(learner, say, moved?.oldOid);
  }

  /** What of a push is more than the learner's limits have. Kept for the instructor. */
  async #excess(push: Push): Promise<string | undefined> {
    const { paths } = this.#options;
    const path = join(paths.git, push.learner, `${push.repository}.git`);
    const excess = await excessOf(push, path, await bareRepository(path).branch(), await limitsForWeb(paths));
    if (excess !== undefined) await recordLimitHit(paths.learner(push.learner), excess.limit, excess.sentence);
    return excess?.sentence;
  }

  /**
   * Cleans the learner's repository up when nobody pushes to it and the pipeline does nothing with it: both count on what no
   * ref leads to yet. Nobody waits for it.
   */
  #tidySoon(learner: string, path: string): void {
    if (this.#untidy.has(path)) return;
    this.#untidy.add(path);
    const tidy = async (): Promise<void> => {
      await quietRepository(path);
      // Somebody may have begun to push since.
      if (!(await this.#inTurn(learner, () => tidyRepository(path)))) return tidy();
    };
    void tidy()
      .catch((error: unknown) => log("warn", "a repository was not cleaned up", { learner, error }))
      .finally(() => this.#untidy.delete(path));
  }

  /**
   * Does what the learner's repository asks for and is not done yet.
   *
   * @param before see `settle`
   */
  async settle(learner: string, say: Say = () => undefined, before?: string): Promise<void> {
    const config = await readPipelineConfig(this.#options.cohort, learner);
    if (config === undefined) return;
    await this.#inTurn(learner, async () => {
      const moved = await this.#builds(() => settle(this.#watched(labOf(this.#options, learner, config)), say, before));
      if (moved) this.#options.onBranchMoved(learner);
    });
  }

  /** The lab with what is noted of its commits counted and told in the log. */
  #watched(lab: Lab): Lab {
    const { learner, repository } = lab;
    const note = async (commit: string, entry: JournalEntry): Promise<void> => {
      await repository.note(commit, entry);
      log("info", entry.event, { learner, commit, ...entry });
      this.metrics.noted(learner, entry);
      if (entry.event !== "carried-out") return;
      const asked = (await repository.journal(entry.promotion)).find(({ event }) => event === "received" || event === "promoted");
      if (asked !== undefined) this.metrics.promoted(entry.environment, (Date.parse(entry.at) - Date.parse(asked.at)) / 1000);
    };
    return { ...lab, repository: { ...repository, note } };
  }

  /** Resolves when no repository waits for a clean-up. */
  async tidied(): Promise<void> {
    await waitUntil(async () => (this.#untidy.size === 0 ? { done: true, value: undefined } : { done: false, because: "some wait." }), {
      what: "the clean-up of repositories",
      timeoutSeconds: 60,
      intervalMs: 50,
      remedy: "",
    });
  }

  /** Finishes what an earlier daemon was doing for any learner, once what it needs answers again after a start. */
  async settleAll(): Promise<void> {
    const learners = await readdir(join(this.#options.paths.root, "learners")).catch(() => []);
    await Promise.all(learners.map((learner) => this.#settleInTime(learner)));
  }

  async #settleInTime(learner: string): Promise<void> {
    const look = async (): Promise<Look<void>> => {
      try {
        return { done: true, value: await this.settle(learner) };
      } catch (error) {
        return { done: false, because: messageOf(error) };
      }
    };
    const options = {
      what: `the pipeline of learner ${learner} to settle`,
      timeoutSeconds: 120,
      intervalMs: 2000,
      remedy: "The learner's next push tries again.",
    };
    await waitUntil(look, options).catch((error: unknown) => log("warn", messageOf(error), { learner }));
  }

  #inTurn<T>(learner: string, work: () => Promise<T>): Promise<T> {
    let queue = this.#queues.get(learner);
    if (queue === undefined) this.#queues.set(learner, (queue = pLimit(1)));
    return queue(work);
  }
}
