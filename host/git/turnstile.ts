/** Ends one's turn. Safe to call more than once. */
export type Leave = () => void;

interface Queue {
  inside: number;
  readonly waiting: (() => void)[];
}

/**
 * Lets so many of one user's requests in at a time, and so many wait. Users do not wait for each other: who asks for
 * everything at once waits for the own requests alone.
 */
export class Turnstile {
  readonly #inside: number;
  readonly #waiting: number;
  readonly #queues = new Map<string, Queue>();

  constructor(limits: { readonly inside: number; readonly waiting: number }) {
    this.#inside = limits.inside;
    this.#waiting = limits.waiting;
  }

  /** Resolves when it is the user's turn; at once with undefined where too many wait already. */
  async enter(user: string): Promise<Leave | undefined> {
    const queue = this.#queues.get(user) ?? { inside: 0, waiting: [] };
    this.#queues.set(user, queue);
    if (queue.inside < this.#inside) queue.inside += 1;
    else if (queue.waiting.length < this.#waiting) await new Promise<void>((resolve) => queue.waiting.push(resolve));
    else return undefined;
    let isOut = false;
    return () => {
      if (isOut) return;
      isOut = true;
      const next = queue.waiting.shift();
      // The place is handed on, so that nobody who comes now is before those who wait.
      if (next !== undefined) next();
      else if ((queue.inside -= 1) === 0) this.#queues.delete(user);
    };
  }
}
