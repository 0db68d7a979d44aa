import { setTimeout as delay } from "node:timers/promises";
import { isRunning, signalGroup, type ProcessIdentity } from "../../ledger/process-identity.ts";

const adoptedPollMs = 500;

/** Signals the process and waits until it is gone; what does not go within five seconds is killed, and has half a minute to end. */
export async function endProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if (!signalGroup(identity, signal)) return;
  const grace = AbortSignal.timeout(5000);
  await gone(identity, grace, 20);
  if (grace.aborted && signalGroup(identity, "SIGKILL")) await gone(identity, AbortSignal.timeout(30_000), 20);
}

/** Waits until the process has ended or the signal fires. It need not be our child, so it is polled. */
export async function gone(identity: ProcessIdentity, signal: AbortSignal, pollMs = adoptedPollMs): Promise<void> {
  while (isRunning(identity) && !signal.aborted) await delay(pollMs, undefined, { signal }).catch(() => undefined);
}
