import { join } from "node:path";
import { fluxNamespace } from "../../shared/names.ts";
import { cohortPaths, type LearnerPaths } from "../../shared/paths.ts";
import { makePrivateFolder, readIfExists } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";
import { toolPath } from "../../tools/locate.ts";
import { heapLimits, smallHeap } from "../control-plane/processes.ts";
import { ensureProcesses, processStatus } from "../daemon/client.ts";
import type { ProcessSpec } from "../daemon/process-table.ts";
import type { Driver } from "../driver.ts";
import { fluxDeployments } from "../flux/deployments.ts";
import { clusterClient } from "../kubernetes.ts";
import { lookListening, orGiveBack } from "../listening.ts";
import { confined } from "../node/node-process.ts";
import { giveBackPorts, leasePorts, type PortRange } from "../ports.ts";

export interface FluxControllersInput {
  readonly cohort: string;
  readonly learner: string;
  readonly ports: PortRange;
  /** Controllers of another cluster are other controllers. */
  readonly clusterId: string;
  /** Of Flux, as `2.9.2`. */
  readonly version: string;
}

export interface FluxControllersOutput {
  readonly cohort: string;
  readonly learner: string;
}

/**
 * The Flux controllers of an embedded cluster as processes of the lab host: on simulated nodes a Deployment would not
 * run. They listen nowhere but for source-controller's artifacts on loopback. The cluster has Deployments whose pods stand for
 * them, which nothing here waits for.
 */
export const fluxControllers: Driver<FluxControllersInput, FluxControllersOutput> = {
  replaceOn: ["cohort", "learner", "clusterId"],
  creationOnly: ["ports"],

  async ensure({ cohort, learner, ports }) {
    const paths = cohortPaths(cohort).learner(learner);
    const { source } = await leasePorts(`${cohort}/${learner}`, ["source"], ports);
    const storage = await makePrivateFolder(join(paths.cluster, "flux", "source"));
    const reflector = await makePrivateFolder(join(paths.cluster, "flux", "image-reflector"));
    const scratch = await makePrivateFolder(join(paths.cluster, "flux", "tmp"));
    const artifacts = `127.0.0.1:${source}`;

    const controller = async (tool: Parameters<typeof toolPath>[0], args: string[]): Promise<ProcessSpec> =>
      confined(paths, {
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
          KUBECONFIG: join(paths.kubeconfigs, "flux.yaml"),
          RUNTIME_NAMESPACE: fluxNamespace,
          // Where the controllers unpack; inside the lab's folder, so that it goes with the lab.
          TMPDIR: scratch,
          HOME: scratch,
          PATH: process.env["PATH"] ?? "",
          ...(tool === "kustomize-controller" ? heapLimits[tool] : smallHeap),
        },
        cwd: scratch,
        logFile: join(paths.logs, `${tool}.log`),
      });
    const processes = [
      await controller("source-controller", [
        `--storage-path=${storage}`,
        `--storage-addr=${artifacts}`,
        `--storage-adv-addr=${artifacts}`,
      ]),
      await controller("kustomize-controller", [
        // By default a Kustomization whose dependency was not ready looks again after 30 s.
        "--requeue-dependency=1s",
        "--feature-gates=CancelHealthCheckOnNewRevision=true",
      ]),
      await controller("image-reflector-controller", [`--storage-path=${reflector}`]),
      // One at a time: all push one branch, and a push that comes second is retried from a fresh clone.
      await controller("image-automation-controller", ["--concurrent=1"]),
    ];
    // None but the controllers know the port, so it may be another each time.
    await orGiveBack(
      true,
      () => giveBackPorts(`${cohort}/${learner}`, ["source"]),
      async () => {
        await ensureProcesses(cohort, processes);
        // Before the wait: it is a pod that brings back one which was scaled down.
        await applyDeployments(paths);
        await waitUntil(() => lookListening({ cohort, lease: `${cohort}/${learner}/source`, port: source }), {
          what: `source-controller of learner ${learner}`,
          timeoutSeconds: 120,
          remedy: `Its log is ${join(paths.logs, "source-controller.log")}; \`./lab up\` goes on from here.`,
        });
      },
    );
    return { id: `${cohort}/${learner}`, output: { cohort, learner } };
  },

  async read(_id, output) {
    const own = (await processStatus(output.cohort)).filter(({ owner }) => owner === output.learner);
    const isWhole = own.some(({ name }) => name === `${output.learner}/source-controller`);
    // One whose pod is gone and came back with none is to be made anew, Deployment included.
    return isWhole && own.every(({ state }) => state !== "awaiting-pod") ? output : undefined;
  },

  // They are processes of the learner: the cluster's end, without which this is not deleted, ends them too.
  async remove() {},
};

async function applyDeployments(paths: LearnerPaths): Promise<void> {
  const [admin, node] = await Promise.all(["admin", "lab-host"].map((client) => readIfExists(join(paths.kubeconfigs, `${client}.yaml`))));
  // In a lab from before there was a node for them, their pods would wait for ever.
  if (admin === undefined || node === undefined) return;
  const cluster = clusterClient(admin);
  await Promise.all(fluxDeployments().map(({ name, deployment }) => cluster.applyDeployment(fluxNamespace, name, deployment)));
}
