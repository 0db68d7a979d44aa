import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { ensurePki } from "../../clusters/embedded/control-plane/pki.ts";
import { processStatus } from "../../host/processes/client.ts";
import { embeddedCluster } from "../../clusters/embedded/cluster.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { labHost } from "../../host/drivers/lab-host.ts";
import { defaultPortRange as ports } from "../../ledger/ports.ts";
import type { Isolation } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { memoryOf } from "./ground.ts";

const cohort = "e2e-bench-rooms";
const restSeconds = 10;

/**
 * Control planes as `./lab up` makes them, by the same drivers, in a room and without one in turn: seconds until the API server
 * answers and has its node, and MiB of the two processes of the room after some seconds of rest.
 */
export async function measureControlPlanes(runs: number, spread: (values: readonly number[]) => object): Promise<Record<string, unknown>> {
  await labHost(sweepClusters).ensure({ cohort, ports, isolation: "room" });
  try {
    const seconds: Record<Isolation, number[]> = { room: [], none: [] };
    const pss: number[] = [];
    const anonymous: number[] = [];
    for (let index = 0; index < runs; index += 1) {
      // Who is first has the machine as the one before left it: so each is every second time.
      const order: Isolation[] = index % 2 === 0 ? ["none", "room"] : ["room", "none"];
      for (const isolation of order) {
        const learner = `${isolation}-${index}`;
        // The same work either way, and its time varies: keys are found by trial.
        await ensurePki(cohortPaths(cohort).learner(learner).pki, 0);
        const began = Date.now();
        const { id, output } = await embeddedCluster.ensure({ cohort, learner, ports, isolation });
        seconds[isolation].push((Date.now() - began) / 1000);
        if (isolation === "room") {
          await delay(restSeconds * 1000);
          const memory = await memoryOf(await roomProcesses(learner));
          pss.push(memory.pss);
          anonymous.push(memory.anonymous);
        }
        await embeddedCluster.remove(id, output);
      }
    }
    const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
    return {
      runs,
      secondsInRoom: spread(seconds.room),
      secondsWithout: spread(seconds.none),
      secondsMore: median(seconds.room) - median(seconds.none),
      roomPss: spread(pss),
      roomAnonymous: spread(anonymous),
    };
  } finally {
    await removeCohortFromHost(cohortPaths(cohort), sweepClusters);
  }
}

/** The room's process outside and the first one within. */
async function roomProcesses(learner: string): Promise<number[]> {
  const outside = (await processStatus(cohortPaths(cohort))).find(({ name }) => name === `${learner}/room`)?.pid;
  if (outside === undefined) throw new Error(`${learner} has no room`);
  // Of whichever of its threads made it: proc_pid_task_children(5).
  const children = await readFile(`/proc/${outside}/task/${outside}/children`, "utf8");
  return [outside, ...children.trim().split(" ").map(Number)];
}
