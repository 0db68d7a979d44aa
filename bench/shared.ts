import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { cgroupMembers } from "../host/room/cgroups.ts";
import { cgroupOf } from "../host/room/groups.ts";
import { run } from "../shared/exec.ts";
import { cacheHome, cohortPaths } from "../shared/paths.ts";
import { setupTools } from "../tools/install.ts";
import { toolPath } from "../tools/locate.ts";
import { fluxControllerNames, type ToolName } from "../tools/manifest.ts";
import { publishedImage } from "../components/flux/manifests.ts";
import { startGithubFake } from "../test/support/github-fake/fake.ts";
import { actionsRunner } from "../test/support/github-fake/runner.ts";
import { TestCohort, type CommandResult } from "../test/support/lab-cli.ts";
import { registryUser, startPlainRegistry } from "../test/support/plain-registry.ts";

/*
 * A learner on a virtual cluster, for real, on one machine without Docker and without the internet: the Kubernetes below is a
 * learner's embedded lab with real nodes, and vcluster, its database and the controllers are built from their Go modules.
 * Pods of real nodes reach nothing of the host, and no cloud is here, so three things are stand-ins of this file:
 *
 * - the volume of the virtual control plane, made and bound by hand;
 * - the load balancer: `kubectl port-forward` to the virtual API server on a loopback address, which the service's status names;
 * - the way to Git and to the registry: relays into the network namespaces of the controllers and of the node.
 *
 * BENCH_HOLD names a file: what was made stays until it is there. Prints one JSON object; docs/measurements.md keeps the figures.
 */
