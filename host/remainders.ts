import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { locked } from "../shared/locked.ts";
import { labHome } from "../shared/paths.ts";
import { makePrivateFolder, readIfExists, removeIfEmpty, writePrivateFile } from "../shared/private-files.ts";

/*
 * What a teardown had to leave, because it is no longer the lab's or may not be deleted. It is no failure of the resource,
 * which would keep the rest of the cohort from going; `./lab down` tells it at its end.
 */
const Remainders = z.array(z.string());

const folder = () => join(labHome(), "remainders");
const fileOf = (cohort: string) => join(folder(), `${cohort}.json`);

/** @param sentence what is left, why, and the command that removes it */
export async function noteRemainder(cohort: string, sentence: string): Promise<void> {
  await makePrivateFolder(folder());
  await locked(fileOf(cohort), async () => {
    const before = await readRemainders(cohort);
    if (!before.includes(sentence)) await writePrivateFile(fileOf(cohort), JSON.stringify([...before, sentence]));
  });
}

/** What was noted of a cohort, which is forgotten with that. */
export async function takeRemainders(cohort: string): Promise<string[]> {
  const found = await readRemainders(cohort);
  await rm(fileOf(cohort), { force: true });
  await removeIfEmpty(folder());
  return found;
}

async function readRemainders(cohort: string): Promise<string[]> {
  const text = await readIfExists(fileOf(cohort));
  return text === undefined ? [] : Remainders.parse(JSON.parse(text));
}
