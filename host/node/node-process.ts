import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { makePrivateFolder, readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { cohortPaths, homeMark, type LearnerPaths } from "../../shared/paths.ts";
import { toolPath } from "../../tools/locate.ts";
import { usrLayers } from "../../tools/node-packages.ts";
import type { Credential } from "../access.ts";
import { nodeAddress, podNetwork } from "../control-plane/networks.ts";
import { nodeName } from "../control-plane/pki.ts";
import { smallHeap } from "../control-plane/processes.ts";
import type { ProcessSpec } from "../daemon/process-table.ts";
import { imageArchive } from "../images/archive.ts";
import { recordCreation, type Thing } from "../inventory/inventory.ts";
import { ownership } from "../inventory/ownership.ts";
import { commandName, findMarked, identify, namespacesOf } from "../process-identity.ts";
import { Cgroup, cgroupMembers, limits, planCgroup, presentFolders, removeCgroup } from "./cgroups.ts";
import { containerdConfiguration, containerdSocket } from "./containerd.ts";
import { kubeletConfiguration, oomScoreAdjustment, secrets, verbosity } from "./kubelet.ts";
import { cniConfiguration, corefile, firewall } from "./network.ts";

export interface RealNode {
  readonly cohort: string;
  readonly learner: string;
  readonly paths: LearnerPaths;
  /** Loopback ports of the host that the node's programs use. */
  readonly ports: { readonly api: number; readonly registry: number /** Gives tokens for the registry. */; readonly http: number };
  /** With which the node pulls images. */
  readonly registryCredential: Credential;
}

const pauseImage = "gitops-lab.dev/pause:1";
/** Where the node finds its programs first. */
const nodeBin = "/opt/gitops-lab/bin";
const path = `${nodeBin}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin`;

/** The socket by which the API server reaches the node, relative to the node's folder and to a folder beside it. */
const doorSocket = "door.sock";
export const doorSocketFromBeside = `../node/${doorSocket}`;

/**
 * What a kubelet sets the machine to (pkg/kubelet/cm/container_manager_linux.go) unless it finds it so: the node finds it
 * so, and the machine stays as it is.
 */
const expectedSettings = {
  "vm/overcommit_memory": "1",
  "vm/panic_on_oom": "0",
  "kernel/panic": "10",
  "kernel/panic_on_oops": "1",
  "kernel/keys/root_maxkeys": "1000000",
  "kernel/keys/root_maxbytes": "25000000",
};

/** Names by which the one program is called; an installed package makes links of its own. */
const iptablesCommands = ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];

export const nodeFolder = (paths: LearnerPaths) => join(paths.cluster, "node");
const configFile = (paths: LearnerPaths) => join(nodeFolder(paths), "node.json");
const cgroupFile = (paths: LearnerPaths) => join(nodeFolder(paths), "cgroup.json");

/** The control group of a learner whose pods run for real; undefined for any other. */
export async function cgroupOf(paths: LearnerPaths): Promise<Cgroup | undefined> {
  const text = await readIfExists(cgroupFile(paths));
  return text === undefined ? undefined : Cgroup.parse(JSON.parse(text));
}

/**
 * Writes everything that a learner's real node reads and returns its process: lab-node, which is the parent of container
 * runtime, kubelet and kube-proxy, and without which none of them lives.
 */
export async function nodeProcess(node: RealNode): Promise<ProcessSpec> {
  const { learner, paths } = node;
  const folder = await makePrivateFolder(nodeFolder(paths));
  await writeSecrets(node, join(folder, "secrets"));
  await writePrivateFile(join(folder, "pause.tar"), await pauseArchive());
  await writePrivateFile(configFile(paths), JSON.stringify(await configuration(node), null, 2));
  return {
    name: `${learner}/node`,
    owner: learner,
    command: await toolPath("lab-node"),
    args: ["run", configFile(paths)],
    env: { PATH: path },
    cwd: folder,
    logFile: join(paths.logs, "node.log"),
  };
}

