import { mkdir } from "node:fs/promises";
import { locked } from "../shared/locked.ts";

const waitSeconds = 60 * 60;

/**
 * Runs the work while no other process does so for the same folder. `onWait` is called when another holds the lock.
 * Throws LabError `lock-held` after an hour.
 */
export async function withInstallLock<T>(folder: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  return locked(`${folder}/`, work, waitSeconds, onWait);
}
