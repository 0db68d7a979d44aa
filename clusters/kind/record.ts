import { join } from "node:path";
import { z } from "zod";
import { readState, writeState } from "../../shared/state-file.ts";
import { kindFolder } from "./config.ts";

/**
 * What the lab knows of a kind cluster: written before it is made, so that what an interrupted run left is known to be
 * ours, and completed with the ids of its containers, so that another cluster of that name is known not to be.
 */
const ClusterRecord = z.object({ schemaVersion: z.literal(1), name: z.string(), containers: z.array(z.string()).optional() });
export type ClusterRecord = z.output<typeof ClusterRecord>;

const fileOf = (cohort: string, learner: string) => join(kindFolder(cohort, learner), "cluster.json");

export async function readRecord(cohort: string, learner: string): Promise<ClusterRecord | undefined> {
  const remedy = `Run \`./lab down ${cohort}\`; \`kind get clusters\` tells whether the cluster is left.`;
  return readState(fileOf(cohort, learner), ClusterRecord, { what: `What is known of the kind cluster of ${learner}`, remedy });
}

export async function writeRecord(cohort: string, learner: string, record: Omit<ClusterRecord, "schemaVersion">): Promise<void> {
  await writeState(fileOf(cohort, learner), JSON.stringify({ schemaVersion: 1, ...record }, null, 2));
}
