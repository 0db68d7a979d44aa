import { existsSync, readlinkSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheHome, homeMark } from "../../../shared/paths.ts";
import { run } from "../../../shared/exec.ts";
import { listeningAddresses } from "../../support/listeners.ts";
import { wasAccepted, type Attempt } from "./attempt.ts";
import type { Scene } from "./scene.ts";

/** What another user of the machine is: nobody, in no group. */
const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/** Runs a shell's words as another user of the machine, once for each thing, which they have as `$1`; never throws. */
async function asNobody(
  scene: Scene,
  script: string,
  things: readonly string[],
): Promise<{ readonly thing: string; readonly exitCode: number; readonly out: string }[]> {
  const ended = `ended ${scene.id} `;
  const each = `for thing in "$@"; do sh -c "$script" sh "$thing" 2>&1; printf '\\n${ended}%s\\n' "$?"; done`;
  const result = await run("setpriv", [...nobody, "sh", "-c", each, "sh", ...things], {
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", script },
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 100_000,
  });
  const parts = scene.tell(String(result.stdout)).split(ended);
  if (parts.length !== things.length + 1) throw new Error(`not everything was tried: ${result.stderr}${parts.at(-1)}`);
  return things.map((thing, index) => ({ thing, exitCode: parseInt(parts[index + 1]!, 10), out: parts[index]!.replace(/^\d+\n/, "") }));
}

/** A row in which a command that succeeds is the proof; without a thing to try it on there is no sign. */
function tried(
  id: string,
  what: string,
  script: string,
  things: (scene: Scene) => Promise<readonly string[]>,
  more: { readonly finding?: number; readonly mayBeNone?: string } = {},
): Attempt {
  return {
    id,
    ...(more.finding !== undefined && { finding: more.finding }),
    kind: "user",
    as: "local user",
    nodes: "both",
    what,
    async attempt(scene) {
      const all = await things(scene);
      if (all.length === 0) {
        if (more.mayBeNone !== undefined) return more.mayBeNone;
        throw new Error("there is nothing to try it on");
      }
      const seen = await asNobody(scene, script, all);
      const taken = seen.find(({ exitCode }) => exitCode === 0);
      if (taken !== undefined) scene.accepted = `${taken.thing}: ${taken.out.slice(0, 300)}`;
      const signs = seen.map(({ out }) => out.trim().split("\n").at(-1) ?? "");
      return `${all.length} tried: ${[...new Set(signs)].slice(0, 5).join("; ")}`;
    },
    proof: wasAccepted,
  };
}

const pids = async ({ ground }: Scene) => [...new Set(ground.marked().map(({ identity }) => String(identity.pid)))];

/** Every file and folder of the lab home down to some depth, as the instructor sees them. */
async function below(folder: string, depth = 3): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const here = entries.map(({ name }) => join(folder, name));
  const deeper =
    depth === 0
      ? []
      : await Promise.all(entries.filter((entry) => entry.isDirectory()).map(({ name }) => below(join(folder, name), depth - 1)));
  return [...here, ...deeper.flat()];
}

