import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";
import { boundedGit } from "./bounded-git.ts";
import { unlessPushed } from "./receiving.ts";
import { gitEnvironment } from "./repository.ts";

/** Every push is kept as a pack of its own; with more of them every look takes longer. */
const mostPacks = 24;
const timeoutMs = 180_000;

/** Whether a repository has so many packs that it is time to put them together. */
export async function isUntidy(repository: string): Promise<boolean> {
  const packs = await readdir(join(repository, "objects", "pack")).catch(() => []);
  return packs.filter((name) => name.endsWith(".pack")).length > mostPacks;
}

/**
 * Puts a repository's packs together and removes what no ref leads to, such as what was on a branch that is gone, and what
 * pushes that were killed left. Returns false, with nothing done, while somebody pushes.
 */
export function tidyRepository(repository: string): Promise<boolean> {
  return unlessPushed(repository, async () => {
    const objects = join(repository, "objects");
    const left = (await readdir(objects)).filter((name) => name.startsWith("tmp_objdir-"));
    for (const name of left) await rm(join(objects, name), { recursive: true, force: true });
    const [command, args] = await boundedGit([`--git-dir=${repository}`, "gc", "--quiet", "--prune=now"], {
      "gc.writeCommitGraph": "false",
    });
    await run(command, args, { env: gitEnvironment(), stdin: "ignore", timeout: timeoutMs });
  });
}
