import type { LabError } from "../../shared/errors.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import { saidLast, stepFailure, type Doing } from "../step-failure.ts";

/** Without a kubeconfig of the user's in reach: every call names the learner's own. */
const environment = { KIND_EXPERIMENTAL_PROVIDER: "docker", KUBECONFIG: "/dev/null", NO_COLOR: "1" };

/** Runs kind and gives its standard output. Throws LabError. */
export async function kind(args: readonly string[], doing: Doing, timeoutSeconds = 120): Promise<string> {
  return succeed(await toolPath("kind"), args, doing, timeoutSeconds);
}

/** Runs Docker's command line and gives its standard output. Throws LabError. */
export async function docker(args: readonly string[], doing: Doing, timeoutSeconds = 60): Promise<string> {
  return succeed("docker", args, doing, timeoutSeconds);
}

/** Runs a program in a node. What it says is for the caller to judge; throws LabError where Docker does not let it run. */
export async function inNode(
  node: string,
  command: readonly string[],
  doing: Doing,
  timeoutSeconds = 60,
): Promise<{ readonly out: string; readonly error: string }> {
  const result = await attempt("docker", ["exec", node, ...command], timeoutSeconds);
  const { stdout, stderr, exitCode } = result;
  // Docker's own failures have these codes (docker exec, "Exit status"); the rest are the program's.
  if (exitCode === undefined || exitCode >= 125) throw failure(doing, causeOf(result, timeoutSeconds, stderr));
  return { out: stdout.trim(), error: stderr.trim() };
}

export interface Container {
  readonly id: string;
  /** Docker's word: `running`, `exited`, `created`, ... */
  readonly state: string;
}

/** The containers of a kind cluster, by the label that kind gives them; none where there is no cluster of that name. */
export async function containersOf(name: string, doing: Doing): Promise<Container[]> {
  const out = await docker(
    ["ps", "--all", "--no-trunc", "--filter", `label=io.x-k8s.kind.cluster=${name}`, "--format", "{{.ID}}\t{{.State}}"],
    doing,
  );
  return out.split("\n").flatMap((line) => {
    const [id, state] = line.split("\t");
    return id && state ? [{ id, state }] : [];
  });
}

async function succeed(command: string, args: readonly string[], doing: Doing, timeoutSeconds: number): Promise<string> {
  const result = await attempt(command, args, timeoutSeconds);
  if (!result.failed) return result.stdout;
  throw failure(doing, causeOf(result, timeoutSeconds, `${result.stderr}\n${result.stdout}`));
}

function attempt(command: string, args: readonly string[], timeoutSeconds: number) {
  return run(command, args, {
    env: childEnvironment("docker", environment),
    reject: false,
    stdin: "ignore",
    timeout: timeoutSeconds * 1000,
    forceKillAfterDelay: 20_000,
  });
}

/** What `failure` knows causes by: that it took too long, that there is no such program, or what was said. */
function causeOf({ timedOut, code }: Awaited<ReturnType<typeof attempt>>, timeoutSeconds: number, said: string): string {
  if (timedOut) return `it took longer than ${timeoutSeconds} s`;
  return code === "ENOENT" ? code : said;
}

interface Explained {
  readonly code: string;
  readonly what: string;
  readonly remedy: string;
}

/** Failures of kind and Docker as they are seen in their issue trackers: what each says, what it means and what helps. */
const known: readonly (readonly [RegExp, Explained])[] = [
  [
    /^ENOENT$/,
    {
      code: "docker-missing",
      what: "there is no docker command on PATH",
      remedy: "Install Docker Engine, or set `cluster.kind` to another provider",
    },
  ],
  [
    /permission denied while trying to connect to the (Docker daemon|docker API)/i,
    {
      code: "docker-denied",
      what: "this user may not speak to Docker",
      remedy: "Add the user to the group docker (`sudo usermod -aG docker $USER`) and log in again",
    },
  ],
  [
    /Cannot connect to the Docker daemon|error during connect|Is the docker daemon running/i,
    {
      code: "docker-away",
      what: "no Docker engine answers",
      remedy: "Start it (`sudo systemctl start docker`), or set `cluster.kind` to another provider",
    },
  ],
  [
    /node\(s\) already exist for a cluster with the name/,
    {
      code: "kind-name-taken",
      what: "a cluster of that name is there already",
      remedy: "Look at it with `kind get clusters`; `kind delete cluster --name <name>` removes it",
    },
  ],
  [
    /no space left on device/,
    { code: "disk-full", what: "Docker's disk is full", remedy: "Make room (`docker system df` tells what takes it)" },
  ],
  [
    /failed to pull image|pull access denied|manifest unknown|manifest for .* not found|No such image/,
    {
      code: "kind-image-missing",
      what: "the node image is neither here nor to be pulled",
      remedy:
        "Offline, push it to a registry of your own and name it there by digest (docs/clusters.md); else check `cluster.image` in the cohort file and the network",
    },
  ],
  [
    /too many open files|could not find a log line that matches|inotify_init/,
    {
      code: "kind-limits",
      what: "the node did not start, as happens where the machine has too few inotify instances",
      remedy: "Raise them with `sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288`",
    },
  ],
  [
    /port is already allocated|address already in use/,
    {
      code: "port-in-use",
      what: "a port it has leased is used by another program",
      remedy: "`./lab down <cohort>` gives its ports back; `ss -tlnp` names the program",
    },
  ],
  [
    /failed to init node with kubeadm|timed out waiting for the condition|it took longer than/,
    {
      code: "kind-slow",
      what: "the control plane did not come up in time",
      remedy: "Make fewer at once (`parallel` in the cohort file), or give the machine more memory",
    },
  ],
];

function failure(doing: Doing, output: string): LabError {
  const { code, what, remedy } = known.find(([pattern]) => pattern.test(output))?.[1] ?? {
    code: "kind-failed",
    what: "",
    remedy: "`docker ps -a` and `kind export logs` show more",
  };
  // `docker info` comes as a line of JSON.
  const said = output === "ENOENT" ? "" : saidLast(output, /^Command Output: \{/);
  return stepFailure(doing, { code, what: what === "" ? said : `${what}${said === "" ? "" : ` (${said})`}`, remedy });
}
