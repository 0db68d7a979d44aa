import { randomUUID } from "node:crypto";
import { chown } from "node:fs/promises";
import { join } from "node:path";
import { cohortPaths, type LearnerPaths } from "../../shared/paths.ts";
import type { Limits } from "../../shared/limits.ts";
import type { Isolation } from "../../shared/outputs.ts";
import { makePrivateFolder, readIfExists, removeIfEmpty, writePrivateFile } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";
import { issueCredential, nodeUsername } from "../../host/access.ts";
import { requireAdmitted } from "./control-plane/require-admitted.ts";
import { commonPolicies, realNodePolicies, writeAdmission, writeEgress } from "./control-plane/admission.ts";
import type { Policy } from "./control-plane/policies/policy.ts";
import { kubeconfig } from "./control-plane/kubeconfig.ts";
import { apiServerName, clients, ensurePki, nodeName, type ClientName, type ClusterPki } from "./control-plane/pki.ts";
import { controlPlaneProcesses, type ControlPlane } from "./control-plane/processes.ts";
import { writeNodeRules } from "./control-plane/simulated-node.ts";
import { forgetCreation, noteCreation } from "../../ledger/creation.ts";
import { ensureProcesses, openWays, processStatus, removeProcesses, shutWays, updateDoors } from "../../host/processes/client.ts";
import { readDaemonConfig, type DaemonConfig } from "../../host/processes/config.ts";
import type { ProcessSpec } from "../../host/processes/process-table.ts";
import { requireOpen } from "../../host/doors/require-open.ts";
import type { Driver } from "../../host/driver.ts";
import { recordCreation } from "../../ledger/inventory.ts";
import { ownership, removeOwned } from "../../ledger/ownership.ts";
import { limitsOf } from "../../host/limits/stored.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { awaitListening, orGiveBack } from "../../ledger/listening.ts";
import { doorsFolder, doorSocket, nodeProcess } from "./node/node-process.ts";
import { giveBackPorts, leasePorts, releasePorts, type PortRange } from "../../ledger/ports.ts";
import { removeGroup } from "../../host/room/groups.ts";
import { leaseNumbers, releaseNumbers } from "../../host/room/numbers.ts";
import { inRoomOf, onHost, type Placement } from "../../host/room/placement.ts";
import { roomProcess, roomSocket } from "../../host/room/room.ts";

export interface EmbeddedClusterInput {
  readonly cohort: string;
  readonly learner: string;
  readonly ports: PortRange;
  /** Present where pods run for real. */
  readonly nodes?: "real";
  /** Whether all of it is in a room of the learner's own. */
  readonly isolation: Isolation;
  /** What the cohort file says; written down by the lab host's driver. Here so that a change is one. */
  readonly limits?: Limits;
  /** Of the learner's and the administrator's certificates: a higher one gives new ones and refuses the old. */
  readonly generation?: number;
  /** Name under which learners beyond this machine reach the API server; none where the cohort is not opened. */
  readonly openName?: string;
}

export interface EmbeddedClusterOutput {
  readonly cohort: string;
  readonly learner: string;
  readonly clusterId: string;
  readonly apiServer: string;
  readonly adminKubeconfig: string;
  readonly learnerKubeconfig: string;
  /** How it is reached from beyond this machine; only where the cohort is opened. */
  readonly openApiServer?: string;
  readonly openKubeconfig?: string;
}

const simulatedNode = "simulated-node";

/**
 * A control plane of its own per learner, as processes of the lab host: etcd, API server, controllers, and one node, which
 * kwok plays or which is real.
 */
