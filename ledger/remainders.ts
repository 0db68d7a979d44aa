import { join } from "node:path";
import { z } from "zod";
import { locked } from "../shared/locked.ts";
import { labHome } from "../shared/paths.ts";
import { makePrivateFolder, removeIfEmpty } from "../shared/private-files.ts";
import { readState, removeState, writeState } from "../shared/state-file.ts";

/*
 * What is there after a teardown: what had to be left, because it is no longer the lab's or may not be deleted, and what is
 * kept as the cohort file wants it. Neither is a failure of a resource, which would keep the rest of the cohort from going;
 * `./lab down` tells of both at its end.
 */
const Remainder = z.object({ kind: z.enum(["left", "kept"]), sentence: z.string() });
export type Remainder = z.output<typeof Remainder>;
const Remainders = z.array(Remainder);

const folder = () => join(labHome(), "remainders");
const fileOf = (cohort: string) => join(folder(), `${cohort}.json`);

/** @param sentence what it is, why it is there, and the command that removes it */
export async function noteRemainder(cohort: string, sentence: string, kind: Remainder["kind"] = "left"): Promise<void> {
  await makePrivateFolder(folder());
  await locked(fileOf(cohort), async () => {
    const before = await readRemainders(cohort);
    if (!before.some((one) => one.sentence === sentence)) await writeState(fileOf(cohort), JSON.stringify([...before, { kind, sentence }]));
  });
}

/** What was noted of a cohort, which is forgotten with that. */
export async function takeRemainders(cohort: string): Promise<Remainder[]> {
  const found = await readRemainders(cohort);
  await removeState(fileOf(cohort));
  await removeIfEmpty(folder());
  return found;
}

async function readRemainders(cohort: string): Promise<Remainder[]> {
  return (await readState(fileOf(cohort), Remainders, { orElse: [] })) ?? [];
}
