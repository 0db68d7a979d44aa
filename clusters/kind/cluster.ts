import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder, removeIfEmpty, writePrivateFile } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";
import { forgetCreation, noteCreation } from "../../ledger/creation.ts";
import { updateDoors } from "../../host/processes/client.ts";
import { readDaemonConfig } from "../../host/processes/config.ts";
import { requireOpen } from "../../host/doors/require-open.ts";
import type { Driver } from "../../host/driver.ts";
import { containersOf, docker, inNode, kind, type Container } from "./cli.ts";
import { hostsToml, kindConfig, kindFolder, kindName, nodeOf, nodeRegistries, type NodeRegistry } from "./config.ts";
import { readRecord, writeRecord } from "./record.ts";
import { recordCreation } from "../../ledger/inventory.ts";
import { removeOwned } from "../../ledger/ownership.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { leasePorts, releasePorts, type PortRange } from "../../ledger/ports.ts";
import { inStacks } from "../in-stacks.ts";
import type { Doing } from "../step-failure.ts";

export interface KindClusterInput {
  readonly cohort: string;
  readonly learner: string;
  readonly ports: PortRange;
  /** Node image, pinned by digest. */
  readonly image: string;
  /** Files made by `docker save`; relative to stacks/ or absolute. */
  readonly imageArchives: readonly string[];
  /** The registry of the learner's images, where it is on this machine. */
  readonly registry?: NodeRegistry;
  /** The name that learners beyond this machine use, where the cohort is opened. */
  readonly openName?: string;
}

export interface KindClusterOutput {
  readonly cohort: string;
  readonly learner: string;
  /** Changes only when the cluster is made anew. */
  readonly clusterId: string;
  readonly apiServer: string;
  readonly adminKubeconfig: string;
  /** Loopback port that leads to port 80 of the node, for an ingress controller. */
  readonly ingressPort: number;
  /** The API server for learners beyond this machine; only where the cohort is opened. */
  readonly openApiServer?: string;
}

/** A cluster of its own per learner, as one Docker container that kind makes. */
export const kindCluster: Driver<KindClusterInput, KindClusterOutput, "kind-cluster"> = {
  name: "kind-cluster",
  replaceOn: ["cohort", "learner", "image"],
  creationOnly: ["ports"],
  optional: ["registry", "openName"],

  async ensure({ cohort, learner, ports: range, image, imageArchives, registry, openName }) {
    const folder = await makePrivateFolder(kindFolder(cohort, learner));
    await noteCreation(cohortPaths(cohort), learner);
    const name = kindName(cohort, learner);
    const ports = await leasePorts(`${cohort}/${learner}`, ["api", "ingress"], range);
    const registriesFolder = await writeRegistry(join(folder, "registries"), registry);
    const kubeconfigFile = join(folder, "admin.yaml");
    if (!(await isThere(cohort, learner))) {
      await writePrivateFile(join(folder, "config.yaml"), kindConfig(name, { image, ports, registriesFolder }));
      await create(cohort, learner, image, kubeconfigFile);
    }
    const adminKubeconfig = await readFile(kubeconfigFile, "utf8");
    for (const archive of imageArchives.map(inStacks))
      await kind(["load", "image-archive", archive, "--name", name], { learner, step: `load the images of ${archive}` }, 600);
    await awaitReady(learner, adminKubeconfig, name);
    if (registry !== undefined) await requireReached(learner, name, registry);
    if (openName !== undefined) await requireOpen(cohort, `${learner}/api`);
    return {
      id: `${cohort}/${learner}`,
      output: {
        cohort,
        learner,
        clusterId: await clusterClient(adminKubeconfig).identity(),
        apiServer: `https://127.0.0.1:${ports.api}`,
        adminKubeconfig,
        ingressPort: ports.ingress,
        ...(openName !== undefined && { openApiServer: `https://${openName}:${ports.api}` }),
      },
    };
  },

  async read(_id, output) {
    const { cohort, learner } = output;
    const record = await readRecord(cohort, learner);
    if (record?.containers === undefined) return undefined;
    const there = await containersOf(record.name, { learner, step: "look whether the kind cluster is there" });
    return there.length > 0 && there.every(({ id }) => record.containers?.includes(id)) ? output : undefined;
  },

  async remove(_id, { cohort, learner }) {
    const paths = cohortPaths(cohort);
    await removeOwn(cohort, learner, { learner, step: "remove the kind cluster" });
    await removeOwned(paths, kindFolder(cohort, learner));
    await removeIfEmpty(paths.learner(learner).root);
    await releasePorts(`${cohort}/${learner}`);
    if ((await readDaemonConfig(paths))?.opening !== undefined) await updateDoors(paths);
    await forgetCreation(paths, learner);
  },
};

/** Whether one was stopped. */
export async function startStopped(learner: string, containers: readonly Container[]): Promise<boolean> {
  const stopped = containers.filter(({ state }) => state !== "running");
  if (stopped.length > 0) await docker(["start", ...stopped.map(({ id }) => id)], { learner, step: "start the stopped kind cluster" });
  return stopped.length > 0;
}

