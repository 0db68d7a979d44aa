import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { LabError } from "../../../shared/errors.ts";
import { makePrivateFolder, writePrivateFile } from "../../../shared/private-files.ts";
import { cohortPaths, type LearnerPaths } from "../../../shared/paths.ts";
import { toolPath } from "../../../tools/locate.ts";
import { usrLayers } from "../../../tools/node-packages.ts";
import type { Credential } from "../../../host/access.ts";
import { nodeAddress, podNetwork } from "../control-plane/networks.ts";
import { nodeName } from "../control-plane/pki.ts";
import { smallHeap } from "../control-plane/processes.ts";
import type { ProcessSpec } from "../../../host/processes/process-table.ts";
import { imageArchive } from "../../../host/images/archive.ts";
import { limitsOf } from "../../../host/limits/stored.ts";
import { limits } from "../../../host/room/cgroups.ts";
import type { RoomConfig } from "../../../host/room/config.ts";
import { ensureCgroup } from "../../../host/room/groups.ts";
import { leaseNumbers, nodeNumbers } from "../../../host/room/numbers.ts";
import { nodeFile, userLimits } from "../../../host/room/room.ts";
import { learnerWay } from "../../../host/processes/ways.ts";
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

/** Folder of the socket on which the API server reaches the node, and the socket from a folder beside that one. */
export const doorsFolder = (paths: LearnerPaths) => join(paths.cluster, "doors");
export const doorSocket = "../doors/node.sock";

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

/** Names under which the one program is started; an installed package makes links of its own. */
const iptablesCommands = ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];

export const nodeFolder = (paths: LearnerPaths) => join(paths.cluster, "node");

/**
 * Writes everything that a learner's real node reads and returns its process: lab-room, which makes a room for container
 * runtime, kubelet and kube-proxy, without which none of them lives.
 */
export async function nodeProcess(node: RealNode): Promise<ProcessSpec> {
  const { learner, paths } = node;
  const folder = await makePrivateFolder(nodeFolder(paths));
  await makePrivateFolder(doorsFolder(paths));
  await writeSecrets(node, join(folder, "secrets"));
  await writePrivateFile(join(folder, "pause.tar"), await pauseArchive());
  await writePrivateFile(nodeFile(paths), JSON.stringify(await configuration(node), null, 2));
  return {
    name: `${learner}/node`,
    owner: learner,
    command: await toolPath("lab-room"),
    args: ["run", nodeFile(paths)],
    env: { PATH: path },
    cwd: folder,
    logFile: join(paths.logs, "node.log"),
  };
}

async function configuration({ cohort, learner, paths, ports }: RealNode): Promise<RoomConfig> {
  const cgroup = await ensureCgroup(cohort, learner, paths);
  if (cgroup === undefined) {
    throw new LabError(
      "nodes-impossible",
      "A real node needs control groups, and none can be made any more. `./lab doctor` tells what is missing.",
    );
  }
  const ways = cohortPaths(cohort);
  const most = await limitsOf(ways);
  const loopback = (port: number) => `127.0.0.1:${port}`;
  const folder = nodeFolder(paths);
  const secret = (name: string) => `${secrets}/${name}`;
  const bin = async (tool: "kubelet-and-proxy" | "coredns") => ({
    source: await toolPath(tool),
    target: `${nodeBin}/${tool}`,
    writable: false,
    own: false,
  });
  const program = (name: string, args: readonly string[], more: object = {}) => ({
    name,
    args,
    env: { PATH: path, HOME: "/var/lib", ...smallHeap },
    once: false,
    awaits: "",
    log: join(paths.logs, `${name}.log`),
    ...more,
  });
  return {
    hostname: nodeName,
    uid: (await leaseNumbers(`${cohort}/${learner}`)).node,
    ids: nodeNumbers,
    cgroup: { ...cgroup, limits: limits(cgroup.version, availableParallelism(), most) },
    group: "node",
    network: {
      addresses: [nodeAddress],
      out: [
        { from: loopback(ports.api), to: loopback(ports.api) },
        // Pods find it there.
        { from: `${nodeAddress}:${ports.api}`, to: loopback(ports.api) },
        { from: loopback(ports.http), to: learnerWay(ways, learner, "http") },
        { from: loopback(ports.registry), to: learnerWay(ways, learner, "registry") },
      ],
      connect: doorSocket,
      firewall: firewall(ports.api),
      sysctls: { "ipv4/ip_forward": "1" },
    },
    userLimits: userLimits(most),
    node: {
      state: join(folder, "state"),
      disk: most.disk.node,
      usr: usrLayers(),
      binds: [
        { source: join(folder, "secrets"), target: secrets, writable: false, own: true },
        { source: join(folder, "pause.tar"), target: "/opt/gitops-lab/pause.tar", writable: false, own: true },
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
    },
  };
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
