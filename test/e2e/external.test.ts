import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { embeddedCluster, type EmbeddedClusterOutput } from "../../clusters/embedded/cluster.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { labHost } from "../../host/drivers/lab-host.ts";
import { run } from "../../shared/exec.ts";
import { setupTools } from "../../tools/install.ts";
import { toolPath } from "../../tools/locate.ts";
import { fluxControllerNames } from "../../tools/manifest.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { actionsRunner, type ActionsRunner } from "../support/github-fake/runner.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { useLabHome } from "../support/lab-home.ts";
import { playFlux } from "../support/played-flux.ts";
import { registryUser, startPlainRegistry } from "../support/plain-registry.ts";

/**
 * A learner on a cluster that the instructor brings. The cluster is an embedded control plane without a lab, whose pods are
 * simulated; the programs of Flux' pods run beside it, as long as their Deployments are there. GitHub is a stand-in.
 */
useLabHome();
const name = "e2e-external";
const file = join(import.meta.dirname, "..", "..", "stacks", `Pulumi.${name}.yaml`);
const accounts: Readonly<Record<string, string>> = { ada: "ada-l", grace: "grace-h" };
const there = { cohort: "there", learner: "owner" };
let folder: string;
let kubeconfig: string;
let made: { readonly id: string; readonly output: EmbeddedClusterOutput };
let flux: Awaited<ReturnType<typeof playFlux>>;
let github: GithubFake;
let runner: ActionsRunner;
let registry: Awaited<ReturnType<typeof startPlainRegistry>>;
let cohort: TestCohort;

beforeAll(async () => {
  await setupTools();
  folder = await mkdtemp(join(tmpdir(), "e2e-external-"));
  await mkdir(join(folder, "home"));
  const ports = { from: 27000, to: 27999 };
  await labHost(sweepClusters).ensure({ cohort: there.cohort, ports });
  made = await embeddedCluster.ensure({ ...there, ports, isolation: "none" });
  kubeconfig = join(folder, "ada.yaml");
  await writeFile(kubeconfig, made.output.adminKubeconfig, { mode: 0o600 });
  flux = await playFlux(kubeconfig);
  runner = actionsRunner(folder);
  github = await startGithubFake({ folder, onPushed: runner.onPushed });
  registry = await startPlainRegistry(join(folder, "plain"), { deletes: true });
  vi.stubEnv("GITHUB_TOKEN", github.state.token);
  cohort = new TestCohort(name, join(folder, "home"), []);
  await describeCohort(["ada"]);
  const set = await cohort.lab("setup", name);
  expect(set.exitCode, set.stderr).toBe(0);
}, 300_000);
afterAll(async () => {
  await cohort?.lab("down", name);
  await rm(file, { force: true });
  await flux?.stop();
  await github?.close();
  await registry?.stop();
  await embeddedCluster.remove(made.id, made.output);
  await labHost(sweepClusters).remove(there.cohort, { httpUrl: "", registry: "" });
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
}, 240_000);

async function describeCohort(learners: readonly string[]): Promise<void> {
  const config = {
    "pulumi:disable-default-providers": ["kubernetes"],
    "gitops-lab:cohort": {
      course: "On a cluster that is brought",
      parameters: { interval: "10s" },
      cluster: { kind: "external", kubeconfig: join(folder, "{learner}.yaml") },
      git: { kind: "github", organization: "course", url: github.url },
      registry: { kind: "oci", url: `http://${registry.host}/course`, username: registryUser.username },
      learners: learners.map((id) => ({ id, name: id, email: `${id}@example.org`, github: accounts[id] })),
    },
  };
  await writeFile(file, stringify({ config }));
}

const kubectl = async (...args: string[]) =>
  (await run(await toolPath("kubectl"), args, { env: { KUBECONFIG: kubeconfig, HOME: folder } })).stdout;

/** What stands in the cluster outside of namespaces. */
const standing = async () =>
  (await kubectl("get", "namespaces,crds,clusterroles,clusterrolebindings", "-o", "name")).split("\n").toSorted();

let before: readonly string[];

test("a learner without a kubeconfig, and two with one cluster, are refused before anything is made", { timeout: 120_000 }, async () => {
  before = await standing();
  await describeCohort(["grace"]);
  const missing = await cohort.lab("up", name);
  expect([missing.exitCode, missing.stderr]).toEqual([
    2,
    expect.stringContaining("grace.yaml can't be read: there is no such file. Nothing was created."),
  ]);
  await writeFile(join(folder, "grace.yaml"), made.output.adminKubeconfig, { mode: 0o600 });
  await describeCohort(["ada", "grace"]);
  const twice = await cohort.lab("up", name);
  expect([twice.exitCode, twice.stderr]).toEqual([2, expect.stringContaining("2 learners would be on one cluster")]);
  expect(await standing()).toEqual(before);
  await describeCohort(["ada"]);
});

test("comes up with Flux in the cluster, and proves its evidence", { timeout: 480_000 }, async () => {
  const secret = await cohort.pulumi("config", "set", "--secret", "gitops-lab:registryPassword", registryUser.password, "--stack", name);
  expect(secret.exitCode, secret.stderr).toBe(0);
  const { exitCode, stderr, stdout } = await cohort.lab("up", name);
  expect(exitCode, `${stdout}${stderr}\n${runner.jobs.map(({ script, output }) => `${script}: ${output}`).join("\n")}`).toBe(0);
  expect(flux.running()).toEqual([...fluxControllerNames].toSorted());
  const { cluster } = (await cohort.outputs()).learners["ada"]!;
  expect(cluster).toMatchObject({ kind: "external", apiServer: made.output.apiServer });
  // The learner has a token of their own, and the state what was brought only encrypted.
  const key = /client-key-data: (\S{60})/.exec(made.output.adminKubeconfig)![1]!;
  expect(cluster.kubeconfig).toMatch(/token: /);
  expect(cluster.kubeconfig).not.toContain(key);
  expect((await cohort.pulumi("stack", "export", "--stack", name)).stdout).not.toContain(key);
});

test("has nothing to do the second time", { timeout: 240_000 }, async () => {
  const { exitCode, stderr } = await cohort.lab("up", name);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining("0 changes")]);
});

test("goes, and the cluster is what it was", { timeout: 300_000 }, async () => {
  const { exitCode, stdout, stderr } = await cohort.lab("down", name);
  expect(exitCode, `${stdout}${stderr}`).toBe(0);
  expect(stdout).toContain("1 external-cluster");
  expect(await standing()).toEqual(before);
  expect(flux.running()).toEqual([]);
});