/**
 * Whether the cluster is there whole, and started. What an interrupted run left half-made is removed; a cluster of that
 * name that this lab did not make stays. Throws LabError `kind-name-taken`.
 */
async function isThere(cohort: string, learner: string): Promise<boolean> {
  const doing = { learner, step: "look for the kind cluster" };
  const name = kindName(cohort, learner);
  const [record, there] = [await readRecord(cohort, learner), await containersOf(name, doing)];
  if (there.length === 0) return false;
  if (record === undefined) throw foreign(learner, name, there);
  if (record.containers === undefined) {
    await removeOwn(cohort, learner, { learner, step: "remove a half-made kind cluster" });
    return false;
  }
  if (!there.every(({ id }) => record.containers?.includes(id))) throw foreign(learner, name, there);
  await startStopped(learner, there);
  return true;
}

async function create(cohort: string, learner: string, image: string, kubeconfigFile: string): Promise<void> {
  const name = kindName(cohort, learner);
  // Before it is made: if this run is killed, the next one knows whose the remains are.
  await writeRecord(cohort, learner, { name });
  const config = join(kindFolder(cohort, learner), "config.yaml");
  // kind takes back what it made of a failed cluster, and locks a kubeconfig without waiting: so each cluster has its own.
  await kind(
    ["create", "cluster", "--name", name, "--config", config, "--image", image, "--kubeconfig", kubeconfigFile],
    { learner, step: "create the kind cluster" },
    600,
  );
  const containers = await containersOf(name, { learner, step: "look at the new kind cluster" });
  await recordCreation(cohort, ...containers.map(({ id }) => ({ kind: "container" as const, id, name: nodeOf(name), learner })));
  await writeRecord(cohort, learner, { name, containers: containers.map(({ id }) => id) });
}

/** Removes the learner's cluster if it is the one that this lab made. */
export async function removeOwn(cohort: string, learner: string, doing: Doing): Promise<void> {
  const record = await readRecord(cohort, learner);
  if (record === undefined) return;
  const there = await containersOf(record.name, doing);
  if (there.length === 0) return;
  if (record.containers !== undefined && !there.every(({ id }) => record.containers?.includes(id)))
    throw foreign(learner, record.name, there);
  await kind(["delete", "cluster", "--name", record.name, "--kubeconfig", join(kindFolder(cohort, learner), "admin.yaml")], doing);
}

function foreign(learner: string, name: string, containers: readonly Container[]): LabError {
  return new LabError(
    "kind-name-taken",
    `Learner ${learner}: a kind cluster ${name} is there that this lab did not make (container ${containers.map(({ id }) => id.slice(0, 12)).join(", ")}), so it was left alone. If nobody needs it, remove it with \`kind delete cluster --name ${name}\`, then run the command again.`,
  );
}

async function writeRegistry(folder: string, registry: NodeRegistry | undefined): Promise<string> {
  await makePrivateFolder(folder);
  if (registry !== undefined) {
    await writePrivateFile(join(folder, registry.host, "hosts.toml"), hostsToml(registry));
    if (registry.ca !== undefined) await writePrivateFile(join(folder, registry.host, "ca.crt"), registry.ca);
  }
  return folder;
}

/** Throws LabError `door-unreached` where the node does not come to the registry: a firewall between Docker's networks and this machine. */
async function requireReached(learner: string, name: string, { host }: NodeRegistry): Promise<void> {
  const url = `https://${host}/v2/`;
  const asked = await inNode(
    nodeOf(name),
    [
      "curl",
      "--silent",
      "--show-error",
      "--max-time",
      "15",
      "--cacert",
      `${nodeRegistries}/${host}/ca.crt`,
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code}",
      url,
    ],
    { learner, step: "look from the node at the lab's registry" },
  );
  // It asks who is there: that is an answer.
  if (asked.out === "401") return;
  throw new LabError(
    "door-unreached",
    `Learner ${learner}: the node of the kind cluster does not come to the lab's opened address ${url} (${asked.error || `it answered ${asked.out}`}). Let this machine's firewall pass what comes from Docker's networks to that port, or name another address of this machine in \`access\`, then run \`./lab up\` again; other learners are not affected.`,
  );
}

/** Ready is what its pods say: a node is Ready before names resolve. */
export async function awaitReady(learner: string, kubeconfig: string, name: string): Promise<void> {
  const cluster = clusterClient(kubeconfig);
  const options = {
    timeoutSeconds: 180,
    intervalMs: 500,
    remedy: `\`docker logs ${nodeOf(name)}\` shows its start; \`./lab up\` goes on from here.`,
  };
  await waitUntil(() => cluster.lookNodeReady(nodeOf(name)), { ...options, what: `the node of learner ${learner}'s kind cluster` });
  await waitUntil(() => cluster.lookPodsReady("kube-system"), { ...options, what: `the system pods of learner ${learner}'s kind cluster` });
}
