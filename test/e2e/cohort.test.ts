import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImages } from "../../host/images/build.ts";
import { withRepository } from "../../host/images/crane.ts";
import { endOne, type ProcessIdentity } from "../../ledger/process-identity.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { toolPath } from "../../tools/locate.ts";
import { TestCohort, type CommandResult } from "../support/lab-cli.ts";
import { listeningAddresses } from "../support/listeners.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * One cohort through its whole life, by the commands an instructor types, on the real engine, API servers, Flux, Git and
 * registry. The tests build on each other, in this order.
 */
let home: string;
let cohort: TestCohort;
let fileAsWritten: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-e2e-"));
  cohort = new TestCohort(`e2e-${process.pid}`, join(home, "lab"), ["ada", "ada-b"]);
  await cohort.writeFile();
  fileAsWritten = await cohort.readFile();
});

afterAll(async () => {
  await cohort.takeAway(home);
});

const minutes = 60_000;

const marked = () => cohort.marked();

/** Kills the daemon and who would start it again. */
const killDaemon = () => marked().forEach(({ name, identity }) => name === "daemon" && endOne(identity));

const outputs = () => cohort.outputs();
const pulumi = (...args: string[]) => cohort.pulumi(...args);

/** The verdict on each evidence item, `pass | fail | error`, by its id. */
async function verdicts(learner: string): Promise<Record<string, string>> {
  const { stdout } = await cohort.lab("verify", learner, "--cohort", cohort.name, "--json");
  const { learners } = JSON.parse(stdout) as { learners: Record<string, { reports: { id: string; result: { status: string } }[] }> };
  return Object.fromEntries((learners[learner]?.reports ?? []).map(({ id, result }) => [id, result.status]));
}

const allPass = { "reconcile-success": "pass", "image-policy-match": "pass", "deployed-digest": "pass", "rollback-commit": "pass" };

async function awaitVerdicts(learner: string, wanted: Record<string, string>): Promise<void> {
  await waitUntil(
    async () => {
      const seen = await verdicts(learner);
      return Object.entries(wanted).every(([id, status]) => seen[id] === status)
        ? { done: true, value: undefined }
        : { done: false, because: JSON.stringify(seen) };
    },
    { what: `the evidence of ${learner} to be ${JSON.stringify(wanted)}`, timeoutSeconds: 60, intervalMs: 500, remedy: "" },
  );
}

async function kubeconfigFile(learner: string, whose: "kubeconfig" | "adminKubeconfig"): Promise<string> {
  const file = join(home, `${learner}-${whose}`);
  await writeFile(file, (await outputs()).learners[learner]!.cluster[whose], { mode: 0o600 });
  return file;
}

async function inCluster(
  tool: "kubectl" | "flux",
  learner: string,
  whose: "kubeconfig" | "adminKubeconfig",
  ...args: string[]
): Promise<CommandResult> {
  return cohort.run(await toolPath(tool), args, { KUBECONFIG: await kubeconfigFile(learner, whose) });
}

interface FluxContainer {
  readonly image: string;
  readonly containerID?: string;
  readonly ready: boolean;
  readonly restartCount: number;
}

/** The status of the one container of the one pod of a Flux controller; undefined where there is not exactly one. */
async function fluxContainer(controller: string): Promise<FluxContainer | undefined> {
  const { stdout } = succeeded(
    await inCluster("kubectl", "ada", "kubeconfig", "get", "pods", "-n", "flux-system", "-l", `app=${controller}`, "-o", "json"),
  );
  const { items } = JSON.parse(stdout) as { items: { status: { containerStatuses?: FluxContainer[] } }[] };
  return items.length === 1 ? items[0]!.status.containerStatuses?.[0] : undefined;
}