const home = await mkdtemp(join(tmpdir(), "gl-shared-"));
process.env["GITOPS_LAB_HOME"] = join(home, "below");
const began = Date.now();
const say = (text: string) => process.stderr.write(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
const balancerAddress = "127.0.0.77";

const below = new TestCohort("e2e-bench-below", join(home, "below"), ["below"], undefined, { kind: "embedded", nodes: "real" });
const name = "e2e-bench-shared";
const above = new TestCohort(name, join(home, "above"), []);
const aboveFile = join(import.meta.dirname, "..", "stacks", `Pulumi.${name}.yaml`);

async function must(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await below.run(command, args, env);
  if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

/** A program of one of our Go modules, in the cache. */
async function built(module: string, source: string, env: Record<string, string>, ldflags = ""): Promise<string> {
  const program = join(cacheHome(), "bench", module);
  if (existsSync(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  const flags = ["-mod=readonly", "-trimpath", "-ldflags", `-s -w ${ldflags}`.trim()];
  await run("go", ["build", ...flags, "-o", program, source], { cwd: join(import.meta.dirname, "../tools/go", module), env });
  return program;
}

interface ImageParts {
  readonly programs: Readonly<Record<string, string>>;
  readonly entrypoint: string;
  readonly user?: string;
}

/** Pushes an image with these programs (path in it by path here) and the libraries that they are linked to. */
async function pushImage(
  crane: (...args: string[]) => Promise<string>,
  image: string,
  { programs, entrypoint, user = "0:0" }: ImageParts,
): Promise<number> {
  const tree = await mkdtemp(join(home, "image-"));
  const libraries = new Set<string>();
  for (const [path, program] of Object.entries(programs)) {
    await mkdir(join(tree, dirname(path)), { recursive: true });
    await symlink(program, join(tree, path));
    const { stdout } = await below.run("ldd", [program]);
    for (const [, library = ""] of stdout.matchAll(/(\/\S+) \(0x/g)) libraries.add(library.slice(1));
  }
  const tmp = join(tree, "tmp");
  await mkdir(tmp, { recursive: true });
  const file = `${tree}.tar`;
  await must("tar", ["--create", "--dereference", "--file", file, "--directory", tree, ".", "--directory", "/", ...libraries]);
  const bytes = (await stat(file)).size;
  await crane("append", "--oci-empty-base", "--platform", "linux/amd64", "-f", file, "-t", image);
  await crane(
    "mutate",
    "--entrypoint",
    entrypoint,
    "--user",
    user,
    "--env",
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "--set-platform",
    "linux/amd64",
    "-t",
    image,
    image,
  );
  await rm(file);
  return bytes;
}

/** Network namespace of a process. */
const netOf = (pid: string | number) => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
};

/** A process of each network namespace in which the lab below runs one of these programs, the host's apart. */
async function namespacesOf(programs: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const cgroup = await cgroupOf(cohortPaths(below.name, below.home).learner("below"));
  for (const pid of cgroup === undefined ? [] : await cgroupMembers(cgroup)) {
    try {
      const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const net = netOf(pid);
      if (net !== undefined && net !== netOf("self") && programs.includes(basename(program))) found.set(net, pid);
    } catch {
      // It has ended.
    }
  }
  return found;
}

const relay = `
  const net = require("node:net");
  const [port, socket] = process.argv.slice(1);
  net.createServer((from) => { const to = net.connect(socket); from.pipe(to).pipe(from); from.on("error", () => to.destroy()); to.on("error", () => from.destroy()); }).listen(Number(port), "127.0.0.1");
`;

/** Lets these ports of the host's loopback be reached under the same numbers in the namespaces of these programs, as they come and go. */
async function openDoors(ports: readonly number[], programs: readonly string[], ended: AbortSignal): Promise<Server[]> {
  const servers = ports.map((port) =>
    createServer((from) => {
      const to = connect(port, "127.0.0.1");
      from.pipe(to).pipe(from);
      from.on("error", () => to.destroy());
      to.on("error", () => from.destroy());
    }).listen(join(home, `door-${port}`)),
  );
  const open = new Set<string>();
  void (async () => {
    while (!ended.aborted) {
      for (const [net, pid] of await namespacesOf(programs)) {
        if (open.has(net)) continue;
        open.add(net);
        say(`doors into ${net}`);
        for (const port of ports)
          run("nsenter", ["--target", String(pid), "--net", process.execPath, "--eval", relay, String(port), join(home, `door-${port}`)], {
            reject: false,
            cancelSignal: ended,
            stdin: "ignore",
          });
      }
      await delay(500);
    }
  })();
  return servers;
}

/** Binds the claim of the virtual control plane to the volume that was made by hand, as a cluster's volume controller does. */
async function bindVolume(kubectl: (...args: string[]) => Promise<CommandResult>, ended: AbortSignal): Promise<void> {
  const claims = async () =>
    (
      JSON.parse((await kubectl("get", "pvc", "-A", "-o", "json")).stdout || '{"items":[]}') as {
        items: { metadata: { namespace: string; name: string; uid: string } }[];
      }
    ).items;
  for (;;) {
    const claim = (await claims())[0]?.metadata;
    if (ended.aborted) return;
    if (claim === undefined) {
      await delay(500);
      continue;
    }
    const { namespace, name: claimed, uid } = claim;
    const patch = (what: readonly string[], body: object) => kubectl("patch", ...what, "--type=merge", "-p", JSON.stringify(body));
    await patch(["pv", "by-hand"], {
      spec: { claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: claimed, uid } },
    });
    await patch(["pv", "by-hand", "--subresource=status"], { status: { phase: "Bound" } });
    await patch(["pvc", claimed, "-n", namespace], {
      metadata: { annotations: { "pv.kubernetes.io/bind-completed": "yes" } },
      spec: { volumeName: "by-hand" },
    });
    await patch(["pvc", claimed, "-n", namespace, "--subresource=status"], {
      status: { phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: { storage: "2Gi" } },
    });
    // Of the controller that would take it away when no pod uses the claim any more.
    await patch(["pvc", claimed, "-n", namespace], { metadata: { finalizers: null } });
    return;
  }
}

/** Gives a service the address and leads it to its pods, for as long as it is there. */
async function balance(kubectl: (...args: string[]) => Promise<CommandResult>, kubeconfig: string, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    const { stdout } = await kubectl(
      "get",
      "services",
      "-A",
      "-o",
      "jsonpath={range .items[?(@.spec.type=='LoadBalancer')]}{.metadata.namespace} {.metadata.name} {.status.loadBalancer.ingress[0].ip}{'\\n'}{end}",
    );
    const [namespace, service, address] = stdout.split("\n")[0]?.split(" ") ?? [];
    if (!namespace || !service) {
      await delay(1000);
      continue;
    }
    if (!address) {
      const patched = await kubectl(
        "patch",
        "service",
        service,
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: balancerAddress }] } } }),
      );
      say(`load balancer: ${patched.stdout.trim()}${patched.stderr.trim()}`);
    }
    const forward = await run(
      await toolPath("kubectl"),
      ["port-forward", "-n", namespace, `service/${service}`, "443:443", "--address", balancerAddress],
      { env: { KUBECONFIG: kubeconfig }, reject: false, cancelSignal: ended, stdin: "ignore" },
    );
    if (!ended.aborted) say(`port-forward ended: ${String(forward.stderr).split("\n").at(-1)}`);
    await delay(1000);
  }
}

