import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fluxManifests } from "../components/flux/manifests.ts";
import { cgroupMembers } from "../host/room/cgroups.ts";
import { cgroupOf } from "../host/room/groups.ts";
import { findMarked } from "../ledger/process-identity.ts";
import { cohortPaths } from "../shared/paths.ts";
import { fluxControllerNames, type FluxController } from "../tools/manifest.ts";
import { toolPath } from "../tools/locate.ts";
import { TestCohort } from "../test/support/lab-cli.ts";

/*
 * The Flux controllers of one learner on a real node, as processes of the lab host and as Deployments from images of the
 * same programs: memory, time until Ready, disk, and what `flux check` says. The Deployments reach no Git server from their
 * pods, so what is measured is their start and their memory at rest. Prints one JSON object; docs/measurements.md keeps the figures.
 */
const home = await mkdtemp(join(tmpdir(), "gl-flux-"));
const cohort = new TestCohort("e2e-bench-flux", join(home, "lab"), ["l1"], undefined, { kind: "embedded", nodes: "real" });
await cohort.writeFile();
const paths = cohortPaths(cohort.name, cohort.home);

async function must(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await cohort.run(command, args, env);
  if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

/** Proportional set size of a process in MiB. */
async function memory(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) / 1024;
}

async function sum(pids: Iterable<number>): Promise<number> {
  let total = 0;
  for (const pid of pids) total += await memory(pid);
  return Math.round(total);
}

const isController = (name: string) => fluxControllerNames.some((controller) => name.endsWith(`/${controller}`));

try {
  const up = await cohort.lab("up", cohort.name);
  if (up.exitCode !== 0) throw new Error(up.stderr + up.stdout);
  await delay(30_000);
  const asProcesses = await sum(
    findMarked(paths.daemon)
      .filter(({ name }) => isController(name))
      .map(({ identity }) => identity.pid),
  );

  const { registry } = (await cohort.outputs()).learners["l1"]!;
  const [host = "", learner = ""] = registry.repository.split("/");
  const auth = Buffer.from(`${registry.username}:${registry.password}`).toString("base64");
  await writeFile(join(home, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }), { mode: 0o600 });
  const crane = (...args: string[]) => toolPath("crane").then((path) => must(path, [...args, "--insecure"], { DOCKER_CONFIG: home }));
  const image = (controller: FluxController) => `${host}/${learner}/${controller}:bench`;

  let bytes = 0;
  const pushStarted = Date.now();
  for (const controller of fluxControllerNames) {
    const program = await toolPath(controller);
    // With what it is linked to: the lab builds them for the host.
    const libraries = [...(await must("ldd", [program])).matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path.slice(1));
    const file = join(home, `${controller}.tar`);
    await must("tar", [
      "--create",
      "--dereference",
      "--file",
      file,
      "--directory",
      dirname(program),
      controller,
      "--directory",
      "/",
      ...libraries,
    ]);
    bytes += (await stat(file)).size;
    await crane("append", "--oci-empty-base", "--platform", "linux/amd64", "-f", file, "-t", image(controller));
    await crane(
      "mutate",
      "--entrypoint",
      `/${controller}`,
      "--user",
      "65532:65532",
      "--set-platform",
      "linux/amd64",
      "-t",
      image(controller),
      image(controller),
    );
  }
  const push = (Date.now() - pushStarted) / 1000;

  const cgroup = (await cgroupOf(paths.learner("l1")))!;
  const before = new Set(await cgroupMembers(cgroup));
  const kubeconfig = { KUBECONFIG: join(paths.learner("l1").kubeconfigs, "admin.yaml") };
  const kubectl = async (...args: string[]) => must(await toolPath("kubectl"), args, kubeconfig);
  const manifests = join(home, "manifests.json");
  await writeFile(manifests, JSON.stringify({ apiVersion: "v1", kind: "List", items: fluxManifests({ image }) }));
  // Those of the same names that stand for the processes; they take the processes along.
  await kubectl("delete", "deployments", "-n", "flux-system", "--all", "--cascade=foreground");
  const started = Date.now();
  await kubectl("apply", "--server-side", "-f", manifests);
  for (const controller of fluxControllerNames)
    await kubectl("rollout", "status", "-n", "flux-system", `deployment/${controller}`, "--timeout=180s");
  const ready = (Date.now() - started) / 1000;
  await delay(30_000);
  const asDeployments = await sum([...(await cgroupMembers(cgroup))].filter((pid) => !before.has(pid)));
  const check = await cohort.run(await toolPath("flux"), ["check"], kubeconfig);
  const report = {
    date: new Date().toISOString().slice(0, 10),
    memoryMiB: { asProcesses, asDeployments },
    seconds: { push, ready },
    imagesMiB: Math.round(bytes / 1024 ** 2),
    fluxCheck: check.stdout + check.stderr,
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