async function awaitFluxContainer(controller: string, what: string, isIt: (container: FluxContainer) => boolean): Promise<void> {
  await waitUntil(
    async () => {
      const seen = await fluxContainer(controller);
      return seen !== undefined && isIt(seen) ? { done: true, value: undefined } : { done: false, because: JSON.stringify(seen) };
    },
    { what, timeoutSeconds: 30, intervalMs: 200, remedy: "" },
  );
}

describe("setup", () => {
  test("makes the cohort ready for plain pulumi, which previews every learner", { timeout: 20 * minutes }, async () => {
    succeeded(await cohort.lab("setup", cohort.name));
    const { stdout } = succeeded(await pulumi("preview", "--stack", cohort.name));
    for (const learner of ["ada", "ada-b"]) expect(stdout).toMatch(new RegExp(`EmbeddedCluster\\s+${learner}-control-plane`));
    expect(marked()).toEqual([]);
    // Plain pulumi has added its salt.
    expect(await cohort.readFile()).toContain("encryptionsalt:");
  });
});

describe("up", () => {
  test("brings up every learner and proves the evidence", { timeout: 10 * minutes }, async () => {
    const { stdout } = succeeded(await cohort.lab("up", cohort.name));
    expect(stdout.match(/✓/g)).toHaveLength(8);
    expect(stdout).toContain("simulated");
    expect(await verdicts("ada")).toEqual(allPass);
    expect(await verdicts("ada-b")).toEqual(allPass);
  });

  test("leaves the cohort file as the instructor wrote it", async () => expect(await cohort.readFile()).toBe(fileAsWritten));

  test("changes nothing when it is run again", { timeout: 2 * minutes }, async () => {
    expect(succeeded(await cohort.lab("up", cohort.name, "--engine")).stderr).toContain("0 changes, in ");
    const { stderr } = succeeded(await cohort.lab("up", cohort.name));
    expect(stderr).toContain(`program and state of ${cohort.name} are as Pulumi left them.`);
    expect(stderr).not.toContain("Bringing up cohort");
  });

  test("keeps every credential out of the state's plain text", async () => {
    const { learners } = await outputs();
    const state = await readFile(join(cohort.home, "pulumi", ".pulumi", "stacks", "gitops-lab", `${cohort.name}.json`), "utf8");
    for (const { git, registry, cluster } of Object.values(learners)) {
      const key = /client-key-data: (\S+)/.exec(cluster.kubeconfig)?.[1];
      expect(key?.length).toBeGreaterThan(100);
      for (const secret of [git.password, registry.password, key!]) expect(state.includes(secret)).toBe(false);
    }
  });

  test("lets nothing listen wider than loopback", () => {
    const addresses = marked().flatMap(({ name, identity }) => listeningAddresses(identity.pid).map((address) => `${name} ${address}`));
    expect(addresses.filter((address) => address.includes("kube-apiserver"))).toHaveLength(2);
    expect(addresses.filter((address) => !/ 127\.0\.0\.1:\d+$/.test(address))).toEqual([]);
    expect(addresses.filter((address) => address.includes("etcd"))).toEqual([]);
  });

  test("refuses callers of the API server who have no certificate", async () => {
    const { cluster } = (await outputs()).learners["ada"]!;
    const { stdout } = await cohort.run("curl", [
      "--insecure",
      "--silent",
      "--write-out",
      "%{http_code}",
      `${cluster.apiServer}/api/v1/namespaces`,
    ]);
    expect(stdout).toMatch(/401$/);
  });
});

