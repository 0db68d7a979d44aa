import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../../../shared/errors.ts";
import { makePrivateFolder, readIfExists, writePrivateFile } from "../../../shared/private-files.ts";
import { newAuthority, newSigningKeys, type KeyPair } from "../../../host/certificates.ts";
import { nodeAddress } from "./networks.ts";
import { labHostNode } from "../../../host/lab-host-node/name.ts";

/** Name of the one node that runs for real. */
export const nodeName = "node";

/** A name that every API server has, wherever it is reached. */
export const apiServerName = "kubernetes.default.svc";

/** The identities in a learner's cluster. */
export const clients = {
  admin: { user: "gitops-lab:admin", groups: ["system:masters"] },
  "kube-controller-manager": { user: "system:kube-controller-manager", groups: [] },
  "kube-scheduler": { user: "system:kube-scheduler", groups: [] },
  /** Of a real node: the Node authorizer knows it by this name and group. */
  kubelet: { user: `system:node:${nodeName}`, groups: ["system:nodes"] },
  "kube-proxy": { user: "system:kube-proxy", groups: [] },
  dns: { user: "gitops-lab:dns", groups: [] },
  /** The user with which the API server asks a kubelet for logs. */
  "kube-apiserver-kubelet": { user: "gitops-lab:kube-apiserver", groups: ["system:masters"] },
  /** Plays the kubelet of the simulated node, so it may write any pod's and node's status. */
  kwok: { user: "gitops-lab:kwok", groups: ["system:masters"] },
  /** The user with which the lab daemon answers for the processes of the lab host, see host/lab-host-node/node.ts. */
  "lab-host": { user: `system:node:${labHostNode}`, groups: ["system:nodes"] },
  /** Bound to cluster-admin by components/flux/bootstrap.ts, as Flux' own manifests do. */
  flux: { user: "gitops-lab:flux", groups: [] },
  /** Bound by components/cluster/learner-access.ts to what the exercises need. */
  learner: { user: "gitops-lab:learner", groups: ["gitops-lab:learners"] },
} as const;
export type ClientName = keyof typeof clients;

/** Who gets a kubeconfig to work with. Their certificates come from an authority of their own, which a rotation replaces. */
const people = ["learner", "admin"] as const satisfies readonly ClientName[];

export interface ClusterPki {
  readonly ca: string;
  readonly clients: Readonly<Record<ClientName, KeyPair>>;
}

/** Name of the file with the authorities whose clients the API server knows. A new one for each generation, so that it starts anew with it. */
export const clientAuthorities = (generation: number) => `clients-${generation}.crt`;

/**
 * The certificates of one control plane, in `folder`: `ca.crt`, `apiserver.{crt,key}`, `kubelet-server.{crt,key}`,
 * `service-accounts.{key,pub}`, one pair per client, and `clients-<generation>.crt`. Made once; no authority's key is ever
 * written, so nobody can issue more. A certificate can't be revoked in Kubernetes, so a higher generation gives learner and
 * administrator new ones from a new authority, and the API server forgets the one before.
 */
export async function ensurePki(folder: string, generation = 0): Promise<ClusterPki> {
  const file = (name: string) => join(folder, name);
  const complete = await readIfExists(file("complete"));
  if (complete === undefined) {
    await makePrivateFolder(folder);
    await writePki(file);
  }
  if ((await readIfExists(file(clientAuthorities(generation)))) === undefined) {
    if (complete === "" && generation > 0) throw oldLab(folder);
    if (complete === "") await writePrivateFile(file(clientAuthorities(0)), (await readIfExists(file("ca.crt"))) ?? "");
    else await writePeople(folder, generation);
  }
  if (complete === undefined) await writePrivateFile(file("complete"), "clients have authorities of their own\n");
  const read = async (name: string) => (await readIfExists(file(name))) ?? "";
  const pairs = await Promise.all(
    (Object.keys(clients) as ClientName[]).map(
      async (name) => [name, { certificate: await read(`${name}.crt`), key: await read(`${name}.key`) }] as const,
    ),
  );
  return { ca: await read("ca.crt"), clients: Object.fromEntries(pairs) as Record<ClientName, KeyPair> };
}

function oldLab(folder: string): LabError {
  return new LabError(
    "lab-too-old",
    `The certificates in ${folder} are of an earlier version, which issued the learner's together with the cluster's own: they can't be refused one by one. \`./lab reset <learner>\` makes the lab anew, with a backup.`,
  );
}

type File = (name: string) => string;

async function writePki(file: File): Promise<void> {
  const ca = await newAuthority("gitops-lab");
  await writePrivateFile(file("ca.crt"), ca.certificate);
  await save(
    file,
    "apiserver",
    await ca.issueServer("kube-apiserver", [
      { type: "dns", value: "localhost" },
      { type: "dns", value: apiServerName },
      { type: "ip", value: "127.0.0.1" },
      { type: "ip", value: "10.96.0.1" },
      { type: "ip", value: nodeAddress },
    ]),
  );
  await save(file, "kubelet-server", await ca.issueServer(nodeName, [{ type: "ip", value: nodeAddress }]));
  for (const name of (Object.keys(clients) as ClientName[]).filter((one) => !(people as readonly ClientName[]).includes(one))) {
    await save(file, name, await ca.issueClient(clients[name].user, clients[name].groups));
  }
  const { privateKey, publicKey } = await newSigningKeys();
  await writePrivateFile(file("service-accounts.key"), privateKey);
  await writePrivateFile(file("service-accounts.pub"), publicKey);
}

/** The authorities' file comes last: without it the next run issues anew. Those of other generations go. */
async function writePeople(folder: string, generation: number): Promise<void> {
  const file = (name: string) => join(folder, name);
  const authority = await newAuthority(`gitops-lab-clients-${generation}`);
  for (const name of people) await save(file, name, await authority.issueClient(clients[name].user, clients[name].groups));
  await writePrivateFile(file(clientAuthorities(generation)), `${(await readIfExists(file("ca.crt"))) ?? ""}${authority.certificate}`);
  for (const name of await readdir(folder))
    if (/^clients-\d+\.crt$/.test(name) && name !== clientAuthorities(generation)) await rm(join(folder, name));
}

async function save(file: File, name: string, pair: KeyPair): Promise<void> {
  await writePrivateFile(file(`${name}.crt`), pair.certificate);
  await writePrivateFile(file(`${name}.key`), pair.key);
}
