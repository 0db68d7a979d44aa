import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lock } from "proper-lockfile";
import { LabError } from "../shared/errors.ts";

/** A holder renews its lock all the time; one that has not for this long was killed, and the lock is taken over. */
const staleMs = 10_000;
const waitSeconds = 60 * 60;

/**
 * Runs the work while no other process does so for the same folder. `onWait` is called when another holds the lock.
 * Throws LabError `setup-busy` after an hour.
 */
export async function withInstallLock<T>(folder: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true });
  let release = await acquire(folder, 0);
  if (release === undefined) {
    onWait();
    release = await acquire(folder, waitSeconds);
  }
  if (!release) {
    throw new LabError("setup-busy", `Another ./lab setup has been busy in ${folder} for an hour. Stop it, then run ./lab setup`);
  }
  try {
    return await work();
  } finally {
    // Fails only when the lock was taken over meanwhile: then there is nothing to release.
    await release().catch(() => {});
  }
}

/** Undefined when another held the lock all the time. */
async function acquire(folder: string, seconds: number): Promise<(() => Promise<void>) | undefined> {
  try {
    return await lock(folder, {
      lockfilePath: join(folder, ".lock"),
      realpath: false,
      stale: staleMs,
      retries: { retries: seconds, factor: 1, minTimeout: 1000 },
      // Happens when this machine slept. What two processes install is the same, and is put in place in one step.
      onCompromised: () => {},
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOCKED") return undefined;
    throw error;
  }
}