describe("a learner", () => {
  test("sees the evidence with the chapter's commands", { timeout: minutes }, async () => {
    const kustomizations = succeeded(await inCluster("flux", "ada", "kubeconfig", "get", "kustomizations", "-n", "flux-system"));
    for (const name of ["apps-develop", "apps-staging", "apps-production"])
      expect(kustomizations.stdout).toMatch(new RegExp(`${name}.*True`));
    const images = succeeded(await inCluster("flux", "ada", "kubeconfig", "get", "images", "all", "-A"));
    expect(images.stdout).toMatch(/imagepolicy\/backend\s.*production-v0\.2\.0/);
    succeeded(await inCluster("kubectl", "ada", "kubeconfig", "get", "deploy", "--namespace", "production"));
  });

  test("finds Flux well with `flux check`, whose pods are processes of the lab host", { timeout: minutes }, async () => {
    const check = succeeded(await cohort.lab("shell", "ada", "--cohort", cohort.name, "--", "flux", "check"));
    expect(check.stdout + check.stderr).toMatch(/kustomize-controller: deployment ready[\s\S]*all checks passed/);
    const { containerID, image } = (await fluxContainer("kustomize-controller"))!;
    const { pid, startTime } = cohort.processNamed("ada/kustomize-controller");
    expect(containerID).toMatch(new RegExp(`^process://.*/${pid}/${startTime}$`));
    expect(image).toMatch(/^lab-host\.invalid\/kustomize-controller:v\d/);
  });

  test("may not read the credentials in flux-system, nor give rights away", { timeout: minutes }, async () => {
    const secrets = await inCluster("kubectl", "ada", "kubeconfig", "get", "secrets", "--namespace", "flux-system");
    expect(secrets).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("forbidden") });
    const escalation = await inCluster(
      "kubectl",
      "ada",
      "kubeconfig",
      "create",
      "clusterrolebinding",
      "x",
      "--clusterrole=cluster-admin",
      "--group=gitops-lab:learners",
    );
    expect(escalation).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("forbidden") });
  });

  test("reaches no other learner's cluster, repository or images", { timeout: minutes }, async () => {
    const { learners } = await outputs();
    const [ada, other] = [learners["ada"]!, learners["ada-b"]!];
    const foreignServer = await inCluster(
      "kubectl",
      "ada",
      "kubeconfig",
      "get",
      "namespaces",
      `--server=${other.cluster.apiServer}`,
      "--insecure-skip-tls-verify",
    );
    expect(foreignServer.exitCode).toBe(1);
    const asAda = `Authorization: Basic ${Buffer.from(`${ada.git.username}:${ada.git.password}`).toString("base64")}`;
    const clone = await cohort.run("git", ["ls-remote", other.git.url], {
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "http.extraHeader",
      GIT_CONFIG_VALUE_0: asAda,
    });
    expect(clone.exitCode).not.toBe(0);
    const images = { ...ada.registry, repository: other.registry.repository };
    await expect(withRepository(images, (client) => client.tags())).rejects.toThrow();
  });
});

describe("a new image", () => {
  test("goes through Flux to develop, and nowhere else", { timeout: 2 * minutes }, async () => {
    const { registry } = (await outputs()).learners["ada"]!;
    const params = gitopsPromotion.params.parse({});
    const release = { version: "0.3.0", revision: "abcdef0", created: Math.floor(Date.now() / 1000) };
    const tag = gitopsPromotion.tag("develop", release);
    const [image] = await buildImages(gitopsPromotion.app(params), [release]);
    await withRepository(registry, async (client) => {
      await client.push(image!.layout, image!.digest);
      await client.tag(image!.digest, tag);
    });
    const deployed = async (environment: string) =>
      succeeded(
        await inCluster(
          "kubectl",
          "ada",
          "adminKubeconfig",
          "get",
          "deploy",
          "backend",
          "-n",
          environment,
          "-o",
          "jsonpath={.spec.template.spec.containers[0].image}",
        ),
      ).stdout;
    await waitUntil(
      async () => {
        const running = await deployed("develop");
        return running.includes(`:${tag}@${image!.digest}`) ? { done: true, value: undefined } : { done: false, because: running };
      },
      { what: `develop to run ${tag}`, timeoutSeconds: 60, intervalMs: 200, remedy: "" },
    );
    expect(await deployed("staging")).toContain("staging-v0.2.0");
    await awaitVerdicts("ada", allPass);
  });
});

