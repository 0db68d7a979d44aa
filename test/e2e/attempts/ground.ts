import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findMarked, type ProcessIdentity } from "../../../ledger/process-identity.ts";
import { cohortPaths } from "../../../shared/paths.ts";
import { waitUntil } from "../../../shared/wait.ts";
import { TestCohort, type CommandResult } from "../../support/lab-cli.ts";
import { succeeded } from "../../support/succeeded.ts";
import type { Attempt, Files } from "./attempt.ts";
import { Dashboard } from "./dashboard.ts";
import { gitAs, readHandout, type Handout } from "./handout.ts";
import { Kube, type KubeObject } from "./kube.ts";
import { openScene, type Scene } from "./scene.ts";

export type Nodes = "real" | "simulated";
export const cluster = "flux-system";

/** The branch on which the files of all rows are, a folder for each. */
const branch = "attempts";
export const source = { kind: "GitRepository", name: branch };

/** A cohort of two learners, ada who tries and bob whose things are tried for, and what is on the host besides. */
export class Ground {
  readonly nodes: Nodes;
  readonly home: string;
  readonly cohort: TestCohort;
  ada!: Handout;
  bob!: Handout;
  /** Where Flux finds ada's repository, and by which Secret. */
  fluxSource!: Record<string, unknown>;
  /** What bob's source-controller offers of his repository, `sha256:<hex>`. */
  bobsArtifact!: {
    readonly digest: string;
    readonly path: string;
    readonly url: string;
    readonly revision: string;
    readonly lastUpdateTime: string;
  };
  /** Every user may read this file of the host, so that only what the lab shows of the host keeps it from a learner. */
  readonly hostCanary = `canaryHost${process.pid}Zk3`;
  readonly bobsCanary = `canaryBob${process.pid}Qx7`;
  hostCommit = "";
  /** The commit after bob's canary. */
  bobsTip = "";

  private constructor(nodes: Nodes, home: string) {
    this.nodes = nodes;
    this.home = home;
    const more = nodes === "real" ? { kind: "embedded", nodes } : undefined;
    this.cohort = new TestCohort(`e2e-tries-${nodes}-${process.pid}`, join(home, "lab"), ["ada", "bob"], undefined, more);
  }

  static async open(nodes: Nodes): Promise<Ground> {
    const home = await mkdtemp(join(tmpdir(), "gl-tries-"));
    // Others may pass, as they may through a home folder on many machines.
    await chmod(home, 0o755);
    return new Ground(nodes, home);
  }

  get markers(): string {
    return join(this.home, "markers");
  }

  get secretFile(): string {
    return join(this.home, "secret.txt");
  }

  /** A repository of the host's, as the instructor's checkout is one. */
  get hostRepository(): string {
    return join(this.home, "instructors.git");
  }

  get paths() {
    return cohortPaths(this.cohort.name, this.cohort.home);
  }

  canaries(): string[] {
    return [this.hostCanary, this.bobsCanary, this.bobsTip];
  }

  marked(): { readonly name: string; readonly identity: ProcessIdentity }[] {
    return findMarked(this.paths.daemon);
  }

  processNamed(name: string): ProcessIdentity | undefined {
    return this.marked().find((process) => process.name === name)?.identity;
  }

  /** Brings everything up and gives each row its scene. */
  async prepare(rows: readonly Attempt[]): Promise<Map<string, Scene>> {
    await mkdir(this.markers);
    await chmod(this.markers, 0o777);
    await writeFile(this.secretFile, this.hostCanary, { mode: 0o644 });
    await this.#makeHostRepository();
    await this.cohort.writeFile();
    succeeded(await this.cohort.lab("up", this.cohort.name));
    [this.ada, this.bob] = await Promise.all(
      ["ada", "bob"].map((learner) => this.#handout(learner)) as [Promise<Handout>, Promise<Handout>],
    );
    await this.#plantAtBob();
    await this.#takeOwnCluster();
    const scenes = new Map(await Promise.all(rows.map(async ({ id }) => [id, await openScene(id, this)] as const)));
    await this.#pushFiles(rows, scenes);
    return scenes;
  }

  #dashboard: Promise<Dashboard> | undefined;

  /** The cohort's dashboard, started by whoever asks first. */
  dashboard(): Promise<Dashboard> {
    return (this.#dashboard ??= Dashboard.open(this));
  }

  async close(): Promise<void> {
    await this.#dashboard?.then((dashboard) => dashboard.close()).catch(() => undefined);
    await this.cohort.lab("down", this.cohort.name);
    for (const { identity } of this.marked()) process.kill(identity.pid, "SIGKILL");
    await this.cohort.removeFile();
    await rm(this.home, { recursive: true, force: true });
  }

  async #handout(learner: string): Promise<Handout> {
    const folder = join(this.home, `handout-${learner}`);
    succeeded(await this.cohort.lab("handout", learner, "--cohort", this.cohort.name, "--out", folder));
    return readHandout(folder);
  }

  async #makeHostRepository(): Promise<void> {
    await mkdir(this.hostRepository);
    await this.write(this.hostRepository, {
      "answers.txt": `${this.hostCanary}\n`,
      "go.mod": `${this.hostCanary} x\n`,
      "lab/kustomization.yaml": "resources: [answers.yaml]\n",
      "lab/answers.yaml": `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: answers}\ndata: {answers: ${this.hostCanary}}\n`,
    });
    const git = (...args: string[]) => this.git("host", this.hostRepository, ...args).then(succeeded);
    await git("init", "--quiet", "--initial-branch=main");
    await git("add", "--all");
    await git("commit", "--quiet", "--message", "Answers");
    this.hostCommit = (await git("rev-parse", "HEAD")).stdout;
  }