/** Removes what the learner's node has outside the learner's folder: its control group, and what still runs in it. */
export async function removeNode(paths: LearnerPaths): Promise<void> {
  const cgroup = await cgroupOf(paths);
  if (cgroup !== undefined) await removeCgroup(cgroup);
}

/** Removes the control groups of a whole cohort, also of learners whose folders are gone. */
export async function removeNodes(cohort: string): Promise<void> {
  const { root, learner } = cohortPaths(cohort);
  if ((await ownership(cohort)) === "own")
    for (const id of await readdir(join(root, "learners")).catch(() => [])) await removeNode(learner(id));
  await removeCgroup(await planCgroup(cohortGroup(cohort)));
}

/**
 * What a cohort's real nodes have that only a look at them tells: the processes in their control groups and the namespaces
 * these are in. For a teardown to look for afterwards.
 */
export async function nodeThings(cohort: string): Promise<Thing[]> {
  const group = await planCgroup(cohortGroup(cohort));
  const marked = new Set(findMarked(cohortPaths(cohort).daemon).map(({ identity }) => identity.pid));
  const members = [...(await cgroupMembers(group))].flatMap((pid) => identify(pid) ?? []);
  const processes = members.flatMap((identity): Thing[] =>
    marked.has(identity.pid)
      ? []
      : [
          {
            kind: "process",
            id: `${identity.bootId}/${identity.pid}/${identity.startTime}`,
            name: `of a node, ${commandName(identity.pid) ?? "unnamed"}`,
            identity,
          },
        ],
  );
  const namespaces = new Map(
    members.flatMap((identity) => namespacesOf(identity.pid).map((id): [string, Thing] => [id, { kind: "namespace", id, identity }])),
  );
  const groups = (await presentFolders(group)).map((id): Thing => ({ kind: "control-group", id }));
  return [...processes, ...namespaces.values(), ...groups];
}

/** Group names are the whole machine's, and another lab home may have a cohort of that name. */
function cohortGroup(cohort: string): string {
  return join("gitops-lab", `${homeMark()}-${cohort}`);
}

/** The same process, but within the learner's limits, where pods run for real. */
export async function confined(paths: LearnerPaths, spec: ProcessSpec): Promise<ProcessSpec> {
  if ((await cgroupOf(paths)) === undefined) return spec;
  return { ...spec, command: await toolPath("lab-node"), args: ["confine", configFile(paths), spec.command, ...spec.args] };
}

