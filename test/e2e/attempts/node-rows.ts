import { run } from "../../../shared/exec.ts";
import { leftMarker, reachedLoopback, wasAccepted, type Attempt } from "./attempt.ts";
import { asNodeRoot } from "./node-root.ts";
import { withProbe } from "./probe.ts";
import { restartController } from "./restart.ts";

type Row = Pick<Attempt, "id" | "finding" | "what" | "proof" | "attempt">;

const onNode = (row: Row): Attempt => ({ ...row, kind: "node", as: "learner", nodes: "real", alone: true });

/**
 * A row that begins where no learner should come: as root of the own node, which the test gives away. The script's end
 * with 0 is the proof.
 */
const asRoot = (id: string, finding: number | undefined, what: string, script: (marker: string) => string, proof = wasAccepted): Attempt =>
  onNode({
    id,
    ...(finding !== undefined && { finding }),
    what,
    async attempt(scene) {
      const { exitCode, words } = await asNodeRoot(scene, script(scene.marker));
      if (exitCode === 0) scene.accepted = `the script ended well: ${words}`;
      return `exit code ${exitCode}: ${words}`;
    },
    proof,
  });

/** Whether root of the host still gets an instance of inotify. */
async function hostHasInotify(): Promise<boolean> {
  const { exitCode } = await run(process.execPath, ["-e", 'require("node:fs").watch("/tmp").close()'], { reject: false, stdin: "ignore" });
  return exitCode === 0;
}

export const nodeRows: readonly Attempt[] = [
  onNode({
    id: "inotify",
    finding: 18,
    what: "A pod opens instances of inotify until there are no more.",
    attempt: (scene) =>
      withProbe(
        scene,
        { TAKE: "inotify" },
        /^taken \d+/m,
        async (log) => {
          if (!(await hostHasInotify())) scene.accepted = `the host has none left: ${log}`;
          return log;
        },
        { runAsUser: 0, runAsNonRoot: false },
      ),
    proof: wasAccepted,
  }),
  onNode({
    id: "threads",
    what: "A pod starts threads until there are no more.",
    attempt: (scene) =>
      withProbe(scene, { TAKE: "threads" }, /^taken 6000$|cannot allocate|failed to create|errno/m, async (log) => {
        if (/^taken 6000$/m.test(log)) scene.accepted = "six thousand threads";
        return log;
      }),
    proof: wasAccepted,
  }),
  onNode({
    id: "disk",
    finding: 21,
    what: "A pod takes six thousand MiB in a folder of its own.",
    attempt: (scene) =>
      withProbe(
        scene,
        { TAKE: "disk" },
        /^taken (all|\d+ MiB)/m,
        async (log) => {
          if (/^taken all$/m.test(log)) scene.accepted = "six thousand MiB";
          return log;
        },
        {},
        {
          // Without a limit of its own, for which the kubelet would evict it, and with it what it says.
          spec: { volumes: [{ name: "scratch", emptyDir: {} }] },
          container: { volumeMounts: [{ name: "scratch", mountPath: "/scratch" }] },
        },
      ),
    proof: wasAccepted,
  }),
  onNode({
    id: "addresses",
    what: "A pod dials a listener on the host's loopback by every address of the node.",
    attempt: (scene) => {
      const addresses = ["127.0.0.1", "10.245.0.1", "10.96.0.1", "10.244.0.1", "localhost", "[::1]"].map(
        (host) => `${host}:${scene.trap.port}`,
      );
      return withProbe(scene, { TAKE: "addresses", ADDRESSES: addresses.join(" ") }, /^tried \[::1\].*$/m, async (log) => log);
    },
    proof: reachedLoopback,
  }),
  asRoot(
    "node-kernel-settings",
    8,
    "Root of the node mounts /proc anew and sets what the kernel runs for a core.",
    () =>
      // The value that it has already.
      "mkdir -p /tmp/proc && mount -t proc proc /tmp/proc && cat /tmp/proc/sys/kernel/core_pattern > /tmp/value && cat /tmp/value > /tmp/proc/sys/kernel/core_pattern",
  ),
  asRoot(
    "node-devices",
    8,
    "Root of the node makes a device of the host's disk and reads it.",
    () =>
      'for n in "8 0" "254 0" "253 0" "259 0" "1 1"; do rm -f /tmp/disk; mknod /tmp/disk b $n && head -c 1 /tmp/disk > /dev/null && exit 0; done; exit 1',
  ),
  onNode({
    id: "node-log-link",
    finding: 10,
    what: "Root of the node leaves links where logs are written, and a controller of the control plane starts again.",
    async attempt(scene) {
      const link = (log: string) => `rm -f ${log} && ln -s ${scene.marker} ${log}`;
      const { exitCode, words } = await asNodeRoot(scene, `cd /var/log/node && for log in *.log; do ${link('"$log"')}; done && ls`);
      await restartController(scene, "image-reflector-controller");
      return `exit code ${exitCode}: ${words}`;
    },
    proof: leftMarker,
  }),
  asRoot(
    "node-files-of-host",
    undefined,
    "Root of the node mounts the host's file systems.",
    () =>
      'mkdir -p /tmp/m; for d in $(cut -d " " -f 1 /proc/self/mounts | grep ^/dev/); do mount -o ro "$d" /tmp/m && ls /tmp/m/root /tmp/m/home && exit 0; done; exit 1',
  ),
  asRoot(
    "node-processes-of-host",
    undefined,
    "Root of the node sees or joins processes beyond its own.",
    () =>
      'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline | grep -E "[d]aemon/main|[k]ube-apiserver|[v]itest" && exit 0; done; nsenter --target 1 --net ip link | grep -v -E "lo:|link/|cni|veth" | grep . && exit 0; exit 1',
  ),
  asRoot(
    "node-own-limits",
    undefined,
    "Root of the node lifts its own limits.",
    () =>
      'for f in $(find /sys/fs/cgroup -maxdepth 2 -name memory.max -o -maxdepth 2 -name memory.limit_in_bytes -o -maxdepth 2 -name pids.max | head -20); do v=$(cat $f); [ "$v" != max ] && [ "$v" -lt 9000000000000000000 ] && echo 9000000000000 > $f && exit 0; done; exit 1',
  ),
];