describe("the evidence bundle", () => {
  test("of a real lab can be checked without it, and every change to it is found", { timeout: 2 * minutes }, async () => {
    const bundle = join(home, "bundle");
    const { stdout } = succeeded(await cohort.lab("evidence", "ada", "--cohort", cohort.name, "--out", bundle));
    const fingerprint = /sha256:[0-9a-f]{64}/.exec(stdout)![0];
    expect(succeeded(await cohort.lab("evidence", "verify", bundle, "--fingerprint", fingerprint)).stdout).toContain("verdict pass");
    const data = await readFile(join(bundle, "evidence.json"), "utf8");
    const { learners } = await outputs();
    for (const secret of [learners["ada"]!.git.password, learners["ada"]!.registry.password]) expect(data.includes(secret)).toBe(false);
    expect(data).toContain('"ReconciliationSucceeded"');
    await writeFile(join(bundle, "evidence.json"), data.replace("gitops-lab-bot", "gitops-lab-box"));
    expect(await cohort.lab("evidence", "verify", bundle, "--fingerprint", fingerprint)).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining("evidence.json"),
    });
  });
});

describe("the quiz", () => {
  test("is graded on the instructor's side and the attempt is recorded", { timeout: minutes }, async () => {
    const questions = succeeded(await cohort.lab("quiz", "ada", "--cohort", cohort.name, "--questions")).stdout;
    expect(JSON.parse(questions).questions).toHaveLength(10);
    expect(questions).not.toContain("explanation");
    const answers = join(home, "answers.json");
    await writeFile(answers, JSON.stringify({ "rollback-path": "git revert", "rollout-undo": ["not-in-git"] }));
    const attempt = JSON.parse(succeeded(await cohort.lab("quiz", "ada", "--cohort", cohort.name, "--answers", answers, "--json")).stdout);
    const recorded = JSON.parse(succeeded(await cohort.lab("quiz", "--results", "--cohort", cohort.name, "--json")).stdout);
    expect(attempt.result.points).toBe(3);
    expect(recorded.learners.ada.attempts).toMatchObject([{ time: attempt.time, result: attempt.result }]);
    expect(recorded.learners["ada-b"].attempts).toEqual([]);
  });
});

describe("verify", () => {
  test("fails the digest when production was changed by hand, until Flux has restored it", { timeout: 3 * minutes }, async () => {
    const { registry } = (await outputs()).learners["ada"]!;
    succeeded(await inCluster("flux", "ada", "adminKubeconfig", "suspend", "kustomization", "apps-production"));
    const older = (await withRepository(registry, (client) => client.tags())).find((tag) => tag.startsWith("production-v0.1.0"))!;
    const digest = await withRepository(registry, (client) => client.digest(older));
    succeeded(
      await inCluster(
        "kubectl",
        "ada",
        "adminKubeconfig",
        "-n",
        "production",
        "set",
        "image",
        "deploy/backend",
        `backend=${registry.repository}:${older}@${digest}`,
      ),
    );
    await awaitVerdicts("ada", { "reconcile-success": "fail", "image-policy-match": "fail", "deployed-digest": "fail" });
    expect((await cohort.lab("verify", "--cohort", cohort.name)).exitCode).toBe(1);
    expect(await verdicts("ada-b")).toEqual(allPass);
    succeeded(await inCluster("flux", "ada", "adminKubeconfig", "resume", "kustomization", "apps-production"));
    await awaitVerdicts("ada", allPass);
  });

  test("says that it could not look where there is nothing to look at", { timeout: minutes }, async () => {
    succeeded(await cohort.lab("stop", cohort.name));
    const { exitCode, stdout } = await cohort.lab("verify", "ada", "--cohort", cohort.name);
    expect(stdout.match(/could not look/g)).toHaveLength(4);
    expect(exitCode).toBe(3);
    expect(marked()).toEqual([]);
    succeeded(await cohort.lab("start", cohort.name));
    await awaitVerdicts("ada", allPass);
  });

  test("refuses a learner that is not there", async () => {
    expect(await cohort.lab("verify", "nobody", "--cohort", cohort.name)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("ada, ada-b"),
    });
  });
});