async function configuration({ cohort, learner, paths, ports }: RealNode): Promise<object> {
  const cgroup = await ensureCgroup(cohort, learner, paths);
  const folder = nodeFolder(paths);
  const secret = (name: string) => `${secrets}/${name}`;
  const bin = async (tool: "kubelet-and-proxy" | "coredns") => ({
    source: await toolPath(tool),
    target: `${nodeBin}/${tool}`,
    writable: false,
  });
  const program = (name: string, args: readonly string[], more: object = {}) => ({
    name,
    args,
    env: { PATH: path, HOME: "/var/lib", ...smallHeap },
    once: false,
    awaits: "",
    log: `/var/log/node/${name}.log`,
    ...more,
  });
  return {
    hostname: nodeName,
    state: join(folder, "state"),
    usr: usrLayers(),
    binds: [
      { source: paths.logs, target: "/var/log/node", writable: true },
      { source: join(folder, "secrets"), target: secrets, writable: false },
      { source: join(folder, "pause.tar"), target: "/opt/gitops-lab/pause.tar", writable: false },
      await bin("kubelet-and-proxy"),
      await bin("coredns"),
    ],
    links: {
      "/var/run": "/run",
      ...Object.fromEntries(iptablesCommands.map((name) => [`${nodeBin}/${name}`, "/usr/sbin/xtables-nft-multi"])),
    },
    files: {
      "/etc/hosts": `127.0.0.1 localhost\n${nodeAddress} ${nodeName}\n`,
      "/etc/passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n",
      "/etc/group": "root:x:0:\n",
      "/etc/resolv.conf": "",
      "/etc/machine-id": `${createHash("sha256").update(paths.cluster).digest("hex").slice(0, 32)}\n`,
      "/etc/cni/net.d/10-pods.conflist": JSON.stringify(cniConfiguration()),
      "/etc/Corefile": corefile(secret("dns.yaml")),
      "/etc/gitops-lab-kubelet.yaml": kubeletConfiguration(),
    },
    kernelSettings: expectedSettings,
    cgroup: { ...cgroup, limits: limits(cgroup.version, availableParallelism()) },
    network: {
      address: nodeAddress,
      hostPorts: [ports.api, ports.registry, ports.http],
      podPorts: [ports.api],
      socket: doorSocket,
      firewall: firewall(ports.api),
      sysctls: { "ipv4/ip_forward": "1" },
    },
    programs: [
      program("containerd", ["containerd", "--config", secret("containerd.toml")]),
      program(
        "pause-image",
        ["ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", "/opt/gitops-lab/pause.tar"],
        { once: true, awaits: containerdSocket },
      ),
      program("kubelet-and-proxy", [
        "kubelet-and-proxy",
        "--config=/etc/gitops-lab-kubelet.yaml",
        `--kubeconfig=${secret("kubelet.yaml")}`,
        `--hostname-override=${nodeName}`,
        `--node-ip=${nodeAddress}`,
        "--node-labels=gitops-lab.dev/nodes=real",
        "--cert-dir=/var/lib/kubelet/pki",
        "--",
        `--kubeconfig=${secret("kube-proxy.yaml")}`,
        `--hostname-override=${nodeName}`,
        "--proxy-mode=iptables",
        `--cluster-cidr=${podNetwork}`,
        "--nodeport-addresses=primary",
        "--healthz-bind-address=",
        "--metrics-bind-address=127.0.0.1:10249",
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        // As the kubelet's configuration has them: see there.
        `--oom-score-adj=${oomScoreAdjustment}`,
        `--v=${verbosity}`,
      ]),
      program("coredns", ["coredns", "-conf", "/etc/Corefile"]),
    ],
  };
}

/** Planned once: a learner's processes stay in the group that its first ones were put into. */
async function ensureCgroup(cohort: string, learner: string, paths: LearnerPaths): Promise<Cgroup> {
  const present = await cgroupOf(paths);
  if (present !== undefined) return present;
  const planned = await planCgroup(join(cohortGroup(cohort), learner));
  const groups = Object.values(planned.folders).flatMap((folder): Thing[] => [
    { kind: "control-group", id: dirname(folder) },
    { kind: "control-group", id: folder, learner },
  ]);
  await recordCreation(cohort, ...groups);
  await writePrivateFile(cgroupFile(paths), JSON.stringify(planned, null, 2));
  return planned;
}

/** What only the node needs of the learner's secrets, in a folder of its own, which is all that the node sees of them. */
async function writeSecrets({ paths, ports, registryCredential }: RealNode, folder: string): Promise<void> {
  const copies = {
    "ca.crt": join(paths.pki, "ca.crt"),
    "kubelet.crt": join(paths.pki, "kubelet-server.crt"),
    "kubelet.key": join(paths.pki, "kubelet-server.key"),
    "kubelet.yaml": join(paths.kubeconfigs, "kubelet.yaml"),
    "kube-proxy.yaml": join(paths.kubeconfigs, "kube-proxy.yaml"),
    "dns.yaml": join(paths.kubeconfigs, "dns.yaml"),
  };
  for (const [name, source] of Object.entries(copies)) await writePrivateFile(join(folder, name), await readFile(source, "utf8"));
  await writePrivateFile(
    join(folder, "containerd.toml"),
    containerdConfiguration({ registry: `127.0.0.1:${ports.registry}`, ...registryCredential, pauseImage }),
  );
}

async function pauseArchive(): Promise<Buffer> {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  return imageArchive({ name: pauseImage, arch, program: await readFile(await toolPath("pause")), args: [] });
}
