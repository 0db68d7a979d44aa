import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { LabError, messageOf } from "../shared/errors.ts";
import { DnsLabel } from "../shared/names.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, readIfExists } from "../shared/private-files.ts";
import { shellWord } from "../shared/shell-word.ts";
import { readInventory, recordCreation } from "./inventory.ts";

/** In the cohort's folder: the word by which the inventory knows it. */
const markFile = (paths: CohortPaths) => join(paths.root, "owner");

/**
 * Makes the cohort's folder and marks it as the lab's, which the inventory is told before. Throws LabError
 * `folder-foreign` where something else has come into its place.
 */
export async function claimCohortFolder(paths: CohortPaths): Promise<void> {
  const { root } = paths;
  const noted = await notedMark(paths);
  const present = await readIfExists(markFile(paths));
  const mark = noted ?? present ?? randomUUID();
  if ((await ownership(paths)) === "foreign") {
    throw new LabError(
      "folder-foreign",
      `${root} is not the folder that the lab made for cohort ${paths.cohort}: somebody put another in its place. Nothing was changed. Move it away with \`mv ${shellWord(root)} ${shellWord(`${root}.other`)}\` and run the command again.`,
    );
  }
  if (noted === undefined) await recordCreation(paths.cohort, { kind: "folder", id: root, mark });
  await makePrivateFolder(root);
  await createPrivateFile(markFile(paths), mark);
}

/**
 * Whose the cohort's folder is: `foreign` where the inventory knows a mark that it has not. An empty folder is the lab's,
 * killed before it wrote the mark; so is one of which no inventory says anything, made by an earlier version.
 */
export async function ownership(paths: CohortPaths): Promise<"own" | "foreign" | "absent"> {
  const { root } = paths;
  if (!existsSync(root)) return "absent";
  const noted = await notedMark(paths);
  if (noted === undefined || (await readIfExists(markFile(paths)).catch(() => undefined)) === noted) return "own";
  return (await readdir(root).catch(() => ["no folder"])).length === 0 ? "own" : "foreign";
}

async function notedMark(paths: CohortPaths): Promise<string | undefined> {
  const { root } = paths;
  return (await readInventory(paths.cohort)).find(({ kind, id }) => kind === "folder" && id === root)?.mark;
}

/** Files that stand where the lab would have a learner's folder; it makes none there. */
export async function filesInTheWay(paths: CohortPaths): Promise<string[]> {
  const learners = join(paths.root, "learners");
  const entries = await readdir(learners, { withFileTypes: true }).catch(() => []);
  return entries.flatMap((entry) => (entry.isFile() && DnsLabel.safeParse(entry.name).success ? [join(learners, entry.name)] : []));
}

/**
 * Removes something in the cohort's folder, or the folder, with everything in it but files in the place of learners' folders.
 * Leaves it where the folder is somebody else's. Throws LabError where something is mounted in it, whose content must not be reached, or where it can't be removed.
 */
export async function removeOwned(paths: CohortPaths, path: string): Promise<void> {
  if ((await ownership(paths)) !== "own") return;
  const [mount] = await mountsBelow(path);
  if (mount !== undefined) {
    throw new LabError(
      "folder-mounted",
      `${mount} is mounted, so ${path} was left: removing it would reach what is mounted there. Take it off with \`umount ${shellWord(mount)}\` and run the command again.`,
    );
  }
  try {
    const inTheWay = await filesInTheWay(paths);
    await removeBut(path, inTheWay.length > 0 ? [...inTheWay, markFile(paths)] : []);
  } catch (error) {
    // A file is in the place of a folder above, so nothing of the lab's is there.
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return;
    throw new LabError(
      "folder-kept",
      `${path} could not be removed: ${messageOf(error)}. Remove it with \`rm -r ${shellWord(path)}\` and run the command again.`,
      { cause: error },
    );
  }
}

async function removeBut(path: string, kept: readonly string[]): Promise<void> {
  if (kept.includes(path)) return;
  if (!kept.some((one) => one.startsWith(`${path}/`))) return rm(path, { recursive: true, force: true });
  for (const entry of await readdir(path)) await removeBut(join(path, entry), kept);
}

/** The mount points at a path and below it, the innermost first. */
export async function mountsBelow(path: string): Promise<string[]> {
  const points = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  return points
    .map(unescaped)
    .filter((point) => point === path || point.startsWith(`${path}/`))
    .toReversed();
}

/** Spaces and the like are octal in mountinfo: see proc_pid_mountinfo(5). */
function unescaped(point: string): string {
  return point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