export const embeddedCluster: Driver<EmbeddedClusterInput, EmbeddedClusterOutput, "embedded-cluster"> = {
  name: "embedded-cluster",
  replaceOn: ["cohort", "learner", "nodes"],
  creationOnly: ["ports"],
  optional: ["nodes", "openName", "limits"],

  async ensure({ cohort, learner, ports, nodes, isolation, generation = 0, openName }) {
    const lab = cohortPaths(cohort);
    const paths = lab.learner(learner);
    const isFresh = (await readIfExists(clusterIdFile(paths))) === undefined;
    // What runs already, after a run that was killed, knows other certificates than those that are made now.
    if (isFresh) await removeProcesses(lab, learner, "SIGKILL");
    await recordCreation(
      cohort,
      { kind: "folder", id: paths.root, learner },
      { kind: "key", id: paths.pki, name: `of the cluster of ${learner}`, learner },
      { kind: "kubeconfig", id: paths.kubeconfigs, learner },
    );
    await makePrivateFolder(paths.cluster);
    // Kept from what the cohort shares, which reads the folder above: see host/daemon/host-processes.ts.
    const numbers = await leaseNumbers(`${cohort}/${learner}`);
    if (numbers.room !== 0) await chown(paths.cluster, numbers.room, numbers.room);
    await noteCreation(lab, learner);
    const { api } = await leasePorts(`${cohort}/${learner}`, ["api"], ports);
    const apiServer = `https://127.0.0.1:${api}`;
    const name = `${cohort}-${learner}`;
    const pki = await ensurePki(paths.pki, generation);
    const kubeconfigs = await writeKubeconfigs(paths, name, apiServer, pki);
    // etcd refuses a data folder that others can read.
    await makePrivateFolder(join(paths.cluster, "etcd", "data"));
    const placement = placementOf(cohort, learner, isolation);
    const { disk } = await limitsOf(lab);
    const plane = { cohort, learner, paths, placement, apiPort: api, etcdDisk: disk.etcd, generation };
    // The controllers read the address at their start.
    const giveBack = async () => {
      await removeProcesses(lab, learner, "SIGKILL");
      await giveBackPorts(`${cohort}/${learner}`, ["api"]);
    };
    const runApiServer = (processes: readonly ProcessSpec[]) =>
      orGiveBack(isFresh, giveBack, async () => {
        const room = await roomOf(plane, isolation);
        await endOutsideOf(plane, room.length > 0);
        await ensureProcesses(lab, [...room, ...processes]);
        await awaitApiServer(plane, kubeconfigs.admin);
      });
    if (nodes === "real") {
      await runApiServer(await realProcesses(plane));
      await clusterClient(kubeconfigs.admin).grantReading("gitops-lab-dns", clients.dns.user, {
        "": ["services", "namespaces"],
        "discovery.k8s.io": ["endpointslices"],
      });
      await awaitNode(learner, kubeconfigs.admin, paths);
    } else {
      await writeNodeRules(paths);
      await runApiServer(await controlPlaneProcesses({ ...plane, admission: await admissionOf(plane, commonPolicies) }));
      await applySimulatedNode(kubeconfigs.admin);
    }
    await requireAdmitted(learner, paths, kubeconfigs.admin, isFresh);
    if (openName !== undefined) await requireOpen(cohort, `${learner}/api`);
    const openApiServer = `https://${openName}:${api}`;
    return {
      id: `${cohort}/${learner}`,
      output: {
        cohort,
        learner,
        clusterId: await clusterId(paths),
        apiServer,
        adminKubeconfig: kubeconfigs.admin,
        learnerKubeconfig: kubeconfigs.learner,
        ...(openName !== undefined && {
          openApiServer,
          // By a name that the certificate has: so another address needs no other certificate.
          openKubeconfig: kubeconfig(name, openApiServer, pki.ca, clients.learner.user, pki.clients.learner, apiServerName),
        }),
      },
    };
  },

  async read(_id, output) {
    const lab = cohortPaths(output.cohort);
    const paths = lab.learner(output.learner);
    const here = (await readIfExists(clusterIdFile(paths))) === output.clusterId;
    const processes = (await processStatus(lab)).filter(({ name }) => name === `${output.learner}/kube-apiserver`);
    return here && processes.length > 0 ? output : undefined;
  },

  async remove(_id, { cohort, learner }) {
    // Nothing of it is kept, so nothing needs an orderly end.
    const lab = cohortPaths(cohort);
    await removeProcesses(lab, learner, "SIGKILL");
    await releasePorts(`${cohort}/${learner}`);
    if ((await ownership(lab)) === "foreign") return;
    const paths = lab.learner(learner);
    await removeGroup(paths);
    await releaseNumbers(`${cohort}/${learner}`);
    await shutWays(lab, learner);
    await removeOwned(lab, paths.cluster);
    await removeIfEmpty(paths.root);
    if ((await readDaemonConfig(lab))?.opening !== undefined) await updateDoors(lab);
    await forgetCreation(lab, learner);
  },
};

async function writeKubeconfigs(paths: LearnerPaths, name: string, server: string, pki: ClusterPki): Promise<Record<ClientName, string>> {
  const entries = (Object.keys(clients) as ClientName[])
    // A lab from before there was such a client has no certificate for it, and nobody can issue one any more.
    .filter((client) => pki.clients[client].certificate !== "")
    .map((client) => [client, kubeconfig(name, server, pki.ca, clients[client].user, pki.clients[client])] as const);
  for (const [client, text] of entries) await writePrivateFile(join(paths.kubeconfigs, `${client}.yaml`), text);
  return Object.fromEntries(entries) as Record<ClientName, string>;
}