describe("repair", () => {
  test("a killed Flux controller is a restart of its pod, and a deleted pod another process", { timeout: 2 * minutes }, async () => {
    const controller = "kustomize-controller";
    const isOf = ({ pid, startTime }: ProcessIdentity, { containerID = "" }: FluxContainer) => containerID.endsWith(`/${pid}/${startTime}`);
    // The cohort was just started, and what came before its API server was started again.
    await awaitFluxContainer(
      controller,
      "the process's pod",
      (container) => container.ready && isOf(cohort.processNamed(`ada/${controller}`), container),
    );
    const killed = cohort.processNamed(`ada/${controller}`);
    const { restartCount: before } = (await fluxContainer(controller))!;
    process.kill(killed.pid, "SIGKILL");
    await awaitFluxContainer(
      controller,
      "the restart",
      (container) => container.ready && container.restartCount === before + 1 && !isOf(killed, container),
    );
    const { pid } = cohort.processNamed(`ada/${controller}`);
    succeeded(await inCluster("kubectl", "ada", "adminKubeconfig", "delete", "pods", "-n", "flux-system", "-l", `app=${controller}`));
    await awaitFluxContainer(controller, "the new pod", ({ ready, restartCount }) => ready && restartCount === 0);
    expect(cohort.processNamed(`ada/${controller}`).pid).not.toBe(pid);
    succeeded(await inCluster("flux", "ada", "kubeconfig", "check"));
    await awaitVerdicts("ada", allPass);
  });

  test("a Flux controller that was scaled down stays down until `up` wants it again", { timeout: 3 * minutes }, async () => {
    const name = "ada/kustomize-controller";
    succeeded(
      await inCluster("kubectl", "ada", "adminKubeconfig", "scale", "deploy/kustomize-controller", "-n", "flux-system", "--replicas=0"),
    );
    await waitUntil(
      async () => {
        const down = marked().every((process) => process.name !== name);
        return down ? { done: true, value: undefined } : { done: false, because: "It runs." };
      },
      { what: `${name} to end`, timeoutSeconds: 30, remedy: "" },
    );
    expect((await cohort.lab("status", cohort.name)).stdout).toMatch(new RegExp(`${name} +awaiting-pod`));
    succeeded(await cohort.lab("up", cohort.name));
    await awaitFluxContainer("kustomize-controller", "the pod", ({ ready }) => ready);
    expect(succeeded(await cohort.lab("status", cohort.name)).stdout).toMatch(new RegExp(`${name} +running`));
  });

  test("a killed API server comes back by itself", { timeout: 2 * minutes }, async () => {
    const before = cohort.processNamed("ada/kube-apiserver").pid;
    process.kill(before, "SIGKILL");
    await awaitVerdicts("ada", allPass);
    expect(cohort.processNamed("ada/kube-apiserver").pid).not.toBe(before);
    const { stdout } = await cohort.lab("status", cohort.name, "--json");
    const { processes } = JSON.parse(stdout) as { processes: { name: string; restarts: number }[] };
    expect(processes.find(({ name }) => name === "ada/kube-apiserver")?.restarts).toBe(1);
  });

  test("a killed daemon is started again and adopts what runs", { timeout: minutes }, async () => {
    const apiServer = cohort.processNamed("ada/kube-apiserver").pid;
    killDaemon();
    succeeded(await cohort.lab("start", cohort.name));
    expect(cohort.processNamed("ada/kube-apiserver").pid).toBe(apiServer);
  });

  test("a cluster that is gone is found by plain pulumi refresh and made again by plain pulumi up", { timeout: 5 * minutes }, async () => {
    const clusterOf = async () => (await outputs()).learners["ada"]!.cluster.id;
    const before = await clusterOf();
    // Gone the hard way: its processes, and its data.
    killDaemon();
    for (const { name, identity } of marked()) if (name.startsWith("ada/")) endOne(identity);
    const { root } = cohortPaths(cohort.name, cohort.home).learner("ada");
    await rm(root, { recursive: true });
    succeeded(await pulumi("refresh", "--yes", "--skip-preview", "--stack", cohort.name));
    succeeded(await pulumi("up", "--yes", "--skip-preview", "--stack", cohort.name));
    expect(await clusterOf()).not.toBe(before);
    await awaitVerdicts("ada", allPass);
    expect(await verdicts("ada-b")).toEqual(allPass);
  });
});

