/** What a node's container runtime needs to know. */
export interface RuntimeOptions {
  /** `host:port` of the registry, in plain HTTP. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
  /** Name of the image that holds a pod's namespaces open. */
  readonly pauseImage: string;
}

export const containerdSocket = "/run/containerd/containerd.sock";

/**
 * The configuration of containerd, in the form of version 2, which 1.6 reads and 2.x converts. Holds a password: it
 * belongs in a file of mode 0600.
 */
export function containerdConfiguration({ registry, username, password, pauseImage }: RuntimeOptions): string {
  const text = JSON.stringify;
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[grpc]
  address = ${text(containerdSocket)}

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(pauseImage)}
  # A machine may give root no right to make processes less likely to be killed than itself.
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".registry.mirrors.${text(registry)}]
    endpoint = [${text(`http://${registry}`)}]
  [plugins."io.containerd.grpc.v1.cri".registry.configs.${text(registry)}.auth]
    username = ${text(username)}
    password = ${text(password)}
`;
}