/** Random, and kept as long as the cluster's data: a cluster made anew in the same place is another one. */
async function clusterId(paths: LearnerPaths): Promise<string> {
  const present = await readIfExists(clusterIdFile(paths));
  if (present !== undefined) return present;
  const id = randomUUID();
  await writePrivateFile(clusterIdFile(paths), id);
  return id;
}

/** Written when all of the cluster is there: nobody has its address before. */
const clusterIdFile = ({ cluster }: LearnerPaths) => join(cluster, "cluster-id");

/** Where a learner's control plane and controllers run. */
export function placementOf(cohort: string, learner: string, isolation: Isolation): Placement {
  const paths = cohortPaths(cohort);
  return isolation === "room" ? inRoomOf(roomSocket(paths, learner), paths.learner(learner).cluster) : onHost;
}

/** The process of a learner's room, with the ways that it has out; none where the lab is in no room. */
async function roomOf({ cohort, learner, apiPort }: ControlPlane, isolation: Isolation): Promise<ProcessSpec[]> {
  if (isolation !== "room") return [];
  const paths = cohortPaths(cohort);
  await openWays(paths, learner);
  const { httpPort, registryPort } = await hostOf(cohort);
  return [await roomProcess({ cohort, learner, paths, ports: { api: apiPort, http: httpPort, registry: registryPort } })];
}

/** Ends what runs of a lab that moves into a room, or out of it: it has the port that the other needs. */
async function endOutsideOf({ cohort, learner }: ControlPlane, isInRoom: boolean): Promise<void> {
  const paths = cohortPaths(cohort);
  const present = (await processStatus(paths)).filter(({ owner }) => owner === learner);
  const wasInRoom = present.some(({ name }) => name === `${learner}/room`);
  if (present.length > 0 && wasInRoom !== isInRoom) await removeProcesses(paths, learner, "SIGTERM");
}

async function hostOf(cohort: string): Promise<DaemonConfig> {
  const host = await readDaemonConfig(cohortPaths(cohort));
  if (host === undefined) throw new Error(`cohort ${cohort} has no daemon`);
  return host;
}

async function realProcesses(plane: ControlPlane): Promise<ProcessSpec[]> {
  const { cohort, learner, paths, apiPort } = plane;
  const host = await hostOf(cohort);
  await openWays(cohortPaths(cohort), learner);
  const admission = await admissionOf(plane, realNodePolicies);
  const egressConfiguration = await writeEgress(paths.cluster, doorSocket);
  const node = await nodeProcess({
    cohort,
    learner,
    paths,
    ports: { api: apiPort, registry: host.registryPort, http: host.httpPort },
    registryCredential: await issueCredential(paths.access, "registry", nodeUsername(learner), "read"),
  });
  const access = { egressConfiguration, doors: doorsFolder(paths) };
  return [...(await controlPlaneProcesses({ ...plane, admission, node: access })), node];
}

async function admissionOf(
  { paths, placement }: ControlPlane,
  policies: readonly Policy[],
): Promise<NonNullable<ControlPlane["admission"]>> {
  const folder = join(paths.cluster, "admission");
  return { folder, configuration: await writeAdmission(folder, { policies, seenAs: placement.path(folder) }) };
}

async function awaitApiServer({ cohort, learner, paths, apiPort: port }: ControlPlane, admin: string): Promise<void> {
  await awaitListening({ cohort, lease: `${cohort}/${learner}/api`, port }, () => clusterClient(admin).lookReady(), {
    what: `the API server of learner ${learner}`,
    timeoutSeconds: 120,
    remedy: `Its log is ${join(paths.logs, "kube-apiserver.log")}; \`./lab doctor\` checks the tools.`,
  });
}

async function awaitNode(learner: string, admin: string, paths: LearnerPaths): Promise<void> {
  await waitUntil(() => clusterClient(admin).lookNodeReady(nodeName), {
    what: `the node of learner ${learner}`,
    timeoutSeconds: 180,
    remedy: `Its logs are ${join(paths.logs, "{node,containerd,kubelet-and-proxy}.log")}; \`./lab doctor\` tells whether pods can run for real here.`,
  });
}

async function applySimulatedNode(admin: string): Promise<void> {
  await clusterClient(admin).applyNode(simulatedNode, {
    annotations: { "kwok.x-k8s.io/node": "fake" },
    labels: {
      "kubernetes.io/hostname": simulatedNode,
      "kubernetes.io/os": "linux",
      "kubernetes.io/arch": "amd64",
      type: "kwok",
      "gitops-lab.dev/nodes": "simulated",
    },
  });
}
