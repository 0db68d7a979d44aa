import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { readInventory, type Item } from "../../ledger/inventory.ts";
import { roomThings } from "../../host/room/groups.ts";
import { LabError } from "../../shared/errors.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { locate } from "../../tools/locate.ts";
import { cloudThings, noteUncertain } from "../cloud-things.ts";
import { gitHostLooks } from "../git-host.ts";
import { phases } from "../progress/steps.ts";
import { stateErrors } from "../state/failures.ts";
import { note } from "../terminal.ts";
import type { Removal } from "./removal.ts";

/* A run has begun to tell of itself before it needs the stack. */
const loadStack = () => import("../stack.ts");

/** Opens the cohort's stack, if there is one whose state can be got at. */
export async function findReadableStack(removal: Removal): Promise<void> {
  const { paths, problems, reporter, interrupt } = removal;
  // Without Pulumi's CLI there can be no stack, but an interrupted first run may have left something on the host.
  if ((await locate("pulumi")) === undefined) return;
  removal.stack = await interrupt.orEnd(reporter.phase(phases.stack, () => readableStack(paths, problems)));
}

/** Lists what there is. What only a look at running nodes tells must be looked at before they end. */
export async function listThings(removal: Removal): Promise<void> {
  const { cohort, stack } = removal;
  const noted = await readInventory(cohort);
  removal.items = [...noted, ...(await unnoted(cohort, stack, noted))];
}

/** Keeps what a look afterwards needs and the removal takes with it, and notes what only a cloud will know. */
export async function prepareLooks(removal: Removal): Promise<void> {
  const { stack, items } = removal;
  removal.gitHostLooks = await gitHostLooks(stack, items);
  if (stack !== undefined) await noteUncertain(stack);
}

/** Whether an error is about the state, without which a cohort can be removed all the same. */
export const isAboutState = (error: unknown): error is LabError => error instanceof LabError && stateErrors.has(error.code);

/** The cohort's stack; undefined also where its state can't be got at, which is then a problem: a teardown needs none. */
async function readableStack(paths: CohortPaths, problems: string[]): Promise<Stack | undefined> {
  const { findStack, readResources } = await loadStack();
  try {
    const stack = await findStack(paths, "take away");
    if (stack !== undefined) await readResources(stack);
    return stack;
  } catch (error) {
    if (!isAboutState(error)) throw error;
    if (error.code === "state-broken") note(`The state of cohort ${paths.cohort} can't be read: what there is of it is removed without.`);
    else problems.push(error.message);
    return undefined;
  }
}

/** What is there without the inventory's knowing: a stack that plain `pulumi up` made, what that has in a cloud, and what runs within real nodes. */
async function unnoted(cohort: string, stack: Stack | undefined, noted: readonly Item[]) {
  const known = new Set(noted.map(({ kind, id }) => `${kind} ${id}`));
  const things = [
    ...(stack === undefined ? [] : [await (await loadStack()).stackThing(cohort), ...(await cloudThings(stack))]),
    ...(await roomThings(cohort)),
  ];
  const at = new Date().toISOString();
  return things.filter(({ kind, id }) => !known.has(`${kind} ${id}`)).map((thing) => ({ ...thing, at }));
}
