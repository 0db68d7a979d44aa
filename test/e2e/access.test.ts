import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findMarked, namespacesOf } from "../../ledger/process-identity.ts";
import { run } from "../../shared/exec.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cacheHome, cohortPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";
import { toolPath } from "../../tools/locate.ts";
import { TestCohort, type CommandResult } from "../support/lab-cli.ts";
import { listeningAddresses } from "../support/listeners.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * A cohort of one learner that is opened on an address of its own, used as from another machine: by nothing but the
 * handout. The tests build on each other.
 */
let home: string;
let cohort: TestCohort;

const minutes = 60_000;
const ofCohort = () => ["--cohort", cohort.name];
const daemonFolder = () => cohortPaths(cohort.name, cohort.home).daemon;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-access-"));
  // Where the machine allows it, the nodes are real, and pull images with what the rotation gave them.
  cohort = new TestCohort(`e2e-access-${process.pid}`, join(home, "lab"), ["ada"], undefined, { kind: "embedded", nodes: "auto" });
  await cohort.set({ access: { listen: "127.0.0.2" } });
  succeeded(await cohort.lab("up", cohort.name));
}, 5 * minutes);

afterAll(async () => {
  await cohort.takeAway(home);
}, 2 * minutes);

async function outputs(): Promise<LearnerOutputs> {
  return (await cohort.outputs()).learners["ada"]!;
}

/** A new handout, in a folder of its own. */
async function handout(): Promise<string> {
  const folder = await mkdtemp(join(home, "handout-"));
  succeeded(await cohort.lab("handout", "ada", ...ofCohort(), "--out", folder));
  return folder;
}

/** A script in a shell that has sourced the handout, and nothing of this machine's settings. */
async function withHandout(folder: string, script: string): Promise<CommandResult> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_CACHE_HOME: dirname(cacheHome()), GIT_TERMINAL_PROMPT: "0" };
  const { exitCode, stdout, stderr } = await run("bash", ["-c", `. ./env.sh\n${script}`], {
    cwd: folder,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
  });
  return { exitCode: exitCode ?? -1, stdout, stderr };
}

/** What check.sh says, by thing: `ok`, `off`, or the reason of a failure. */
async function check(folder: string): Promise<{ readonly exitCode: number; readonly says: Record<string, string> }> {
  const { exitCode, stdout } = await run("sh", ["check.sh"], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "" },
    extendEnv: false,
    reject: false,
  });
  const says = stdout.split("\n").map((line) => /^(\S+)\s+(\S+)\s+\S+?(?:: (.*)|[ ,].*)?$/.exec(line)!);
  return { exitCode: exitCode ?? -1, says: Object.fromEntries(says.map(([, state, what, reason]) => [what!, reason ?? state!])) };
}

const well = { cluster: "ok", git: "ok", images: "ok", page: "off" };
const refused = expect.stringMatching(/^401, your credential is refused/);

/** Every address of the host's network on which a process of the cohort listens, without its port. */
function addresses(): string[] {
  return [
    ...new Set(
      findMarked(daemonFolder())
        .filter(({ identity }) => !namespacesOf(identity.pid).some((namespace) => namespace.startsWith("net:")))
        .flatMap(({ identity }) => listeningAddresses(identity.pid))
        .map((address) => address.replace(/:\d+$/, "")),
    ),
  ].sort();
}