describe("the roster", () => {
  test("a learner whose lab can't be made is named with the cause, and all others stay up", { timeout: 4 * minutes }, async () => {
    const before = (await outputs()).learners;
    await cohort.setLearners(["ada", "ada-b", "cleo"]);
    const inTheWay = join(cohortPaths(cohort.name, cohort.home).root, "learners", "cleo");
    await writeFile(inTheWay, "");
    const { exitCode, stdout, stderr } = await cohort.lab("up", cohort.name);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/cleo did not come up: .*ENOTDIR/);
    expect(stderr).toContain("2 of 3 learners are up");
    expect(stderr).not.toContain("unhandled exception");
    expect(stdout.match(/✓/g)).toHaveLength(8);
    expect((await outputs()).learners).toEqual(before);
    await rm(inTheWay);
  });

  test("an added learner touches no other, also when up is killed half-way", { timeout: 6 * minutes }, async () => {
    const before = (await outputs()).learners;
    const processes = new Map(marked().map(({ name, identity }) => [name, identity.pid]));
    await cohort.setLearners(["ada", "ada-b", "cleo"]);
    const up = cohort.startLab("up", cohort.name);
    await waitUntil(
      async () =>
        marked().some(({ name }) => name === "cleo/kube-apiserver")
          ? { done: true, value: undefined }
          : { done: false, because: "no API server of cleo." },
      { what: "the third learner's API server", timeoutSeconds: 60, intervalMs: 20, remedy: "" },
    );
    process.kill(-up.pid!, "SIGKILL");
    await up;
    succeeded(await cohort.lab("up", cohort.name));
    const after = (await outputs()).learners;
    expect(Object.keys(after).sort()).toEqual(["ada", "ada-b", "cleo"]);
    for (const id of ["ada", "ada-b"]) expect(after[id]).toEqual(before[id]);
    for (const [name, pid] of processes) if (name.startsWith("ada")) expect(cohort.processNamed(name).pid).toBe(pid);
    expect(await verdicts("cleo")).toEqual(allPass);
    expect(marked().filter(({ name }) => name === "pulumi")).toEqual([]);
  });

  test("a removed learner leaves nothing and touches no other", { timeout: 3 * minutes }, async () => {
    const processes = new Map(marked().map(({ name, identity }) => [name, identity.pid]));
    await cohort.setLearners(["ada", "ada-b"]);
    expect((await cohort.lab("plan", cohort.name)).stdout).toContain("cleo is no longer in the cohort file");
    const { stderr } = succeeded(await cohort.lab("up", cohort.name));
    expect(stderr).toContain("cleo is no longer in the cohort file");
    expect(existsSync(join(import.meta.dirname, "../..", /Kept what cleo had in (\S+)\./.exec(stderr)![1]!, "repository.bundle"))).toBe(
      true,
    );
    expect(marked().filter(({ name }) => name.startsWith("cleo"))).toEqual([]);
    const paths = cohortPaths(cohort.name, cohort.home);
    expect(existsSync(paths.learner("cleo").root)).toBe(false);
    expect(existsSync(join(paths.git, "cleo"))).toBe(false);
    expect(await readdir(join(paths.registry, "storage", "docker", "registry", "v2", "repositories"))).toEqual(["ada", "ada-b"]);
    expect(await readFile(join(cohort.home, "ports.json"), "utf8")).not.toContain("cleo");
    for (const [name, pid] of processes) if (/^(ada|ada-b|registry)(\/|$)/.test(name)) expect(cohort.processNamed(name).pid).toBe(pid);
  });
});

