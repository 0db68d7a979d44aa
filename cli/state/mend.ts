import { copyFile, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { note } from "../terminal.ts";
import { filesIn, readWhole, statePlaces } from "./files.ts";

/**
 * Makes the folder of a file backend readable for work on one cohort, whatever a killed engine or a power loss left of its
 * files. Leaves other cohorts' files alone, except those that say nothing anyway. Writes nothing if all is well.
 */
export async function mendState(backend: string, cohort: string): Promise<void> {
  const { stacks, locks, history, backups } = statePlaces(backend, cohort);
  for (const folder of [join(backend, ".pulumi"), stacks, locks, history, backups]) await dropTornSidecars(folder);
  await dropTornMeta(join(backend, ".pulumi", "meta.yaml"));
  await dropTornRecords(backend, cohort);
  await recoverCheckpoint(backend, cohort);
}

/** A sidecar holds a content type and a sum, and Pulumi asks for neither; one that is cut off keeps it from reading the file. */
async function dropTornSidecars(folder: string): Promise<void> {
  for (const path of await filesIn(folder, "*.attrs")) if ((await readWhole(path)) === undefined) await rm(path, { force: true });
}

const meta = "version: 1\n";

/** Pulumi makes it anew, but refuses one that does not tell a version. */
async function dropTornMeta(path: string): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text !== undefined && text !== meta && (meta.startsWith(text) || isBlank(text))) await rm(path, { force: true });
}

/** Nothing, or the zeros that a file system leaves after a power loss. */
const isBlank = (text: string) => /^[\0\s]*$/.test(text);

/** Pulumi's history of operations, and its drafts. Nobody needs them, and a file that is cut off ends every command. */
async function dropTornRecords(backend: string, cohort: string): Promise<void> {
  const { history, tags, stacks } = statePlaces(backend, cohort);
  for (const path of await filesIn(history, "*.history.json*"))
    if (!path.endsWith(".attrs") && (await readWhole(path)) === undefined) await rm(path, { force: true });
  if ((await stat(tags).catch(() => undefined))?.isFile() && (await readWhole(tags)) === undefined) await rm(tags, { force: true });
  for (const path of await filesIn(stacks, `${cohort}.json*.tmp`))
    if (Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()) > 60_000) await rm(path, { force: true });
}

/** Whether Pulumi can take this for a checkpoint: it has a version and a content. */
async function isCheckpoint(path: string): Promise<boolean> {
  const value = (await readWhole(path)) as { readonly version?: unknown; readonly checkpoint?: unknown } | undefined;
  return typeof value?.version === "number" && typeof value.checkpoint === "object" && value.checkpoint !== null;
}

/** A checkpoint that is cut off comes back from the newest whole copy; where there is none, it goes. */
async function recoverCheckpoint(backend: string, cohort: string): Promise<void> {
  const { checkpoint, history, backups } = statePlaces(backend, cohort);
  for (const path of [checkpoint, `${checkpoint}.gz`, `${checkpoint}.zst`]) {
    if (!(await stat(path).catch(() => undefined))?.isFile() || (await isCheckpoint(path))) continue;
    const copy = await newestWhole([`${path}.bak`, ...(await copiesIn(backups)), ...(await copiesIn(history))]);
    if (copy === undefined) {
      await rm(path, { force: true });
      note(
        `Pulumi's state of cohort ${cohort} was cut off while it was written, and no copy of it is whole. What there is of the cohort is found again without it.`,
      );
    } else {
      const draft = `${path}.recovered.tmp`;
      await copyFile(copy, draft);
      await rename(draft, path);
      note(`Pulumi's state of cohort ${cohort} was cut off while it was written: its newest copy is taken.`);
    }
    // What was done last is told of a state that is gone: without it the next run looks at everything.
    await rm(history, { recursive: true, force: true });
  }
}

async function copiesIn(folder: string): Promise<string[]> {
  return (await filesIn(folder)).filter((path) => /\.json(\.gz|\.zst)?$/.test(path) && !path.includes(".history."));
}

/** Pulumi copies the checkpoint before each write, and keeps another when an operation has ended. */
async function newestWhole(copies: readonly string[]): Promise<string | undefined> {
  const dated = await Promise.all(copies.map(async (path) => ({ path, at: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 })));
  for (const { path } of dated.sort((a, b) => b.at - a.at)) if (await isCheckpoint(path)) return path;
  return undefined;
}

/** Pulumi's settings for this project hold which stack was selected last; one that is cut off keeps it from selecting any. */
export async function mendSettings(pulumiFolder: string): Promise<void> {
  for (const path of await filesIn(join(pulumiFolder, "workspaces"), "gitops-lab-*-workspace.json"))
    if ((await readWhole(path)) === undefined) await rm(path, { force: true });
}
