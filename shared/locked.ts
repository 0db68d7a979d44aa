import lockfile from "proper-lockfile";

/** Does something while no other process of the lab does so under the same path, which need not exist. */
export async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  const release = await lockfile.lock(path, { realpath: false, retries: { retries: 100, minTimeout: 20, maxTimeout: 200 } });
  try {
    return await work();
  } finally {
    await release();
  }
}
