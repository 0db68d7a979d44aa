import { sweepClusters } from "../../clusters/upkeep.ts";
import { removeOtherLearners } from "../../host/sweep.ts";
import { readInventory } from "../../ledger/inventory.ts";
import { ExitCode } from "../../shared/errors.ts";
import { arrivals, backUp, hasWork, leavers, leaversSentence } from "../course/backup.ts";
import { settleLearner } from "../receipts.ts";
import { note } from "../terminal.ts";
import { written, type Run } from "./run.ts";

/** Tells who is no learner of the cohort file any more, and keeps what they had. */
export async function keepWorkOfLeavers({ paths, options, roster }: Run): Promise<void> {
  if (options.only !== undefined) return;
  const leaving = await leavers(paths, roster);
  if (leaving.length === 0) return;
  note(leaversSentence(leaving, await arrivals(paths, roster)));
  for (const id of leaving) if (await hasWork(paths, id)) note(`Kept what ${id} had in ${await backUp(paths, id)}.`);
}

/** Looks whether who left the cohort file has left anything else, and removes it. */
export async function removeLeavers(run: Run): Promise<void> {
  const { options, interrupt } = run;
  if (options.only === undefined) run.left = await interrupt.orEnd(removeOthers(run));
}

/** Returns the exit code: 1 where something stays. */
async function removeOthers(run: Run): Promise<ExitCode> {
  const { paths } = run;
  const learners = new Set(run.roster);
  const removed = await removeOtherLearners(paths, learners, sweepClusters);
  if (removed.length > 0) note(`Removed what was still here of ${removed.join(", ")}, no learner of the cohort file.`);
  const told = new Set((await readInventory(paths.cohort)).flatMap(({ learner }) => learner ?? []));
  const since = new Date(run.reporter.startedAt);
  const codes: ExitCode[] = [];
  for (const learner of [...told].filter((id) => !learners.has(id)))
    codes.push(await settleLearner(written(run, "stack"), paths, learner, since));
  return codes.find((code) => code !== ExitCode.ok) ?? ExitCode.ok;
}
