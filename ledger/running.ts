import { LabError } from "../shared/errors.ts";
import { readInventory, recordCreation, recordGone, type Thing } from "./inventory.ts";
import { isAtWork } from "./orphans.ts";
import { identify } from "./process-identity.ts";

/**
 * Lets nothing take a cohort away while another command works on it, nor anything work on it meanwhile. All other commands wait for
 * each other at Pulumi's lock; a teardown needs no state, so that lock would not stop it.
 */
async function standBack(cohort: string, command: string): Promise<void> {
  const other = (await readInventory(cohort)).find(
    (item) => item.identity?.pid !== process.pid && (command === "down" || item.name?.startsWith("down ")) && isAtWork(item),
  );
  if (other === undefined) return;
  const { pid } = other.identity!;
  throw new LabError(
    "cohort-at-work",
    `\`./lab ${command} ${cohort}\` can't run beside \`./lab ${other.name}\`, which process ${pid} runs. Nothing was changed. Wait for that to end, or end it with \`kill ${pid}\`, and run the command again.`,
  );
}

/**
 * Tells the inventory that a command changes the cohort, as long as it does: one that was killed is told by that. One that
 * a signal ended in order has left as much undone, and says so.
 */
export async function whileRunning<T>(cohort: string, command: string, work: () => Promise<T>): Promise<T> {
  const identity = identify(process.pid)!;
  const run: Thing = {
    kind: "run",
    id: `${identity.bootId}/${identity.pid}/${identity.startTime}`,
    name: `${command} ${cohort}`,
    identity,
  };
  // Noted before it looks: of two that begin at once at least one sees the other.
  await recordCreation(cohort, run);
  let wasCutShort = false;
  try {
    await standBack(cohort, command);
    return await work();
  } catch (error) {
    wasCutShort = error instanceof LabError && error.code === "interrupted";
    throw error;
  } finally {
    await (wasCutShort ? recordCreation(cohort, { ...run, interrupted: true }) : recordGone(cohort, [run]));
  }
}
