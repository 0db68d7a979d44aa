import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fluxNamespace } from "../../shared/names.ts";
import { cohortPaths, type LearnerPaths } from "../../shared/paths.ts";
import { LabError } from "../../shared/errors.ts";
import type { Isolation } from "../../shared/outputs.ts";
import { makePrivateFolder, readIfExists } from "../../shared/private-files.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { toolPath } from "../../tools/locate.ts";
import type { FluxController } from "../../tools/manifest.ts";
import { growingHeap, smallHeap } from "./control-plane/processes.ts";
import { ensureProcesses, processStatus } from "../../host/processes/client.ts";
import type { ProcessSpec } from "../../host/processes/process-table.ts";
import type { ProcessStatus } from "../../host/processes/supervisor.ts";
import type { Driver } from "../../host/driver.ts";
import { fluxDeployments } from "../../host/lab-host-node/deployments.ts";
import { Kustomization, listLive } from "../../verification/live-objects.ts";
import { limitsOf } from "../../host/limits/stored.ts";
import { leanKubeReader } from "../../host/kubernetes/reader.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { lookListening, orGiveBack } from "../../ledger/listening.ts";
import { giveBackPorts, leasePorts, type PortRange } from "../../ledger/ports.ts";
import { placementOf } from "./cluster.ts";

export interface FluxControllersInput {
  readonly cohort: string;
  readonly learner: string;
  readonly ports: PortRange;
  /** Controllers of another cluster are other controllers. */
  readonly clusterId: string;
  /** Of Flux, as `2.9.2`. */
  readonly version: string;
  readonly isolation: Isolation;
  /** URLs of the repository and images that Flux follows. */
  readonly follows: readonly string[];
}

export interface FluxControllersOutput {
  readonly cohort: string;
  readonly learner: string;
}

/**
 * The Flux controllers of an embedded cluster as processes in the learner's room: on simulated nodes a Deployment would not
 * run. They listen nowhere but for source-controller's artifacts, on the room's own loopback. The cluster has Deployments whose pods stand for
 * them, which nothing here waits for.
 */
export const fluxControllers: Driver<FluxControllersInput, FluxControllersOutput, "flux-controllers"> = {
  name: "flux-controllers",
  replaceOn: ["cohort", "learner", "clusterId"],
  creationOnly: ["ports"],

  async ensure({ cohort, learner, ports, isolation, follows }) {
    const lab = cohortPaths(cohort);
    const paths = lab.learner(learner);
    const placement = placementOf(cohort, learner, isolation);
    const artifacts = isolation === "room" ? artifactsInRoom : await artifactsOnHost(cohort, learner, ports);
    const folder = (name: string) => join(paths.cluster, "flux", name);
    const kubeconfig = join(paths.kubeconfigs, "flux.yaml");
    const { disk } = await limitsOf(lab);

    const controller = async (
      tool: FluxController,
      args: string[],
      { scratch = {}, reaches = [] }: { readonly scratch?: Record<string, number>; readonly reaches?: readonly string[] } = {},
    ): Promise<ProcessSpec> => {
      const held = { [folder("tmp")]: Math.floor(disk.flux / 8), ...scratch };
      // In a room they are in memory, and nothing of the host's.
      if (isolation !== "room") for (const one of Object.keys(held)) await makePrivateFolder(one);
      return placement.place(
        {
          name: `${learner}/${tool}`,
          owner: learner,
          command: await toolPath(tool),
          args: [
            "--metrics-addr=0",
            "--health-addr=0",
            "--events-addr=",
            "--enable-leader-election=false",
            "--log-level=info",
            "--watch-all-namespaces=true",
            ...args,
          ],
          env: {
            KUBECONFIG: placement.path(kubeconfig),
            RUNTIME_NAMESPACE: fluxNamespace,
            // Where the controllers unpack.
            TMPDIR: placement.path(folder("tmp")),
            HOME: placement.path(folder("tmp")),
            // Nothing that a learner writes needs a program, and whatever finds one runs it.
            PATH: "/nowhere",
            ...(tool === "kustomize-controller" ? growingHeap : smallHeap),
          },
          cwd: folder("tmp"),
          logFile: join(paths.logs, `${tool}.log`),
        },
        {
          reads: [kubeconfig],
          scratch: Object.fromEntries(Object.entries(held).map(([one, bytes]) => [placement.path(one), bytes])),
          reaches,
          // What a learner's manifests make of one must not be the end of the API server.
          expendable: true,
        },
      );
    };
    const reaches = follows.flatMap(elsewhere);
    const processes = [
      await controller(
        "source-controller",
        [`--storage-path=${placement.path(folder("source"))}`, `--storage-addr=${artifacts}`, `--storage-adv-addr=${artifacts}`],
        { scratch: { [folder("source")]: Math.floor((disk.flux * 3) / 8) }, reaches },
      ),
      await controller("kustomize-controller", [
        // By default a Kustomization whose dependency was not ready looks again after 30 s.
        "--requeue-dependency=1s",
        "--feature-gates=CancelHealthCheckOnNewRevision=true",
      ]),
      await controller("image-reflector-controller", [`--storage-path=${placement.path(folder("image-reflector"))}`], {
        scratch: { [folder("image-reflector")]: Math.floor(disk.flux / 8) },
        reaches,
      }),
      // One at a time: all push one branch, and a push that comes second is retried from a fresh clone.
      await controller("image-automation-controller", ["--concurrent=1"], { reaches }),
    ];
    // None but the controllers know the port, so it may be another each time.
    await orGiveBack(
      true,
      () => giveBackPorts(`${cohort}/${learner}`, ["source"]),
      async () => {
        const before = await processStatus(lab);
        const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
        await ensureProcesses(lab, processes);
        // Before the wait: it is a pod that brings back one which was scaled down.
        await applyDeployments(paths);
        await waitUntil(() => lookAtSource(cohort, learner, isolation, artifacts), {
          what: `source-controller of learner ${learner}`,
          timeoutSeconds: 120,
          remedy: `Its log is ${join(paths.logs, "source-controller.log")}; \`./lab up\` goes on from here.`,
        });
        if (await wasReplaced(cohort, `${learner}/source-controller`, before)) await awaitReconciled(paths, startedAt);
      },
    );
    return { id: `${cohort}/${learner}`, output: { cohort, learner } };
  },

  async read(_id, output) {
    const own = (await processStatus(cohortPaths(output.cohort))).filter(({ owner }) => owner === output.learner);
    const isWhole = own.some(({ name }) => name === `${output.learner}/source-controller`);
    // One whose pod is gone and came back with none is to be made anew, Deployment included.
    return isWhole && own.every(({ state }) => state !== "awaiting-pod") ? output : undefined;
  },

  // They are processes of the learner: the cluster's end, without which this is not deleted, ends them too.
  async remove() {},
};

