import { join } from "node:path";
import type { LearnerPaths } from "../../shared/paths.ts";
import { toolPath } from "../../tools/locate.ts";
import type { ProcessSpec } from "../daemon/process-table.ts";

export const serviceNetwork = "10.96.0.0/16";

/**
 * etcd's sockets, relative to its folder, which is also the API server's: an absolute path may exceed the 107 bytes a
 * Unix socket allows. etcd insists on the `:0`.
 */
const etcdClientSocket = "unix://client.sock:0";
const etcdPeerSocket = "unix://peer.sock:0";

/**
 * Go's collector lets a heap double before it collects; a third of growth costs little processor time at a lab's load and
 * keeps some 90 MiB per learner: see docs/measurements.md.
 */
export const smallHeap = { GOGC: "30" };

export interface ControlPlane {
  readonly cohort: string;
  readonly learner: string;
  readonly paths: LearnerPaths;
  readonly apiPort: number;
}

/**
 * The processes of one control plane, in start order. Nothing listens wider than loopback: the API server on one TLS
 * port that takes client certificates and service account tokens only, etcd on sockets in a folder that only the lab's
 * owner enters, the others nowhere.
 */
export async function controlPlaneProcesses(plane: ControlPlane): Promise<ProcessSpec[]> {
  const { paths } = plane;
  const pki = (name: string) => join(paths.pki, name);
  const kubeconfig = (client: string) => join(paths.kubeconfigs, `${client}.yaml`);
  const etcdFolder = join(paths.cluster, "etcd");
  const define = async (
    tool: Parameters<typeof toolPath>[0],
    args: string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): Promise<ProcessSpec> => ({
    name: `${plane.learner}/${tool}`,
    owner: plane.learner,
    command: await toolPath(tool),
    args,
    env: { HOME: paths.cluster, ...options.env },
    cwd: options.cwd ?? paths.cluster,
    logFile: join(paths.logs, `${tool}.log`),
  });

  return [
    await define(
      "etcd",
      [
        "--data-dir=data",
        `--listen-client-urls=${etcdClientSocket}`,
        `--advertise-client-urls=${etcdClientSocket}`,
        `--listen-peer-urls=${etcdPeerSocket}`,
        `--initial-advertise-peer-urls=${etcdPeerSocket}`,
        `--initial-cluster=default=${etcdPeerSocket}`,
        // A lab's few megabytes need neither the default 100,000 entries kept in memory nor a quota of gigabytes.
        "--snapshot-count=5000",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=1000",
        "--log-level=warn",
      ],
      { cwd: etcdFolder },
    ),
    await define(
      "kube-apiserver",
      [
        `--etcd-servers=${etcdClientSocket}`,
        "--bind-address=127.0.0.1",
        `--secure-port=${plane.apiPort}`,
        // Nobody dials it: the kubernetes Service gets no endpoints on a host without pods.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        `--tls-cert-file=${pki("apiserver.crt")}`,
        `--tls-private-key-file=${pki("apiserver.key")}`,
        `--client-ca-file=${pki("ca.crt")}`,
        `--service-account-key-file=${pki("service-accounts.pub")}`,
        `--service-account-signing-key-file=${pki("service-accounts.key")}`,
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-cluster-ip-range=${serviceNetwork}`,
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=false",
        "--profiling=false",
      ],
      { cwd: etcdFolder, env: smallHeap },
    ),
    await define(
      "kube-controller-manager",
      [
        `--kubeconfig=${kubeconfig("kube-controller-manager")}`,
        `--service-account-private-key-file=${pki("service-accounts.key")}`,
        `--root-ca-file=${pki("ca.crt")}`,
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
      [`--kubeconfig=${kubeconfig("kube-scheduler")}`, "--leader-elect=false", "--secure-port=0", "--profiling=false"],
      { env: smallHeap },
    ),
    await define(
      "kwok",
      [
        `--kubeconfig=${kubeconfig("kwok")}`,
        `--config=${join(paths.cluster, "kwok.yaml")}`,
        "--manage-all-nodes=true",
        // kwok's own server would serve pod logs and exec, which simulated pods do not have.
        "--server-address=",
        "--node-lease-duration-seconds=40",
      ],
      { env: smallHeap },
    ),
  ];
}

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
