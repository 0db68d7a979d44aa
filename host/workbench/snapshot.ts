import { z } from "zod";
import type { Backstage } from "../../lab-templates/workbench.ts";
import { drillLabel } from "../../lab-templates/workbench.ts";
import { messageOf } from "../../shared/errors.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import {
  listLive,
  GitRepository,
  ImagePolicy,
  ImageRepository,
  ImageUpdateAutomation,
  Kustomization,
  type LiveKind,
  type FluxObject,
} from "../../verification/live-objects.ts";
import type { EvidenceCheck } from "../../verification/types.ts";
import { observe, runChecks } from "../../verification/verify.ts";
import { lookAtRest } from "../flux/at-rest.ts";
import { healthCheckNudge } from "../flux/health-check-nudge.ts";
import { oneLook } from "../flux/one-look.ts";
import { clusterClient } from "../kubernetes/client.ts";
import { leanKubeReader } from "../kubernetes/reader.ts";

/** The state of a learner's lab that a reset brings back. What runs in the cluster follows from it. */
export const Snapshot = z.object({
  at: z.iso.datetime(),
  /** Tip of the branch. */
  commit: z.string(),
  /** Every tag of the image with its digest. */
  tags: z.record(z.string(), z.string()),
});
export type Snapshot = z.output<typeof Snapshot>;

/** Waits until a lab is at rest and its evidence passes; at the deadline says what is wrong. */
export async function requireHealthy(bench: Backstage, evidence: readonly EvidenceCheck[], timeoutSeconds: number): Promise<void> {
  const kube = leanKubeReader(bench.learner.cluster.adminKubeconfig);
  await waitUntil(() => lookAtHealth(oneLook(kube), bench, evidence), {
    what: `the lab of learner ${bench.learner.id} to be well, which a drill must begin with`,
    timeoutSeconds,
    intervalMs: 500,
    remedy: `Bring it in order first; \`./lab verify ${bench.learner.id}\` shows its state.`,
  });
}

export async function takeSnapshot(bench: Backstage): Promise<Snapshot> {
  const [commit, tags] = await Promise.all([bench.observe(async ({ git }) => git.head()), bench.tags()]);
  return { at: new Date().toISOString(), commit, tags: Object.fromEntries(tags) };
}

/**
 * Brings a lab back to a snapshot, whatever was done to it since, and waits until it is well: the files of the branch by a
 * commit on top, tags and digests in the registry, every Flux object at work. Throws LabError `timeout` that says what is
 * still wrong after `timeoutSeconds`.
 */
export async function restoreSnapshot(
  bench: Backstage,
  snapshot: Snapshot,
  options: { readonly message: string; readonly evidence: readonly EvidenceCheck[]; readonly timeoutSeconds: number },
): Promise<void> {
  await bench.interruptGit(undefined);
  await restoreTags(bench, snapshot);
  let tip = await bench.restoreFiles(snapshot.commit, options.message);
  await resumeAll(bench);
  await bench.adminKubectl(["delete", "secrets", "-A", "-l", drillLabel, "--ignore-not-found"]);

  const { learner, environments } = bench;
  const kube = leanKubeReader(learner.cluster.adminKubeconfig);
  const nudge = healthCheckNudge(clusterClient(learner.cluster.adminKubeconfig));
  await waitUntil(
    async () => {
      try {
        // Image automation may have been writing, or the pipeline tagging, what the drill had asked for.
        if ((await bench.observe(async ({ git }) => git.head())) !== tip) {
          await restoreTags(bench, snapshot);
          tip = await bench.restoreFiles(snapshot.commit, options.message);
        }
        const now = oneLook(kube);
        await nudge(now, environments);
        return await lookAtHealth(now, bench, options.evidence);
      } catch (error) {
        return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
      }
    },
    {
      what: `the lab of learner ${learner.id} to be well after its reset`,
      timeoutSeconds: options.timeoutSeconds,
      intervalMs: 500,
      remedy: `Run the reset again; \`./lab verify ${learner.id}\` shows the lab's state.`,
    },
  );
  await bench.dropProposals();
}

async function lookAtHealth(kube: KubeReader, bench: Backstage, evidence: readonly EvidenceCheck[]): Promise<Look<undefined>> {
  const { learner, environments } = bench;
  try {
    const rest = await lookAtRest(kube, learner.git, environments);
    if (!rest.done) return rest;
    const reports = await observe(learner, environments, (context) => runChecks(evidence, context));
    const troubles = reports.flatMap(({ title, result }) =>
      result.status === "pass" ? [] : [`${title}: ${result.status === "fail" ? result.observed : result.reason}`],
    );
    return troubles.length === 0 ? { done: true, value: undefined } : { done: false, because: troubles.join(" ") };
  } catch (error) {
    return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
  }
}

async function restoreTags(bench: Backstage, { tags }: Snapshot): Promise<void> {
  const present = await bench.tags();
  for (const [tag, digest] of Object.entries(tags)) if (present.get(tag) !== digest) await bench.tag(digest, tag);
  for (const tag of present.keys()) if (!Object.hasOwn(tags, tag)) await bench.untag(tag);
}

const fluxKinds: readonly LiveKind[] = [GitRepository, Kustomization, ImageRepository, ImagePolicy, ImageUpdateAutomation];

/** Ends every suspension and asks every object to look now. */
async function resumeAll(bench: Backstage): Promise<void> {
  const kube = leanKubeReader(bench.learner.cluster.adminKubeconfig);
  const requestedAt = new Date().toISOString();
  for (const kind of fluxKinds) {
    for (const { metadata } of (await listLive(kube, kind)) as FluxObject[]) {
      const patch = { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": requestedAt } }, spec: { suspend: null } };
      await bench.adminKubectl([
        "patch",
        `${kind.kind.toLowerCase()}.${kind.apiVersion.split("/")[0]}`,
        metadata.name,
        "-n",
        metadata.namespace ?? fluxNamespace,
        "--type=merge",
        "--field-manager=gitops-lab",
        "-p",
        JSON.stringify(patch),
      ]);
    }
  }
}