/** Nobody else is in a room, so all rooms have the same. */
const artifactsInRoom = "127.0.0.1:9790";

async function artifactsOnHost(cohort: string, learner: string, ports: PortRange): Promise<string> {
  const { source } = await leasePorts(`${cohort}/${learner}`, ["source"], ports);
  return `127.0.0.1:${source}`;
}

/** What is followed that is not on this machine, as `host:port`. */
function elsewhere(url: string): string[] {
  const { protocol, hostname, port } = new URL(url);
  const usual: Readonly<Record<string, string>> = { "https:": "443", "http:": "80", "ssh:": "22" };
  return [`${hostname}:${port === "" ? (usual[protocol] ?? "443") : port}`];
}

/** Whether source-controller serves. In a room nobody outside can ask it: there it is enough that it runs. */
async function lookAtSource(cohort: string, learner: string, isolation: Isolation, artifacts: string): Promise<Look<undefined>> {
  if (isolation !== "room") return lookListening({ cohort, lease: `${cohort}/${learner}/source`, port: Number(artifacts.split(":")[1]) });
  const state = (await processStatus(cohortPaths(cohort))).find(({ name }) => name === `${learner}/source-controller`)?.state;
  return state === "running" ? { done: true, value: undefined } : { done: false, because: `it is ${state ?? "not there"}.` };
}

/** Whether a process that ran before is another one now. */
async function wasReplaced(cohort: string, process: string, before: readonly ProcessStatus[]): Promise<boolean> {
  const [old, next] = [before, await processStatus(cohortPaths(cohort))].map((all) => all.find(({ name }) => name === process));
  return old !== undefined && !isDeepStrictEqual(old.identity, next?.identity);
}

/**
 * Waits, for a while, until controllers that were started anew have looked at everything: until then a lab that is well
 * says that a reconciliation is in progress. How well it is, is for others to judge.
 */
async function awaitReconciled(paths: LearnerPaths, since: Date): Promise<void> {
  const admin = await readIfExists(join(paths.kubeconfigs, "admin.yaml"));
  if (admin === undefined) return;
  const look = async (): Promise<Look<undefined>> => {
    const kustomizations = await listLive(leanKubeReader(admin), Kustomization, fluxNamespace);
    const waiting = kustomizations.filter(
      ({ spec, status }) =>
        !spec.suspend &&
        (status.conditions.some(({ type, status: is }) => type === "Reconciling" && is === "True") ||
          new Date(status.history[0]?.lastReconciled ?? 0) < since),
    );
    return waiting.length === 0 ? { done: true, value: undefined } : { done: false, because: `${waiting.length} are at work.` };
  };
  const options = { what: "Flux to reconcile again", timeoutSeconds: 60, intervalMs: 500, remedy: "" };
  await waitUntil(look, options).catch((error: unknown) => {
    if (!(error instanceof LabError)) throw error;
  });
}

async function applyDeployments(paths: LearnerPaths): Promise<void> {
  const [admin, node] = await Promise.all(["admin", "lab-host"].map((client) => readIfExists(join(paths.kubeconfigs, `${client}.yaml`))));
  // In a lab from before there was a node for them, their pods would wait for ever.
  if (admin === undefined || node === undefined) return;
  const cluster = clusterClient(admin);
  await Promise.all(fluxDeployments().map(({ name, deployment }) => cluster.applyDeployment(fluxNamespace, name, deployment)));
}