  /** Git on a learner's machine, with that learner's credential and nothing else. */
  git(whose: "ada" | "bob" | "host", folder: string, ...args: string[]): Promise<CommandResult> {
    return gitAs(whose === "host" ? undefined : this[whose], folder, args);
  }

  /** The same with something on standard input; returns standard output. */
  async gitInput(folder: string, input: Buffer, ...args: string[]): Promise<string> {
    return succeeded(await gitAs(this.ada, folder, args, input)).stdout;
  }

  /** A fresh clone of a learner's repository. */
  async clone(whose: "ada" | "bob", name: string): Promise<string> {
    const folder = join(this.home, "clones", `${whose}-${name}`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(dirname(folder), { recursive: true });
    succeeded(await this.git(whose, this.home, "clone", "--quiet", this[whose].gitUrl, folder));
    return folder;
  }

  async write(folder: string, files: Files): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
  }

  async commit(whose: "ada" | "bob", folder: string, files: Files, message = "Try"): Promise<void> {
    await this.write(folder, files);
    succeeded(await this.git(whose, folder, "add", "--all"));
    succeeded(await this.git(whose, folder, "commit", "--quiet", "--message", message));
  }

  /** Something in bob's repository that is nowhere else. */
  async #plantAtBob(): Promise<void> {
    const folder = await this.clone("bob", "canary");
    await this.commit("bob", folder, {
      "canary/kustomization.yaml": "resources: [only-bobs.yaml]\n",
      "canary/only-bobs.yaml": `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-bobs}\ndata: {only: ${this.bobsCanary}}\n`,
    });
    succeeded(await this.git("bob", folder, "push", "--quiet", "origin", "HEAD:main"));
    const tip = succeeded(await this.git("bob", folder, "rev-parse", "HEAD")).stdout;
    this.bobsTip = tip;
    const bob = new Kube(this.bob.kubeconfig, () => undefined);
    this.bobsArtifact = await waitUntil(
      async () => {
        const { text } = await bob.send("GET", `/apis/source.toolkit.fluxcd.io/v1/namespaces/${cluster}/gitrepositories/flux-system`);
        const { status } = JSON.parse(text) as { status?: { artifact?: Ground["bobsArtifact"] } };
        return status?.artifact?.revision.endsWith(tip)
          ? { done: true, value: status.artifact }
          : { done: false, because: JSON.stringify(status?.artifact) };
      },
      { what: "bob's Flux to have his canary", timeoutSeconds: 60, intervalMs: 300, remedy: "" },
    );
  }

  /** What a learner writes is applied by Flux, which may do everything in the learner's cluster: so may, by Git, the learner. */
  async #takeOwnCluster(): Promise<void> {
    const folder = await this.clone("ada", "rights");
    const binding: KubeObject = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "attempts" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "gitops-lab:learners" }],
    };
    const index = join(folder, "flux/bootstrap/infrastructure/kustomization.yaml");
    await this.commit("ada", folder, {
      "flux/bootstrap/infrastructure/attempts.yaml": JSON.stringify(binding),
      "flux/bootstrap/infrastructure/kustomization.yaml": `${await readFile(index, "utf8")}\n  - attempts.yaml\n`.replace(
        /\n+( {2}- attempts)/,
        "\n$1",
      ),
    });
    succeeded(await this.git("ada", folder, "push", "--quiet", "origin", "HEAD:main"));
    const ada = new Kube(this.ada.kubeconfig, () => undefined);
    await waitUntil(
      async () => {
        const { status } = await ada.send("GET", `/api/v1/namespaces/${cluster}/secrets/flux-system`);
        return status === 200 ? { done: true, value: undefined } : { done: false, because: `it is still refused with ${status}.` };
      },
      { what: "ada to have all rights in her own cluster", timeoutSeconds: 60, intervalMs: 300, remedy: "" },
    );
    const { text } = await ada.send("GET", `/apis/source.toolkit.fluxcd.io/v1/namespaces/${cluster}/gitrepositories/flux-system`);
    const { spec } = JSON.parse(text) as { spec: Record<string, unknown> };
    this.fluxSource = { url: spec["url"], secretRef: spec["secretRef"], interval: "1h", timeout: "20s" };
  }

  async #pushFiles(rows: readonly Attempt[], scenes: ReadonlyMap<string, Scene>): Promise<void> {
    const folder = await this.clone("ada", "files");
    succeeded(await this.git("ada", folder, "switch", "--quiet", "--orphan", branch));
    const files = rows.flatMap(({ id, files: of }) =>
      Object.entries(of?.(scenes.get(id)!) ?? {}).map(([path, text]) => [`${id}/${path}`, text] as const),
    );
    await this.commit("ada", folder, { "README.md": "Rows.\n", ...Object.fromEntries(files) });
    succeeded(await this.git("ada", folder, "push", "--quiet", "origin", `HEAD:refs/heads/${branch}`));
    const [scene] = scenes.values();
    await scene?.verdict(this.gitRepository(branch, { ref: { branch } }));
  }

  /** A GitRepository on a branch of ada's repository, as Flux reaches it. */
  gitRepository(name: string, spec: object): KubeObject {
    return {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name, namespace: cluster },
      spec: { ...this.fluxSource, ...spec },
    };
  }
}