describe("bad input", () => {
  test("creates nothing and says what to do", { timeout: minutes }, async () => {
    await cohort.setLearners(["ada", "ada"]);
    const before = await outputs();
    const result = await cohort.lab("up", cohort.name);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("`learners[1].id`") });
    const preview = await pulumi("preview", "--stack", cohort.name);
    expect(preview.exitCode).not.toBe(0);
    expect(preview.stdout + preview.stderr).toContain("`learners[1].id`");
    expect(preview.stdout + preview.stderr).not.toMatch(/^\s+at /m);
    await cohort.setLearners(["ada", "ada-b"]);
    expect(await outputs()).toEqual(before);
  });

  test("an unknown cohort is named with the known ones", async () => {
    expect(await cohort.lab("up", "nobody")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("Known cohorts: demo") });
  });

  test.each(["up", "down", "plan", "results"])("a folder that cannot be written is named by %s", async (command) => {
    const result = await cohort.run(join(import.meta.dirname, "../../lab"), [command, cohort.name], {
      GITOPS_LAB_HOME: join(import.meta.filename, "below-a-file"),
    });
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("GITOPS_LAB_HOME") });
  });
});

describe("ports", () => {
  test("one that another program took while the cohort was stopped is named, and nothing is started", { timeout: minutes }, async () => {
    succeeded(await cohort.lab("stop", cohort.name));
    const port = Number(new URL((await outputs()).learners["ada"]!.cluster.apiServer).port);
    const squatter = createServer().listen(port, "127.0.0.1");
    await once(squatter, "listening");
    try {
      expect(await cohort.lab("up", cohort.name)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(`Port ${port}`) });
      expect(marked()).toEqual([]);
    } finally {
      await new Promise((resolve) => squatter.close(resolve));
    }
    succeeded(await cohort.lab("start", cohort.name));
    await awaitVerdicts("ada", allPass);
  });
});

describe("down", () => {
  test("leaves nothing, also when part of the cohort is dead already", { timeout: 2 * minutes }, async () => {
    killDaemon();
    for (const name of ["ada/kube-apiserver", "ada-b/etcd"]) process.kill(cohort.processNamed(name).pid, "SIGKILL");
    expect(succeeded(await cohort.lab("down", cohort.name)).stdout).toContain("is gone");
    expect(marked()).toEqual([]);
    expect(existsSync(cohort.home)).toBe(false);
    expect(await cohort.readFile()).toBe(fileAsWritten);
  });

  test("has nothing to do the second time", { timeout: minutes }, async () => {
    succeeded(await cohort.lab("down", cohort.name));
    expect(existsSync(cohort.home)).toBe(false);
  });

  test("leaves a cohort that can be made ready anew, also where plain pulumi wrote into its file", { timeout: 2 * minutes }, async () => {
    succeeded(await cohort.lab("env"));
    succeeded(await pulumi("stack", "init", cohort.name));
    const withSalt = await cohort.readFile();
    expect(withSalt).toContain("encryptionsalt:");
    succeeded(await cohort.lab("down", cohort.name));
    await writeFile(join(import.meta.dirname, "..", "..", "stacks", `Pulumi.${cohort.name}.yaml`), withSalt);
    succeeded(await cohort.lab("setup", cohort.name));
    expect(await cohort.readFile()).toBe(fileAsWritten);
    succeeded(await cohort.lab("down", cohort.name));
    expect(existsSync(cohort.home)).toBe(false);
  });
});
