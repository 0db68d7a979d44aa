import { join } from "node:path";
import type { LearnerPaths } from "../../../shared/paths.ts";
import { toolPath } from "../../../tools/locate.ts";
import type { ProcessSpec } from "../../../host/processes/process-table.ts";
import type { Needs, Placement } from "../../../host/room/placement.ts";
import { nodeAddress, serviceNetwork } from "./networks.ts";
import { clientAuthorities } from "./pki.ts";
import { nodeRules, nodeRulesFile } from "./simulated-node.ts";

/**
 * etcd's sockets, relative to its folder, which is also the API server's: an absolute path may exceed the 107 bytes a
 * Unix socket allows. etcd insists on the `:0`.
 */
const etcdClientSocket = "unix://client.sock:0";
const etcdPeerSocket = "unix://peer.sock:0";

/**
 * For the two programs whose heaps grow most while a lab comes up: Go's collector lets them grow by three fifths. No limit of bytes
 * (GOMEMLIMIT): an API server whose live heap comes near it collects all the time, and each promotion took longer than the one
 * before; see docs/measurements.md.
 */
export const growingHeap = { GOGC: "60" };

/** For programs that run for long and allocate little: Go's collector lets a heap grow by a third, not double. */
export const smallHeap = { GOGC: "30" };

export interface ControlPlane {
  readonly cohort: string;
  readonly learner: string;
  readonly paths: LearnerPaths;
  readonly placement: Placement;
  readonly apiPort: number;
  /** What etcd may take of the disk, in bytes. */
  readonly etcdDisk: number;
  /** Of the people's certificates, see ensurePki; 0 where not given. */
  readonly generation?: number;
  /** What it admits: the folder and the file in it that clusters/embedded/control-plane/admission.ts wrote. */
  readonly admission?: { readonly folder: string; readonly configuration: string };
  /** How it reaches a node that runs for real; without one, kwok plays the node. */
  readonly node?: NodeAccess;
}

export interface NodeAccess {
  /** See clusters/embedded/control-plane/admission.ts. */
  readonly egressConfiguration: string;
  /** Folder of the socket on which it reaches the node. */
  readonly doors: string;
}

/**
 * The processes of one control plane, in start order. Nothing listens wider than loopback: the API server on one TLS
 * port that takes client certificates and service account tokens only, etcd on sockets in a folder that only the lab's
 * owner enters, the others nowhere.
 */