/** The clone command of the handout's page, word for word. */
async function cloneCommand(folder: string): Promise<string> {
  return /```sh\n(git clone [^`]*)```/.exec(await readFile(join(folder, "handout.md"), "utf8"))![1]!;
}

async function pushChange(folder: string, file: string): Promise<string> {
  const script = `${(await cloneCommand(folder)).trimEnd()} work-${file} >&2 && cd work-${file} && echo x >${file} && git add ${file} && git commit --quiet --message "Add ${file}" && git push --quiet >&2 && git rev-parse HEAD`;
  return succeeded(await withHandout(folder, script)).stdout.trim();
}

async function awaitFluxAt(folder: string, commit: string): Promise<void> {
  await waitUntil(
    async () => {
      const { stdout } = await withHandout(
        folder,
        "kubectl get gitrepository flux-system --namespace flux-system --output jsonpath={.status.artifact.revision}",
      );
      return stdout.endsWith(commit) ? { done: true, value: undefined } : { done: false, because: `it is at ${stdout}.` };
    },
    { what: `Flux to fetch ${commit}`, timeoutSeconds: 40, intervalMs: 300, remedy: "" },
  );
}

/** Kills a rotation, with its engine, once the cluster has the new certificates and before Pulumi has written that down. */
async function killRotation(): Promise<void> {
  const certificate = join(cohortPaths(cohort.name, cohort.home).learner("ada").pki, "admin.crt");
  const before = await readFile(certificate, "utf8");
  const rotation = cohort.startLab("rotate", "ada", ...ofCohort());
  await waitUntil(
    async () =>
      (await readFile(certificate, "utf8")) === before
        ? { done: false, because: "its certificate is the old one." }
        : { done: true, value: undefined },
    { what: "ada's cluster to get new certificates", timeoutSeconds: 60, intervalMs: 5, remedy: "" },
  );
  process.kill(-rotation.pid!, "SIGKILL");
  await rotation;
}

describe("an opened cohort", () => {
  test("listens on loopback and on its address, nowhere else, and says so", { timeout: minutes }, async () => {
    expect(addresses()).toEqual(["127.0.0.1", "127.0.0.2"]);
    expect(succeeded(await cohort.lab("status", cohort.name)).stdout).toMatch(
      /open to other machines.*127\.0\.0\.2[^]*Git and images: open\n.*API server of ada: open/,
    );
    expect(JSON.parse((await cohort.lab("doctor", "--json")).stdout)).toMatchObject({
      opened: [{ cohort: cohort.name, listen: "127.0.0.2", doors: [{ state: "open" }, { state: "open" }, {}] }],
    });
  });

  test("is used over TLS with the handout alone", { timeout: minutes }, async () => {
    const folder = await handout();
    expect(await check(folder)).toEqual({ exitCode: 0, says: well });
    const commit = await pushChange(folder, "hello");
    await awaitFluxAt(folder, commit);
    const { repository } = (await outputs()).open!;
    expect(repository).toMatch(/^127\.0\.0\.2:\d+\/ada\/backend$/);
    expect(succeeded(await withHandout(folder, `crane ls ${repository}`)).stdout).toContain("develop-v0.1.0");
    const retag = succeeded(
      await withHandout(folder, `crane tag ${repository}:$(crane ls ${repository} | head -n 1) copy-by-hand && crane ls ${repository}`),
    );
    expect(retag.stdout).toContain("copy-by-hand");
    expect((await withHandout(folder, `crane delete ${repository}:copy-by-hand`)).stderr).toMatch(/403|DENIED/);
    expect(succeeded(await withHandout(folder, "flux get kustomizations --namespace flux-system && kubectl get nodes")).stdout).toContain(
      "apps-production",
    );
    await rm(join(folder, "ca.crt"));
    expect((await withHandout(folder, "git ls-remote " + (await outputs()).open!.gitUrl)).stderr).toMatch(/certificate|CAfile/);
  });

  test("lets a learner do what the exercises need, and no more", { timeout: minutes }, async () => {
    const rights: readonly (readonly [verb: string, resource: string, namespace: string, answer: "yes" | "no"])[] = [
      ["get", "kustomizations.kustomize.toolkit.fluxcd.io", "flux-system", "yes"],
      ["patch", "gitrepositories.source.toolkit.fluxcd.io", "flux-system", "yes"],
      ["get", "pods", "flux-system", "yes"],
      ["patch", "deployments.apps", "production", "yes"],
      ["get", "secrets", "flux-system", "no"],
      ["list", "secrets", "kube-system", "no"],
      ["create", "pods", "flux-system", "no"],
      ["create", "serviceaccounts/token", "flux-system", "no"],
      ["create", "rolebindings.rbac.authorization.k8s.io", "production", "no"],
      ["create", "clusterrolebindings.rbac.authorization.k8s.io", "default", "no"],
      ["impersonate", "users", "default", "no"],
      ["delete", "namespaces", "default", "no"],
      ["*", "*", "default", "no"],
    ];
    const ask = rights
      .map(([verb, resource, namespace]) => `kubectl auth can-i '${verb}' '${resource}' --namespace ${namespace} 2>/dev/null || :`)
      .join("\n");
    const { stdout } = succeeded(await cohort.lab("shell", "ada", ...ofCohort(), "--", "sh", "-c", ask));
    const answers = stdout.trim().split("\n");
    expect(rights.map(([verb, resource, namespace], index) => [verb, resource, namespace, answers[index]])).toEqual(rights);
  });
});

describe("a shell as a learner", () => {
  test("has the learner's identity, leaves nothing and passes the exit code on", { timeout: minutes }, async () => {
    const { gitUrl } = (await outputs()).open!;
    const script = `kubectl auth whoami --output jsonpath={.status.userInfo.username}; echo; git config user.email; git ls-remote ${gitUrl} refs/heads/main; env | sort; echo "in=$(dirname "$KUBECONFIG")"; exit 7`;
    const { exitCode, stdout } = await cohort.lab("shell", "ada", ...ofCohort(), "--", "sh", "-c", script);
    expect(exitCode).toBe(7);
    expect(stdout).toContain("gitops-lab:learner\nada@example.org\n");
    expect(stdout).toMatch(/^[0-9a-f]{40}\trefs\/heads\/main$/m);
    const { git, registry } = await outputs();
    for (const secret of [git.password, registry.password]) expect(stdout).not.toContain(secret);
    expect(existsSync(/^in=(.+)$/m.exec(stdout)![1]!)).toBe(false);
    expect(await cohort.lab("shell", "ada", ...ofCohort(), "--", "no-such-program")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("no-such-program"),
    });
  });
});

describe("a rotation", () => {
  test.each(["git", "registry", "kubeconfig"] as const)(
    "of %s refuses the old, gives a new one, and Flux goes on",
    { timeout: 2 * minutes },
    async (which) => {
      const [before, old] = [await outputs(), await handout()];
      const { stdout } = succeeded(await cohort.lab("rotate", "ada", ...ofCohort(), "--only", which, "--json"));
      const answer = JSON.parse(stdout) as { rotated: string[]; flux: { refused: boolean; trouble?: string }[] };
      expect(answer.rotated).toEqual([which]);
      expect(answer.flux).toEqual(which === "kubeconfig" ? [] : [{ name: expect.any(String), refused: false }]);

      const thing = { git: "git", registry: "images", kubeconfig: "cluster" }[which];
      expect(await check(old)).toEqual({ exitCode: 1, says: { ...well, [thing]: refused } });
      const fresh = await handout();
      expect(await check(fresh)).toEqual({ exitCode: 0, says: well });
      await awaitFluxAt(fresh, await pushChange(fresh, `after-${which}`));
      const after = await outputs();
      expect(after.cluster.id).toBe(before.cluster.id);
      expect(after.git.seedCommit).toBe(before.git.seedCommit);
      if (which === "kubeconfig") {
        // The instructor's is another, too.
        const file = join(home, "old-admin.yaml");
        await writePrivateFile(file, before.cluster.adminKubeconfig);
        expect(await cohort.run(await toolPath("kubectl"), ["--kubeconfig", file, "get", "ns"])).toMatchObject({
          exitCode: 1,
          stderr: expect.stringMatching(/Unauthorized|logged in/),
        });
      }
    },
  );

  test("leaves a lab whose nodes pull a new image", { timeout: 2 * minutes }, async () => {
    const folder = await handout();
    const script = `${(await cloneCommand(folder)).trimEnd()} release >&2 && cd release && echo 0.3.0 >app/VERSION && git commit --quiet --all --message "Release 0.3.0" && git push >&2`;
    const { stderr } = succeeded(await withHandout(folder, script));
    const tag = /develop-v0\.3\.0-\S+/.exec(stderr)![0];
    await waitUntil(
      async () => {
        const { stdout } = await withHandout(
          folder,
          `kubectl get deployment backend --namespace develop --output jsonpath='{.spec.template.spec.containers[0].image} {.status.observedGeneration}={.metadata.generation} {.status.updatedReplicas}={.status.availableReplicas}={.status.replicas}'`,
        );
        const [image, generation, replicas] = stdout.split(" ").map((part) => part.split("="));
        return image?.[0]?.includes(tag) && generation?.[0] === generation?.[1] && new Set(replicas).size === 1
          ? { done: true, value: undefined }
          : { done: false, because: stdout };
      },
      { what: `develop to run ${tag}`, timeoutSeconds: 90, intervalMs: 500, remedy: "" },
    );
  });

  test("leaves a lab that is well", { timeout: minutes }, async () => {
    await waitUntil(
      async () => {
        const { exitCode, stdout } = await cohort.lab("verify", "ada", ...ofCohort());
        return exitCode === 0 ? { done: true, value: undefined } : { done: false, because: stdout };
      },
      { what: "the evidence of ada", timeoutSeconds: 40, intervalMs: 500, remedy: "" },
    );
  });

  test("of the page ends what was open, over TLS", { timeout: minutes }, async () => {
    const dashboard = cohort.startLab("dashboard", cohort.name, "--port", "0");
    try {
      const folder = await handout();
      const ca = await readFile(join(folder, "ca.crt"), "utf8");
      const link = (await readFile(join(folder, "page-link.txt"), "utf8")).trim();
      const get = (url: string, headers: Record<string, string> = {}) =>
        new Promise<{ status: number; cookie: string; body: string }>((resolve, reject) => {
          request(url, { ca, headers, agent: false }, (response) => {
            let body = "";
            response.setEncoding("utf8").on("data", (text: string) => (body += text));
            response.on("end", () =>
              resolve({ status: response.statusCode ?? 0, cookie: response.headers["set-cookie"]?.[0] ?? "", body }),
            );
          })
            .on("error", reject)
            .end();
        });
      const page = `${new URL(link).origin}/me`;
      await waitUntil(
        async () =>
          get(page).then(
            () => ({ done: true, value: undefined }),
            (error: Error) => ({ done: false, because: error.message }),
          ),
        { what: "the learners' page", timeoutSeconds: 30, remedy: "" },
      );
      expect((await check(folder)).says["page"]).toBe("ok");
      const entered = await get(link);
      expect(entered).toMatchObject({ status: 200, cookie: expect.stringContaining("; Secure; ") });
      const cookie = entered.cookie.split(";")[0]!;
      expect(await get(page, { cookie })).toMatchObject({ status: 200, body: expect.stringContaining("Learner ada") });
      expect((await get(`${new URL(link).origin}/`, { cookie })).status).toBe(303);
      succeeded(await cohort.lab("rotate", "ada", ...ofCohort(), "--only", "page"));
      expect((await get(page, { cookie })).status).toBe(401);
    } finally {
      dashboard.kill("SIGINT");
      await dashboard;
    }
  });

  test("of nobody, or of nothing known, changes nothing", { timeout: minutes }, async () => {
    expect(await cohort.lab("rotate", "eve", ...ofCohort())).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('learner "eve"'),
    });
    expect(await cohort.lab("rotate", "ada", ...ofCohort(), "--only", "everything")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("kubeconfig, git, registry, page"),
    });
  });
});

describe("a change of the cohort file", () => {
  test("of a learner's name and of the address keeps everything else", { timeout: 2 * minutes }, async () => {
    const [before, old] = [await outputs(), await handout()];
    await cohort.set({ access: { listen: "127.0.0.3" }, learners: [{ id: "ada", name: "Ada King", email: "king@example.org" }] });
    const { stderr } = succeeded(await cohort.lab("up", cohort.name));
    expect(stderr).toMatch(/\b2 update\b/);
    expect(stderr).not.toMatch(/\d (create|replace|delete)/);
    const after = await outputs();
    expect(after).toMatchObject({
      name: "Ada King",
      email: "king@example.org",
      cluster: { id: before.cluster.id },
      git: before.git,
      open: { name: "127.0.0.3", ca: before.open!.ca },
    });
    expect((await check(old)).says).toMatchObject({
      cluster: expect.stringContaining("refused: nothing listens"),
      git: expect.stringContaining("refused: nothing listens"),
    });
    const fresh = await handout();
    expect(await readFile(join(fresh, "handout.md"), "utf8")).toContain("Ada King");
    expect(await check(fresh)).toEqual({ exitCode: 0, says: well });
    expect(addresses()).toEqual(["127.0.0.1", "127.0.0.3"]);
  });

  test("that names an address of another machine creates nothing", { timeout: minutes }, async () => {
    await cohort.set({ access: { listen: "192.0.2.1" } });
    expect(await cohort.lab("up", cohort.name)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("no address of this machine"),
    });
    await cohort.set({ access: { listen: "127.0.0.3" } });
  });

  test("that opens nothing shuts everything but loopback and finishes a rotation that was killed; a stopped lab is told as such", {
    timeout: 4 * minutes,
  }, async () => {
    const [open, before] = [await handout(), await outputs()];
    await killRotation();
    await cohort.set({ access: undefined });
    succeeded(await cohort.lab("up", cohort.name));
    const after = await outputs();
    for (const fresh of [
      after.git.password !== before.git.password,
      after.registry.password !== before.registry.password,
      after.cluster.kubeconfig !== before.cluster.kubeconfig,
    ])
      expect(fresh).toBe(true);
    expect(addresses()).toEqual(["127.0.0.1"]);
    expect((await outputs()).open).toBeUndefined();
    expect((await check(open)).exitCode).toBe(1);
    const local = await handout();
    expect((await readdir(local)).sort()).not.toContain("ca.crt");
    expect(await check(local)).toEqual({ exitCode: 0, says: { cluster: "ok", git: "ok", images: "ok" } });
    succeeded(await cohort.lab("stop", cohort.name));
    const nothing = expect.stringContaining("refused: nothing listens");
    expect(await check(local)).toEqual({ exitCode: 1, says: { cluster: nothing, git: nothing, images: nothing } });
  });
});
