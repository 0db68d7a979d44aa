import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import lockfile from "proper-lockfile";
import { labHome } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";

/**
 * Does something in one of so many places, of which each is taken by one process of this lab at a time: clusters are made
 * by several plugin processes. A place whose holder was killed is free after ten seconds.
 */
export async function inSlot<T>(name: string, places: number, work: () => Promise<T>): Promise<T> {
  const folder = await makePrivateFolder(join(labHome(), "slots"));
  for (;;) {
    for (let place = 0; place < places; place += 1) {
      const release = await lockfile.lock(join(folder, `${name}-${place}`), { realpath: false, retries: 0 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ELOCKED") return undefined;
        throw error;
      });
      if (release === undefined) continue;
      try {
        return await work();
      } finally {
        await release();
      }
    }
    await delay(250);
  }
}