const ended = new AbortController();
const seconds = (since: number) => Math.round((Date.now() - since) / 1000);
const figures: Record<string, unknown> = {};
let github: Awaited<ReturnType<typeof startGithubFake>> | undefined;
let registry: Awaited<ReturnType<typeof startPlainRegistry>> | undefined;
let doors: Server[] = [];
try {
  await setupTools({ purposes: new Set(["real-nodes", "shared"]), onProgress: ({ what, activity }) => say(`${what}: ${activity}`) });
  await below.writeFile();
  const belowStarted = Date.now();
  const up = await below.lab("up", below.name);
  if (up.exitCode !== 0) throw new Error(up.stderr + up.stdout);
  say(`the Kubernetes below is up (${seconds(belowStarted)} s)`);
  const buildStarted = Date.now();
  const [vcluster, kine] = [
    await built(
      "vcluster",
      "github.com/loft-sh/vcluster/cmd/vcluster",
      { CGO_ENABLED: "0" },
      "-X github.com/loft-sh/vcluster/pkg/telemetry.SyncerVersion=0.30.0",
    ),
    await built("kine", "github.com/k3s-io/kine", { CGO_ENABLED: "1" }),
  ];
  say(`vcluster and kine are built (${seconds(buildStarted)} s)`);

  const lab = (await below.outputs()).learners["below"]!;
  const [host = "", owner = ""] = lab.registry.repository.split("/");
  const kubeconfig = join(cohortPaths(below.name, below.home).learner("below").kubeconfigs, "admin.yaml");
  const kubectl = async (...args: string[]) => below.run(await toolPath("kubectl"), args, { KUBECONFIG: kubeconfig });

  await writeFile(
    join(home, "config.json"),
    JSON.stringify({ auths: { [host]: { auth: Buffer.from(`${lab.registry.username}:${lab.registry.password}`).toString("base64") } } }),
    { mode: 0o600 },
  );
  const crane = (...args: string[]) => toolPath("crane").then((path) => must(path, [...args, "--insecure"], { DOCKER_CONFIG: home }));
  const tool = (one: ToolName) => toolPath(one);
  let bytes = await pushImage(crane, `${host}/${owner}/loft-sh/vcluster-oss:0.30.0`, {
    programs: { vcluster, "usr/local/bin/kine": kine, "usr/local/bin/helm": await tool("helm") },
    entrypoint: "/vcluster,start",
  });
  bytes += await pushImage(crane, `${host}/${owner}/loft-sh/kubernetes:v1.34.0`, {
    programs: {
      "bin/cp": "/bin/cp",
      "kubernetes/kube-apiserver": await tool("kube-apiserver"),
      "kubernetes/kube-controller-manager": await tool("kube-controller-manager"),
    },
    entrypoint: "/bin/cp",
  });
  bytes += await pushImage(crane, `${host}/${owner}/coredns/coredns:1.12.1`, {
    programs: { coredns: await built("dns", "./virtual", { CGO_ENABLED: "0" }) },
    entrypoint: "/coredns",
  });
  for (const controller of fluxControllerNames) {
    const image = publishedImage(controller).replace(/^.*\//, `${host}/${owner}/fluxcd/`);
    bytes += await pushImage(crane, image, {
      programs: { [controller]: await tool(controller) },
      entrypoint: `/${controller}`,
      user: "65532:65532",
    });
  }
  figures["imagesMiB"] = Math.round(bytes / 1024 ** 2);
  say("images are pushed");

  // No provisioner is here, and an embedded lab runs no controller for volumes: the volume is made, and bound, by hand.
  const volume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: "by-hand" },
    spec: {
      capacity: { storage: "2Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path: "/var/lib/by-hand", type: "DirectoryOrCreate" },
    },
  };
  const volumeFile = join(home, "volume.json");
  await writeFile(volumeFile, JSON.stringify(volume));
  await must(await toolPath("kubectl"), ["apply", "-f", volumeFile], { KUBECONFIG: kubeconfig });

  const runner = actionsRunner(home);
  github = await startGithubFake({ folder: home, onPushed: runner.onPushed });
  registry = await startPlainRegistry(join(home, "plain"), { deletes: true });
  const ports = [new URL(github.url).port, registry.host.split(":")[1], github.sshPort].map(Number);
  doors = await openDoors(
    ports,
    ["containerd", "source-controller", "image-reflector-controller", "image-automation-controller"],
    ended.signal,
  );
  void balance(kubectl, kubeconfig, ended.signal);
  void bindVolume(kubectl, ended.signal);

  const cohort = {
    course: "Shared",
    parameters: { interval: "10s" },
    cluster: {
      kind: "shared",
      kubeconfig,
      expose: { kind: "load-balancer", allowedNetworks: ["127.0.0.0/8"] },
      controlPlaneImages: `${host}/${owner}`,
      fluxImages: `${host}/${owner}/fluxcd`,
    },
    git: { kind: "github", organization: "course", url: github.url },
    registry: { kind: "oci", url: `http://${registry.host}/course`, username: registryUser.username },
    learners: [{ id: "ada", name: "Ada", email: "ada@example.org", github: "ada-l" }],
  };
  await writeFile(aboveFile, stringify({ config: { "pulumi:disable-default-providers": ["kubernetes"], "gitops-lab:cohort": cohort } }));
  process.env["GITHUB_TOKEN"] = github.state.token;
  const step = async (...args: string[]) => {
    const started = Date.now();
    const result = await above.lab(...args);
    say(`./lab ${args.join(" ")}: exit code ${result.exitCode}, ${seconds(started)} s`);
    process.stderr.write(`${result.stdout}${result.stderr}`.replace(/^/gm, "         "));
    return { ...result, seconds: seconds(started) };
  };
  await step("setup", name);
  const set = await above.pulumi("config", "set", "--secret", "gitops-lab:registryPassword", registryUser.password, "--stack", name);
  if (set.exitCode !== 0) throw new Error(set.stderr);
  figures["up"] = await step("up", name).then(({ exitCode, seconds }) => ({ exitCode, seconds }));
  figures["verify"] = await step("verify", "ada", "--cohort", name).then(({ exitCode }) => exitCode);
  figures["again"] = await step("up", name).then(({ exitCode, seconds }) => ({ exitCode, seconds }));
  const hold = process.env["BENCH_HOLD"];
  if (hold !== undefined) {
    say(`holding until ${hold} is there; KUBECONFIG=${kubeconfig} GITOPS_LAB_HOME=${above.home}`);
    while (!existsSync(hold)) await delay(1000);
  }
  figures["down"] = await step("down", name).then(({ exitCode, seconds }) => ({ exitCode, seconds }));
  const left = await kubectl("get", "all,namespaces,clusterroles,clusterrolebindings,pvc", "-A", "-o", "name");
  figures["left"] = left.stdout.split("\n").filter((line) => /\/(ada|vc)-/.test(line));
  process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
} finally {
  ended.abort();
  if (existsSync(aboveFile)) await above.lab("down", name);
  await rm(aboveFile, { force: true });
  for (const door of doors) door.close();
  await github?.close();
  await registry?.stop();
  await below.lab("down", below.name);
  await below.removeFile();
  await rm(home, { recursive: true, force: true });
}
