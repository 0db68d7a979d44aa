import { join } from "node:path";
import { z } from "zod";
import { locked } from "../shared/locked.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { makePrivateFolder } from "../shared/private-files.ts";
import { readState, writeState } from "../shared/state-file.ts";

/** What can be rotated through Pulumi: each has a generation, which the credentials in use follow at the next `up`. */
export const rotated = ["kubeconfig", "git", "registry"] as const;
export type Rotated = (typeof rotated)[number];

const Generation = z.int().default(0);
const Generations = z.object({ kubeconfig: Generation, git: Generation, registry: Generation });
export type Generations = z.output<typeof Generations>;

/** Beside the credentials, so that it goes when the learner does. */
const fileOf = (paths: CohortPaths, learner: string) => join(paths.learner(learner).access, "generations.json");

/** The generation that each of a learner's credentials is to have; 0 before any rotation. */
export async function generationsOf(paths: CohortPaths, learner: string): Promise<Generations> {
  try {
    const remedy = `Remove the file with \`rm\` and run \`./lab reset ${learner} --cohort ${paths.cohort}\`, which keeps a backup and makes new credentials.`;
    const what = `Which credentials ${learner} has`;
    return (await readState(fileOf(paths, learner), Generations, { what, remedy })) ?? Generations.parse({});
  } catch (error) {
    // Something stands in the place of the learner's folder. Whoever makes their lab will say so; the others' are made.
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return Generations.parse({});
    throw error;
  }
}

/**
 * Asks for new credentials. It is a wish on disk, like the cohort file: the next `up` carries it out, also after one that
 * was killed half-way.
 */
export async function askForRotation(paths: CohortPaths, learner: string, which: readonly Rotated[]): Promise<void> {
  const { access } = paths.learner(learner);
  await makePrivateFolder(access);
  await locked(access, async () => {
    const generations = await generationsOf(paths, learner);
    for (const one of which) generations[one] += 1;
    await writeState(fileOf(paths, learner), JSON.stringify(generations));
  });
}
