import { readdir } from "node:fs/promises";
import { join } from "node:path";
import pLimit, { type LimitFunction } from "p-limit";
import { messageOf } from "../../shared/errors.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { noCommit, type Push, type PushListener, type Say } from "../git/push.ts";
import { bareRepository } from "./bare-repository.ts";
import { readPipelineConfig } from "./config.ts";
import { refusalsOf } from "./gate.ts";
import { labOf, type LabOptions } from "./lab.ts";
import { settle } from "./settle.ts";

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
  readonly #options: PipelineOptions;
  readonly #queues = new Map<string, LimitFunction>();
  readonly #builds = pLimit(2);

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  async refusals(push: Push): Promise<readonly string[]> {
    const config = await readPipelineConfig(this.#options.cohort, push.learner);
    // While the lab is brought up nobody but Flux pushes.
    return config === undefined ? [] : refusalsOf(push, labOf(this.#options, push.learner, config, push.quarantine));
  }

  async accepted(push: Push, say: Say): Promise<void> {
    const { learner, user, refs } = push;
    const repository = bareRepository(join(this.#options.paths.git, learner, `${push.repository}.git`));
    const branch = await repository.branch();
    const tip = refs.find(({ ref }) => ref === `refs/heads/${branch}`)?.newOid;
    if (tip !== undefined && tip !== noCommit) {
      this.#options.onBranchMoved(learner);
      await this.#inTurn(learner, () => repository.note(tip, { event: "received", at: new Date().toISOString(), by: user, branch }));
    }
    await this.settle(learner, say);
  }

  /** Does what the learner's repository asks for and is not done yet. */
  async settle(learner: string, say: Say = () => undefined): Promise<void> {
    const config = await readPipelineConfig(this.#options.cohort, learner);
    if (config === undefined) return;
    await this.#inTurn(learner, async () => {
      const moved = await this.#builds(() => settle(labOf(this.#options, learner, config), say));
      if (moved) this.#options.onBranchMoved(learner);
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
    await waitUntil(look, options).catch((error: unknown) => console.error(`${new Date().toISOString()} ${messageOf(error)}`));
  }

  #inTurn<T>(learner: string, work: () => Promise<T>): Promise<T> {
    let queue = this.#queues.get(learner);
    if (queue === undefined) this.#queues.set(learner, (queue = pLimit(1)));
    return queue(work);
  }
}