/** Loopback ports of the lab as the host's own network has them. */
async function ports(scene: Scene): Promise<string[]> {
  const own = (await readFile("/proc/self/net/tcp", "utf8")).split("\n");
  const listening = new Set(own.filter((line) => / 0A /.test(line)).map((line) => parseInt(/:([0-9A-F]{4}) /.exec(line)?.[1] ?? "0", 16)));
  const network = await readlink("/proc/self/ns/net");
  const all = scene.ground.marked().flatMap(({ identity }) => {
    try {
      // What listens in a room has a port of the room's.
      return readlinkSync(`/proc/${identity.pid}/ns/net`) === network ? listeningAddresses(identity.pid) : [];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
  return [...new Set(all.map((address) => address.split(":").at(-1)!))].filter((port) => listening.has(Number(port)));
}

/** Unix sockets that processes of the lab listen on, by their paths and by names without a path. */
async function sockets({ ground }: Scene): Promise<string[]> {
  const table = await readFile("/proc/net/unix", "utf8");
  const named = table.split("\n").flatMap((line) => /(?:^|\s)(@?\/?\S*)$/.exec(line)?.[1] ?? []);
  return [...new Set(named.filter((name) => name.includes(ground.home) || name.includes("gitops-lab")))];
}

const present = (...paths: readonly string[]) => paths.filter((path) => existsSync(path));

export const userRows: readonly Attempt[] = [
  tried(
    "user-lab-home",
    "Another user looks into the lab home and everything in it.",
    '[ -d "$1" ] && ls "$1" || cat "$1"',
    async ({ ground }) => [ground.cohort.home, ...(await below(ground.cohort.home, 2)).slice(0, 60)],
  ),
  tried("user-secrets", "Another user reads credentials by their exact paths.", 'cat "$1"', async ({ ground }) => {
    const learner = ground.paths.learner("bob");
    const files = [
      join(ground.cohort.home, "passphrase"),
      join(ground.cohort.home, "evidence-key.pem"),
      join(learner.access, "grants.json"),
      join(learner.access, "credentials.json"),
      ...["admin.yaml", "learner.yaml", "flux.yaml"].map((name) => join(learner.kubeconfigs, name)),
      ...["admin.key", "service-accounts.key"].map((name) => join(learner.pki, name)),
      ...(await below(ground.paths.registry, 0)),
    ];
    return present(...files);
  }),
  tried("user-handout", "Another user reads a handout that lies in a folder they may enter.", 'cat "$1"', async ({ ground }) =>
    ["kubeconfig.yaml", "git-credentials", "registry/config.json"].map((name) => join(ground.home, "handout-bob", name)),
  ),
  tried(
    "user-write",
    "Another user writes into the lab home and the cache of tools.",
    'touch "$1/tried" && rm "$1/tried"',
    async ({ ground }) => [
      ground.cohort.home,
      ground.paths.root,
      ground.paths.daemon,
      ground.paths.git,
      cacheHome(),
      join(cacheHome(), "tools"),
    ],
  ),
  tried("user-environment", "Another user reads the environment of the lab's processes.", 'cat "/proc/$1/environ"', pids),
  tried("user-memory", "Another user reads the memory of the lab's processes.", 'head -c 16 "/proc/$1/mem"', pids),
  tried("user-root", "Another user enters the lab's file systems by /proc.", 'ls "/proc/$1/root/" || ls "/proc/$1/cwd/"', pids),
  tried("user-files", "Another user takes the open files of the lab's processes.", 'ls "/proc/$1/fd/"', pids),
  tried(
    "user-namespaces",
    "Another user joins the namespaces of the lab's processes.",
    'nsenter --target "$1" --net true || nsenter --target "$1" --user true',
    pids,
  ),
  tried("user-signal", "Another user ends processes of the lab.", 'kill -0 "$1"', pids),
  tried(
    "user-sockets",
    "Another user connects to the lab's Unix sockets.",
    'curl --silent --show-error --max-time 3 --unix-socket "$1" http://lab/processes',
    async (scene) => [...(await sockets(scene)).filter((name) => name.startsWith("/")), join(scene.ground.paths.daemon, "control.sock")],
  ),
  tried(
    "user-abstract-sockets",
    "Another user connects to sockets of the lab that have no path.",
    'curl --silent --show-error --max-time 3 --abstract-unix-socket "${1#@}" http://lab/',
    async (scene) => (await sockets(scene)).filter((name) => name.startsWith("@")),
    { mayBeNone: "no process of the lab has such a socket" },
  ),
  tried(
    "user-ports",
    "Another user asks every port of the lab without a login, over HTTP.",
    'curl --silent --show-error --fail --max-time 5 "http://127.0.0.1:$1/"',
    ports,
  ),
  tried(
    "user-ports-tls",
    "Another user asks every port of the lab without a login, over TLS.",
    'curl --silent --show-error --fail --insecure --max-time 5 "https://127.0.0.1:$1/api"',
    ports,
  ),
  tried(
    "user-artifacts",
    "Another user asks source-controllers for the learners' repositories.",
    'curl --silent --show-error --fail --max-time 5 "$1"',
    async ({ ground }) => [ground.bobsArtifact.url, new URL(".", ground.bobsArtifact.url).href],
    { finding: 6 },
  ),
  tried(
    "user-git",
    "Another user fetches another's repository and images as nobody.",
    'curl --silent --show-error --fail --max-time 5 "$1"',
    async ({ ground }) => [
      `${ground.bob.gitUrl}/info/refs?service=git-upload-pack`,
      `http://${ground.bob.images.split("/")[0]}/v2/_catalog`,
      `http://${ground.bob.images.replace("/", "/v2/")}/tags/list`,
    ],
  ),
  tried(
    "user-arguments",
    "Secrets stand in the arguments of processes, which every user reads.",
    'tr "\\0" " " < "/proc/$1/cmdline" | grep -E "password|token=|Bearer|PRIVATE KEY"',
    pids,
  ),
  tried(
    "user-scratch",
    "Another user reads what builds and pushes leave in the folder for temporary files.",
    'ls "$1"',
    async ({ ground }) => {
      // Other labs, and other tests, have folders there as well.
      const own = new RegExp(`^gitops-lab-[a-z]+-${homeMark({ ...process.env, GITOPS_LAB_HOME: ground.cohort.home })}-`);
      const names = (await readdir(tmpdir())).filter((name) => own.test(name));
      return [...names.map((name) => join(tmpdir(), name)), join(ground.cohort.home, "cohorts")];
    },
  ),
  tried(
    "user-control-groups",
    "Another user moves a process into a learner's control group.",
    'for file in $(find "$1" -maxdepth 6 -path "*gitops-lab*" -name cgroup.procs 2>/dev/null); do sh -c "echo 0 > $file" && exit 0; done; echo "none was written"; exit 1',
    async () => ["/sys/fs/cgroup"],
  ),
];
