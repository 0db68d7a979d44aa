import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { cgroupOf } from "../host/room/groups.ts";
import { cohortPaths } from "../shared/paths.ts";
import { setupTools } from "../tools/install.ts";
import { toolPath } from "../tools/locate.ts";
import { fluxControllerNames, type ToolName } from "../tools/manifest.ts";
import { publishedImage } from "../components/flux/manifests.ts";
import { startGithubFake } from "../test/support/github-fake/fake.ts";
import { actionsRunner } from "../test/support/github-fake/runner.ts";
import { TestCohort } from "../test/support/lab-cli.ts";
import { registryUser, startPlainRegistry } from "../test/support/plain-registry.ts";
import { balance, bindVolume } from "./shared/by-hand.ts";
import { openDoors } from "./shared/doors.ts";
import { built, pushImage } from "./shared/images.ts";

/*
 * A learner on a virtual cluster, for real, on one machine without Docker and without the internet: the Kubernetes below is a
 * learner's embedded lab with real nodes, and vcluster, its database and the controllers are built from their Go modules.
 * Pods of real nodes reach nothing of the host, and no cloud is here, so three things are stand-ins, in bench/shared/:
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

const below = new TestCohort("e2e-bench-below", join(home, "below"), ["below"], undefined, { kind: "embedded", nodes: "real" });
const name = "e2e-bench-shared";
const above = new TestCohort(name, join(home, "above"), []);
const aboveFile = join(import.meta.dirname, "..", "stacks", `Pulumi.${name}.yaml`);

async function must(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await below.run(command, args, env);
  if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
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
  let bytes = await pushImage(home, crane, `${host}/${owner}/loft-sh/vcluster-oss:0.30.0`, {
    programs: { vcluster, "usr/local/bin/kine": kine, "usr/local/bin/helm": await tool("helm") },
    entrypoint: "/vcluster,start",
  });
  bytes += await pushImage(home, crane, `${host}/${owner}/loft-sh/kubernetes:v1.34.0`, {
    programs: {
      "bin/cp": "/bin/cp",
      "kubernetes/kube-apiserver": await tool("kube-apiserver"),
      "kubernetes/kube-controller-manager": await tool("kube-controller-manager"),
    },
    entrypoint: "/bin/cp",
  });
  bytes += await pushImage(home, crane, `${host}/${owner}/coredns/coredns:1.12.1`, {
    programs: { coredns: await built("dns", "./virtual", { CGO_ENABLED: "0" }) },
    entrypoint: "/coredns",
  });
  for (const controller of fluxControllerNames) {
    const image = publishedImage(controller).replace(/^.*\//, `${host}/${owner}/fluxcd/`);
    bytes += await pushImage(home, crane, image, {
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
  doors = await openDoors(ports, {
    folder: home,
    cgroup: () => cgroupOf(cohortPaths(below.name, below.home).learner("below")),
    programs: ["containerd", "source-controller", "image-reflector-controller", "image-automation-controller"],
    ended: ended.signal,
    say,
  });
  void balance(kubectl, kubeconfig, ended.signal, say);
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
