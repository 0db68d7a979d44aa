import { existsSync } from "node:fs";
import { cohortGroups } from "../../host/room/cgroups.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { findCrumbs, findTraces, forgetCutShort, type Crumb, type CutShort, type Traces } from "../../ledger/orphans.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { labHome } from "../../shared/paths.ts";
import { locate } from "../../tools/locate.ts";
import { removeHomeWithoutCohorts } from "../home.ts";
import { readOutputs } from "../outputs.ts";
import { tellReceipt } from "../receipts.ts";
import { backendName } from "../state/backend.ts";
import { stackNames, staleStackLocks } from "../stack.ts";
import { note, print, printJson } from "../terminal.ts";
import { removeCohort } from "../tear-down/tear-down.ts";

interface Orphan {
  readonly cohort: string;
  /** Why it belongs to nothing any more. */
  readonly because: string;
  readonly things: readonly string[];
}

interface Found {
  readonly orphans: readonly Orphan[];
  readonly crumbs: readonly Crumb[];
  /** What looks like an orphan and may not be one, with what to do about it. */
  readonly doubts: readonly string[];
}

/**
 * Lists what killed runs have left in this lab home and, by its mark, on this machine; removes it where that is asked for.
 * What a command works on right now is none of it. Returns the exit code: 1 when something is left.
 */
export async function orphans({ yes, json }: { readonly yes: boolean; readonly json: boolean }): Promise<number> {
  const isNew = !existsSync(labHome());
  const { orphans: cohorts, crumbs, doubts } = await find();
  const receipts: Receipt[] = [];
  const failures: string[] = [];
  if (!json) tell({ orphans: cohorts, crumbs, doubts });
  if (yes) {
    for (const { cohort } of cohorts) {
      const receipt = await removeCohort(cohort);
      receipts.push(receipt);
      if (!json) tellReceipt(receipt);
    }
    for (const { says, remove } of crumbs)
      await remove().catch((error: NodeJS.ErrnoException) => error.code !== "ENOENT" && failures.push(`${says}: ${error.message}`));
    if (!json && crumbs.length > 0) print(`Removed ${crumbs.length - failures.length} of ${crumbs.length} other things.`);
  }
  // Looking for stacks makes the folder where there was none.
  if (yes || isNew) for (const path of await removeHomeWithoutCohorts()) note(`${path} is not the lab's and stays.`);
  if (json)
    printJson({ schemaVersion: 1, orphans: cohorts, crumbs: crumbs.map(({ says }) => says), doubts, removed: yes, receipts, failures });
  else {
    for (const failure of failures) print(`left over: ${failure}`);
    if (!yes && cohorts.length + crumbs.length > 0) note("Nothing was removed. `./lab down --orphans --yes` removes what is listed.");
  }
  const left = yes ? receipts.some(({ result }) => result !== "zero") || failures.length > 0 : cohorts.length + crumbs.length > 0;
  return left || doubts.length > 0 ? ExitCode.failed : ExitCode.ok;
}

async function find(): Promise<Found> {
  // Without Pulumi's CLI there can be no stack.
  const hasPulumi = (await locate("pulumi")) !== undefined;
  const traces = await findTraces(new Set(hasPulumi ? await stackNames() : []), await cohortGroups());
  const backend = hasPulumi ? await backendName() : undefined;
  const orphaned: Orphan[] = [];
  const doubts: string[] = [];
  const recovered: Crumb[] = [];
  for (const one of traces.filter(({ busy }) => !busy)) {
    const { cohort, things, folder, stack } = one;
    const because = await reasonFor(one);
    if (because !== undefined && !stack && folder && one.backend !== backend) {
      doubts.push(
        `cohort ${cohort} has a folder and no stack in ${backend ?? "any backend, since Pulumi is not installed"}; its state may be elsewhere (${one.backend ?? "nobody noted where"}). \`./lab down ${cohort}\` removes it all the same`,
      );
    } else if (because !== undefined) {
      orphaned.push({
        cohort,
        because,
        things: [...(stack ? [`stack ${cohort}`] : []), ...(folder ? [`folder of cohort ${cohort}`] : []), ...things],
      });
    } else if (one.cutShort[0] !== undefined) {
      const [{ command, how }] = one.cutShort;
      recovered.push({
        says: `note that \`./lab ${command} ${cohort}\` was ${how}; \`./lab up ${cohort}\` finishes what it began`,
        remove: () => forgetCutShort(cohort),
      });
    }
  }
  const crumbs = [
    ...recovered,
    ...(await findCrumbs(traces.map(({ cohort }) => cohort))),
    ...(await staleStackLocks()).map(({ path, remove }) => ({ says: `lock of a killed Pulumi operation, ${path}`, remove })),
  ];
  return { orphans: orphaned, crumbs, doubts };
}

/** Why a cohort is an orphan; undefined for one that is whole, also where a later run of it was cut short. */
async function reasonFor({ cohort, folder, stack, cutShort: [first, ...others] }: Traces): Promise<string | undefined> {
  const down = [first, ...others].find((run) => run?.command === "down");
  if (folder && stack) {
    if (down !== undefined) return `a \`down\` was ${down.how}`;
    return first !== undefined && !(await wasHandedOver(cohort)) ? beginning(first) : undefined;
  }
  if (stack) return first === undefined ? "a stack without a folder" : beginning(first);
  return folder ? "a folder without a stack" : "neither folder nor stack";
}

const beginning = ({ command, how }: CutShort) => `its first \`${command}\` was ${how}`;

async function wasHandedOver(cohort: string): Promise<boolean> {
  return readOutputs(cohort).then(
    () => true,
    (error: unknown) => {
      if (error instanceof LabError && error.code === "cohort-not-up") return false;
      throw error;
    },
  );
}

function tell({ orphans: cohorts, crumbs, doubts }: Found): void {
  for (const { cohort, because, things } of cohorts)
    print([`orphan ${cohort}: ${because}`, ...things.map((thing) => `  ${thing}`)].join("\n"));
  for (const { says } of crumbs) print(says);
  for (const doubt of doubts) print(`not sure: ${doubt}`);
  if (cohorts.length + crumbs.length + doubts.length === 0) print("No orphan is left of a killed run.");
}
