import { words, type Policy } from "./policy.ts";

/*
 * What the Pod Security Standard "baseline" says, by the pod itself and not by its namespace's labels; narrower where the
 * node has nothing that the standard would allow. Its rule on Windows' hostProcess is left out: such a pod has hostNetwork. The lists are those of the latest version of the standard
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
 */

/** Beside its name, what a volume may be made of: objects of the API, and a folder that ends with the pod. */
const volumeSources = ["configMap", "secret", "emptyDir", "projected", "downwardAPI"];

const capabilities = [
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
];

const sysctls = [
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
];

const selinuxTypes = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

export const pods: Policy = {
  name: "pods",
  // The subresources through which a pod's spec changes as well.
  matched: [{ resources: ["pods", "pods/ephemeralcontainers", "pods/resize"] }],
  variables: {
    containers: "object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([])",
    contexts: "[object.spec.?securityContext.orValue({})] + variables.containers.map(container, container.?securityContext.orValue({}))",
  },
  rules: [
    {
      holds: `object.spec.?volumes.orValue([]).all(volume, volume.all(key, key in ${words(["name", ...volumeSources])}))`,
      told: `In this lab a volume is one of ${volumeSources.join(", ")}: there is no storage that outlives a pod, and nothing of the node is mounted.`,
    },
    {
      holds: "['hostNetwork', 'hostPID', 'hostIPC'].all(field, !object.spec[?field].orValue(false))",
      told: "In this lab a pod has hostNetwork, hostPID and hostIPC false: network, processes and IPC are its own.",
    },
    {
      holds: "variables.containers.all(container, container.?ports.orValue([]).all(port, port.?hostPort.orValue(0) == 0))",
      told: "In this lab a container has no hostPort: a Service or `kubectl port-forward` leads to it.",
    },
    {
      holds: "variables.contexts.all(context, !context.?privileged.orValue(false))",
      told: "In this lab no container is privileged.",
    },
    {
      holds: `variables.contexts.all(context, context.?capabilities.?add.orValue([]).all(capability, capability in ${words(capabilities)}))`,
      told: `In this lab a container adds no capabilities but ${capabilities.join(", ")}.`,
    },
    {
      holds: "variables.contexts.all(context, context.?procMount.orValue('Default') == 'Default')",
      told: "In this lab procMount is Default.",
    },
    {
      holds: `variables.contexts.all(context, context.?sysctls.orValue([]).all(sysctl, sysctl.name in ${words(sysctls)}))`,
      told: `In this lab a pod sets no sysctls but ${sysctls.join(", ")}.`,
    },
    {
      // A profile of the node's own (Localhost) there is none of.
      holds: "variables.contexts.all(context, context.?seccompProfile.?type.orValue('RuntimeDefault') == 'RuntimeDefault')",
      told: "In this lab seccompProfile is RuntimeDefault.",
    },
    {
      holds: "variables.contexts.all(context, context.?appArmorProfile.?type.orValue('RuntimeDefault') == 'RuntimeDefault')",
      told: "In this lab appArmorProfile is RuntimeDefault.",
    },
    {
      holds: `variables.contexts.all(context, context.?seLinuxOptions.?type.orValue('') in ${words(selinuxTypes)} && ['user', 'role'].all(field, context.?seLinuxOptions[?field].orValue('') == ''))`,
      told: "In this lab seLinuxOptions has no user and no role, and as type one of containers.",
    },
    {
      holds:
        "variables.containers.all(container, [container.?livenessProbe, container.?readinessProbe, container.?startupProbe, container.?lifecycle.?postStart, container.?lifecycle.?preStop].all(handler, handler.?httpGet.?host.orValue('') == '' && handler.?tcpSocket.?host.orValue('') == ''))",
      told: "In this lab a probe or lifecycle handler names no host: it asks the pod itself.",
    },
    {
      // The kubelet opens it as the node's root, in a folder in which the pod may exchange files meanwhile.
      holds: "variables.containers.all(container, container.?env.orValue([]).all(one, !one.?valueFrom.?fileKeyRef.hasValue()))",
      told: "In this lab no environment variable comes from a file of a volume (fileKeyRef): a ConfigMap or Secret gives it.",
    },
    { holds: "object.spec.?runtimeClassName.orValue('') == ''", told: "In this lab a pod has no runtimeClassName." },
    { holds: "size(object.spec.?resourceClaims.orValue([])) == 0", told: "In this lab a pod has no resourceClaims: there are no devices." },
  ],
};

/** The older way to name an AppArmor profile, which also a binding and a status can write. */
export const podAnnotations: Policy = {
  name: "pod-annotations",
  matched: [{ resources: ["pods", "pods/*", "bindings"] }],
  rules: [
    {
      holds:
        "object.?metadata.?annotations.orValue({}).all(key, !key.startsWith('container.apparmor.security.beta.kubernetes.io/') || object.metadata.annotations[key] == 'runtime/default')",
      told: "In this lab an AppArmor annotation is runtime/default.",
    },
  ],
};
