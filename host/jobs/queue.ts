import pLimit, { type LimitFunction } from "p-limit";

/** A learner has as many jobs waiting as may wait. */
export class QueueFull extends Error {}

const mostAtOnce = 2;
const mostWaiting = 4;

/** Does two jobs at once, of two learners; what one learner asks for beyond a few is refused. */
export class JobQueue {
  readonly #all = pLimit(mostAtOnce);
  readonly #own = new Map<string, LimitFunction>();

  run<T>(learner: string, work: () => Promise<T>): Promise<T> {
    const own = this.#own.get(learner) ?? pLimit(1);
    this.#own.set(learner, own);
    if (own.activeCount > 0 && own.pendingCount >= mostWaiting) return Promise.reject(new QueueFull());
    return own(() => this.#all(work)).finally(() => {
      if (own.activeCount + own.pendingCount === 0) this.#own.delete(learner);
    });
  }
}
