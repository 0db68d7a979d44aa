import { LabError } from "../shared/errors.ts";
import { cohortPaths } from "../shared/paths.ts";
import { waitUntil, type Look, type WaitOptions } from "../shared/wait.ts";
import { callerOf, listenerOn, type Listener } from "./listeners.ts";
import { findMarked } from "./process-identity.ts";

/** A loopback port on which a process of the lab is to listen. */
export interface LeasedPort {
  readonly cohort: string;
  /** As in `leasePorts`: `<owner>/<name>`. */
  readonly lease: string;
  readonly port: number;
}

/** Somebody else listens where the lab is to. */
export class PortInUseError extends LabError {
  readonly #leased: LeasedPort;
  readonly #listener: Listener;

  constructor(leased: LeasedPort, listener: Listener, isGivenBack = false) {
    const { cohort, lease, port } = leased;
    const end = listener.pid === undefined ? `as root, \`ss -tlnp sport = ${port}\` names it` : `\`kill ${listener.pid}\``;
    super(
      "port-in-use",
      `Port ${port}, which ${lease} has leased, is used by another program: ${callerOf(listener)} listens there, and came before the lab did. ` +
        (isGivenBack
          ? `The port was given back; run \`./lab up ${cohort}\` again, which takes another.`
          : `The addresses that learners have name this port, so it is kept. End that program (${end}) and run \`./lab up ${cohort}\` again, or \`./lab down ${cohort}\`, which gives the port back.`),
    );
    this.#leased = leased;
    this.#listener = listener;
  }

  givenBack(): PortInUseError {
    return new PortInUseError(this.#leased, this.#listener, true);
  }
}

const lookEveryMs = 1000;

/** Whether a process of the cohort listens there. Throws PortInUseError where somebody else does. */
export async function lookListening(leased: LeasedPort): Promise<Look<undefined>> {
  const listener = listenerOn(leased.port, "127.0.0.1");
  if (listener === undefined) return { done: false, because: `nothing listens on port ${leased.port}.` };
  const own = findMarked(cohortPaths(leased.cohort).daemon).map(({ identity }) => identity.pid);
  if (listener.pid === undefined || !own.includes(listener.pid)) throw new PortInUseError(leased, listener);
  return { done: true, value: undefined };
}

/** Looks until the condition holds, like `waitUntil`; throws PortInUseError as soon as somebody else has one of the ports. */
export async function awaitListening<T>(
  leased: LeasedPort | readonly LeasedPort[],
  look: () => Promise<Look<T>>,
  options: WaitOptions,
): Promise<T> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return waitUntil(async () => {
    if (performance.now() - lookedAt >= lookEveryMs) {
      lookedAt = performance.now();
      for (const one of [leased].flat()) await lookListening(one);
    }
    return look();
  }, options);
}

/** Does what makes processes listen; where somebody else has a port and nobody was told of it yet, gives it back, so that the next run takes another. */
export async function orGiveBack<T>(isFresh: boolean, giveBack: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PortInUseError) || !isFresh) throw error;
    await giveBack();
    throw error.givenBack();
  }
}