export async function controlPlaneProcesses(plane: ControlPlane): Promise<ProcessSpec[]> {
  const { paths, placement } = plane;
  const etcdFolder = join(paths.cluster, "etcd");
  /** One program, with what its arguments name: nothing else of the host is there for it. */
  const define = async (
    tool: Parameters<typeof toolPath>[0],
    argue: (file: (hostPath: string) => string) => string[],
    options: { cwd?: string; env?: Record<string, string>; needs?: Needs } = {},
  ): Promise<ProcessSpec> => {
    const reads = new Set(options.needs?.reads);
    const args = argue((hostPath) => {
      reads.add(hostPath);
      return placement.path(hostPath);
    });
    const spec = {
      name: `${plane.learner}/${tool}`,
      owner: plane.learner,
      command: await toolPath(tool),
      args,
      env: { HOME: placement.path(paths.cluster), ...options.env },
      cwd: options.cwd ?? paths.cluster,
      logFile: join(paths.logs, `${tool}.log`),
    };
    return placement.place(spec, { ...options.needs, reads: [...reads] });
  };
  const pki = (name: string) => join(paths.pki, name);
  const kubeconfig = (client: string) => join(paths.kubeconfigs, `${client}.yaml`);

  return [
    await define(
      "etcd",
      () => [
        "--data-dir=data",
        `--listen-client-urls=${etcdClientSocket}`,
        `--advertise-client-urls=${etcdClientSocket}`,
        `--listen-peer-urls=${etcdPeerSocket}`,
        `--initial-advertise-peer-urls=${etcdPeerSocket}`,
        `--initial-cluster=default=${etcdPeerSocket}`,
        // A lab's few megabytes need neither the default 100,000 entries kept in memory nor a quota of gigabytes.
        `--quota-backend-bytes=${etcdDatabase(plane.etcdDisk)}`,
        "--max-wals=2",
        "--max-snapshots=2",
        "--snapshot-count=5000",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=1000",
        "--log-level=warn",
      ],
      { cwd: etcdFolder, needs: { keeps: [etcdFolder] } },
    ),
    await define(
      "kube-apiserver",
      (file) => [
        `--etcd-servers=${etcdClientSocket}`,
        "--bind-address=127.0.0.1",
        `--secure-port=${plane.apiPort}`,
        ...(plane.node === undefined ? simulatedNodeArgs : realNodeArgs(plane.node, (name) => file(pki(name)), placement)),
        ...(plane.admission === undefined ? [] : admissionArgs(placement.path(plane.admission.configuration))),
        `--tls-cert-file=${file(pki("apiserver.crt"))}`,
        `--tls-private-key-file=${file(pki("apiserver.key"))}`,
        `--client-ca-file=${file(pki(clientAuthorities(plane.generation ?? 0)))}`,
        `--service-account-key-file=${file(pki("service-accounts.pub"))}`,
        `--service-account-signing-key-file=${file(pki("service-accounts.key"))}`,
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-cluster-ip-range=${serviceNetwork}`,
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=false",
        "--profiling=false",
      ],
      {
        cwd: etcdFolder,
        env: growingHeap,
        needs: {
          keeps: [etcdFolder],
          reads: [
            ...(plane.admission === undefined ? [] : [plane.admission.folder]),
            ...(plane.node === undefined ? [] : [plane.node.egressConfiguration, plane.node.doors]),
          ],
        },
      },
    ),
    await define(
      "kube-controller-manager",
      (file) => [
        `--kubeconfig=${file(kubeconfig("kube-controller-manager"))}`,
        `--service-account-private-key-file=${file(pki("service-accounts.key"))}`,
        `--root-ca-file=${file(pki("ca.crt"))}`,
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
        // What a lab's workloads need, of some forty controllers.
        `--controllers=${controllers.join(",")}`,
      ],
      { env: smallHeap },
    ),
    await define(
      "kube-scheduler",
      (file) => [`--kubeconfig=${file(kubeconfig("kube-scheduler"))}`, "--leader-elect=false", "--secure-port=0", "--profiling=false"],
      { env: smallHeap },
    ),
    ...(plane.node === undefined
      ? [
          await define(
            "kwok",
            (file) => [
              `--kubeconfig=${file(kubeconfig("kwok"))}`,
              `--config=${file(nodeRulesFile(paths))}`,
              // The lab host's node is the daemon's.
              "--manage-nodes-with-label-selector=type=kwok",
              // kwok's own server would serve pod logs and exec, which simulated pods do not have.
              "--server-address=",
              "--node-lease-duration-seconds=40",
            ],
            // With other rules it is another process, which starts anew.
            { env: { ...smallHeap, RULES: (await nodeRules()).digest } },
          ),
        ]
      : []),
  ];
}

/** Beside the database there are two logs of 64 MiB, which etcd allocates ahead, and a snapshot of the database. */
function etcdDatabase(disk: number): number {
  return Math.max(Math.floor((disk - 2 * 64 * 1024 ** 2) / 2), 16 * 1024 ** 2);
}

/** Nobody dials the advertised address: the kubernetes Service gets no endpoints on a host without pods. */
const simulatedNodeArgs = ["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"];

function realNodeArgs(node: NodeAccess, pki: (name: string) => string, placement: Placement): string[] {
  return [
    // Where pods find the API server: lab-room passes on what comes there.
    `--advertise-address=${nodeAddress}`,
    `--egress-selector-config-file=${placement.path(node.egressConfiguration)}`,
    `--kubelet-certificate-authority=${pki("ca.crt")}`,
    `--kubelet-client-certificate=${pki("kube-apiserver-kubelet.crt")}`,
    `--kubelet-client-key=${pki("kube-apiserver-kubelet.key")}`,
    // The node's name is nothing that a host could look up.
    "--kubelet-preferred-address-types=InternalIP",
    "--enable-admission-plugins=NodeRestriction",
  ];
}

const admissionArgs = (configuration: string) => [
  `--admission-control-config-file=${configuration}`,
  "--feature-gates=ManifestBasedAdmissionControlConfig=true",
];

const controllers = [
  "clusterrole-aggregation-controller",
  "cronjob-controller",
  "daemonset-controller",
  "deployment-controller",
  "disruption-controller",
  "endpointslice-controller",
  "ephemeral-volume-controller",
  "garbage-collector-controller",
  "job-controller",
  "legacy-serviceaccount-token-cleaner-controller",
  "namespace-controller",
  "node-lifecycle-controller",
  "pod-garbage-collector-controller",
  "replicaset-controller",
  "resourcequota-controller",
  "root-ca-certificate-publisher-controller",
  "serviceaccount-controller",
  "statefulset-controller",
  "taint-eviction-controller",
  "ttl-after-finished-controller",
  "validatingadmissionpolicy-status-controller",
];
