import { existsSync } from "node:fs";
import { mkdir, readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { limits, removeCgroup } from "../../host/room/cgroups.ts";
import { ensureCgroup } from "../../host/room/groups.ts";
import { limitNow } from "../../host/room/limits-now.ts";
import { roomProcess } from "../../host/room/room.ts";
import { defaultLimits } from "../../shared/limits.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

test("changed limits hold for the labs that run, and for the next start of their rooms", async ({ skip }) => {
  const paths = cohortPaths("limited");
  const own = paths.learner("ada");
  const cgroup = await ensureCgroup("limited", "ada", own);
  if (cgroup === undefined) return skip("this account can make no control group");
  onTestFinished(() => removeCgroup(cgroup));
  for (const folder of Object.values(cgroup.folders)) await mkdir(folder, { recursive: true });
  const { args } = await roomProcess({ cohort: "limited", learner: "ada", paths, ports: { api: 1, http: 2, registry: 3 } });

  const most = { ...defaultLimits, memory: 700 * 1024 ** 2, pids: 300, cpu: 0.5, inotify: 20 };
  await limitNow(paths, most);
  const values = limits(cgroup.version, 2, most);
  let seen = 0;
  for (const [file, value] of Object.entries(values)) {
    const files = Object.values(cgroup.folders)
      .map((folder) => join(folder, file))
      .filter((path) => existsSync(path));
    for (const path of files) expect([file, (await readFile(path, "utf8")).trim()]).toEqual([file, value]);
    seen += files.length;
  }
  expect(seen).toBeGreaterThan(1);
  expect(JSON.parse(await readFile(args[1]!, "utf8"))).toMatchObject({
    cgroup: { limits: values },
    userLimits: { max_inotify_instances: "20" },
  });

  // The file of a room that a lost machine cut off keeps nobody from the new limits; the cluster's update writes it anew.
  const { args: torn } = await roomProcess({ cohort: "limited", learner: "bob", paths, ports: { api: 4, http: 5, registry: 6 } });
  await truncate(torn[1]!, 100);
  await limitNow(paths, { ...most, inotify: 30 });
  expect((await stat(torn[1]!)).size).toBe(100);
  expect(JSON.parse(await readFile(args[1]!, "utf8"))).toMatchObject({ userLimits: { max_inotify_instances: "30" } });
});
