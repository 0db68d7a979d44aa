import { environments, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import type { Commit } from "../../verification/git-commits.ts";
import type { GitReader } from "../../verification/git-reader.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import type { ImageReference } from "../../verification/image-reference.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import type { Manifest, RegistryReader } from "../../verification/registry-reader.ts";
import type { CheckContext } from "../../verification/types.ts";

/** A JSON object of the API. Untyped, because tests bend it into shapes that the API would never give. */
export type Json = { [key: string]: any };

export const repository = "127.0.0.1:5000/ada/backend";
export const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`;
export const shaOf = (letter: string) => letter.repeat(40);
export const tagOf = (environment: Environment, version: string) => `${environment}-v${version}-0123abc-1790000000`;
export const overlay = (environment: Environment) => `flux/apps/backend/${environment}/kustomization.yaml`;

interface FakeCommit extends Commit {
  readonly files: Readonly<Record<string, string>>;
}

/**
 * A healthy lab in memory, one learner: release 0.1.0 (digest a) was seeded by commit 1, release 0.2.0 (digest b) brought
 * by the bot's commits 2, 3 and 4. Tests bend `objects`, `commits` (newest first) and `manifests`, then take `context()`.
 */
export class LabState {
  readonly objects: Json[] = [];
  commits: FakeCommit[] = [];
  readonly manifests = new Map<string, Manifest>();
  readonly learner: LearnerOutputs = learner();
  /** What the pipeline noted, by commit. */
  readonly journal = new Map<string, JournalEntry[]>();
  /** What a revert gives; without it, the files that the reverted commit changed as they were before. */
  revertGives: Readonly<Record<string, string>> | "conflict" | undefined;

  constructor() {
    this.commit("1", "Seed", "Ada", Object.fromEntries(environments.map((name) => [overlay(name), kustomization(name, "0.1.0", "a")])));
    environments.forEach((name, index) =>
      this.commit(String(index + 2), `Update ${name}`, "gitops-lab-bot", { [overlay(name)]: kustomization(name, "0.2.0", "b") }),
    );
    for (const [version, letter] of [
      ["0.1.0", "a"],
      ["0.2.0", "b"],
    ] as const)
      for (const name of environments) this.push(name, version, letter);

    const revision = `main@sha1:${shaOf("4")}`;
    this.objects.push(
      flux("source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system", "flux-system", { artifact: { revision } }),
      ...["flux-system", "infrastructure", ...environments.map((name) => `apps-${name}`)].map((name) =>
        flux("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", name, {
          lastAppliedRevision: revision,
          history: [reconciled(revision)],
        }),
      ),
      ...environments.flatMap((name) => environmentObjects(name)),
      object("v1", "Node", "", "node-1", {}),
    );
  }

  /** Puts a commit on top of the branch; files replace those of the commit before. */
  commit(letter: string, subject: string, author: string, files: Record<string, string>, body = ""): void {
    const [before] = this.commits;
    this.commits.unshift({
      id: shaOf(letter),
      parents: before ? [before.id] : [],
      author,
      email: `${author}@example.org`,
      date: "2026-11-02T10:00:00Z",
      subject,
      body,
      files: { ...before?.files, ...files },
    });
  }

  /** Puts an image into the registry, with the tag of a release of an environment. */
  push(environment: Environment, version: string, digest: string): void {
    for (const reference of [digestOf(digest), tagOf(environment, version)])
      this.manifests.set(reference, { digest: digestOf(digest), parts: [digestOf("9")] });
  }

  /** Lets Flux have applied the tip, and the Deployment and its pods follow what Git asks for in an environment. */
  follow(environment: Environment, version: string, digest: string): void {
    this.reconcile();
    this.find("Deployment", "backend", environment)["spec"].template.spec.containers[0].image =
      `${repository}:${tagOf(environment, version)}@${digestOf(digest)}`;
    for (const name of ["pod-1", "pod-2"])
      this.find("Pod", name, environment)["status"].containerStatuses[0].imageID = `${repository}@${digestOf(digest)}`;
  }

  /** Brings an environment another image, from the commit in Git to the running pods. */
  deploy(letter: string, environment: Environment, version: string, digest: string, body = ""): void {
    this.commit(
      letter,
      `Update ${environment}`,
      "gitops-lab-bot",
      { [overlay(environment)]: kustomization(environment, version, digest) },
      body,
    );
    this.push(environment, version, digest);
    this.follow(environment, version, digest);
    this.find("ImagePolicy", "backend", environment)["status"].latestRef = {
      name: repository,
      tag: tagOf(environment, version),
      digest: digestOf(digest),
    };
  }

  /** Lets Flux have applied the tip of the branch. */
  reconcile(): void {
    const revision = `main@sha1:${this.commits[0]?.id}`;
    for (const { kind, status } of this.objects) {
      if (kind === "Kustomization") status.lastAppliedRevision = revision;
      if (kind === "GitRepository") status.artifact.revision = revision;
    }
  }

  /** Lets the Git server have received a commit at a time, with whatever was not received before it. */
  receive(letter: string, at: string, by = "ada"): void {
    this.journal.set(shaOf(letter), [{ event: "received", at, by, branch: "main" }]);
  }

  /** The object to bend; throws where the fixture has none, so that a typo can't make a test pass. */
  find(kind: string, name: string, namespace = "flux-system"): Json {
    const found = this.objects.find(
      (o) => o["kind"] === kind && o["metadata"].name === name && (o["metadata"].namespace ?? "") === namespace,
    );
    if (!found) throw new Error(`the fixture has no ${kind} ${namespace}/${name}`);
    return found;
  }

  remove(kind: string, name: string, namespace = "flux-system"): void {
    this.objects.splice(this.objects.indexOf(this.find(kind, name, namespace)), 1);
  }

  context(bent: Partial<CheckContext> = {}): CheckContext {
    return {
      kube: this.kube(),
      git: this.git(),
      registry: this.registry(),
      learner: this.learner,
      environments,
      signal: new AbortController().signal,
      ...bent,
    };
  }

  private kube(): KubeReader {
    const list = async (apiVersion: string, kind: string, namespace?: string) =>
      this.objects.filter(
        (o) => o["apiVersion"] === apiVersion && o["kind"] === kind && (namespace === undefined || o["metadata"]?.namespace === namespace),
      );
    return {
      list,
      get: async (apiVersion, kind, namespace, name) => (await list(apiVersion, kind, namespace)).find((o) => o["metadata"]?.name === name),
    };
  }

  private git(): GitReader {
    const index = (id: string) => this.commits.findIndex((commit) => commit.id === id);
    let reverted: Readonly<Record<string, string>> = {};
    const files = (treeish: string) => (treeish === "reverted" ? reverted : this.commits[index(treeish)]?.files);
    return {
      head: async () => this.commits[0]?.id ?? "",
      log: async (path) => this.commits.filter(({ parents, files: own }) => own[path] !== files(parents[0] ?? "")?.[path]),
      introduced: async (text, path) => {
        const count = (tree: Readonly<Record<string, string>> | undefined) =>
          Object.entries(tree ?? {}).filter(([name, content]) => (path === "." || name === path) && content.includes(text)).length;
        return this.commits.filter(({ parents, files: own }) => count(own) > count(files(parents[0] ?? ""))).at(-1);
      },
      changes: async (path) =>
        this.commits
          .map((commit) => ({ commit, before: files(commit.parents[0] ?? "")?.[path], after: commit.files[path] }))
          .filter(({ before, after }) => before !== after),
      graph: async () => new Map(this.commits.map(({ id, parents }) => [id, parents])),
      undoes: async (id, earlier) => {
        const [own, parent] = [files(id) ?? {}, files(this.commits[index(id)]?.parents[0] ?? "") ?? {}];
        const [undone, before] = [files(earlier) ?? {}, files(this.commits[index(earlier)]?.parents[0] ?? "") ?? {}];
        const changed = Object.keys({ ...undone, ...before }).filter((path) => undone[path] !== before[path]);
        return changed.length > 0 && changed.every((path) => parent[path] === undone[path] && own[path] === before[path]);
      },
      history: async (limit) =>
        this.commits.slice(0, limit).map(({ files: own, ...commit }) => {
          const before = files(commit.parents[0] ?? "");
          const paths = Object.keys({ ...before, ...own }).filter((path) => own[path] !== before?.[path]);
          return { ...commit, paths, edits: paths.map((path) => ({ path, from: before?.[path] ?? "", to: own[path] ?? "" })) };
        }),
      readFile: async (treeish, path) => files(treeish)?.[path],
      isAncestor: async (ancestor, descendant) => index(descendant) >= 0 && index(ancestor) >= index(descendant),
      revert: async (id) => {
        if (this.revertGives === "conflict") return undefined;
        const now = this.commits[0]?.files ?? {};
        const [undone, before] = [files(id), files(this.commits[index(id)]?.parents[0] ?? "")];
        const changed = Object.entries(before ?? {}).filter(([path, text]) => undone?.[path] !== text);
        reverted = this.revertGives ?? { ...now, ...Object.fromEntries(changed) };
        return "reverted";
      },
      journal: async () => this.journal,
    };
  }

  private registry(): RegistryReader {
    return { manifest: async (reference) => this.manifests.get(reference) };
  }
}

/** A reader each method of which fails like a server that is away. */
export function unreachable<T extends object>(what: string): T {
  return new Proxy({} as T, {
    get: () => async () => {
      throw new Error("fetch failed", { cause: new Error(`connect ECONNREFUSED ${what}`) });
    },
  });
}

export function kustomization(environment: Environment, version: string, digest: string): string {
  const image = { name: "backend", newName: repository, newTag: tagOf(environment, version), digest: digestOf(digest) };
  return JSON.stringify({ resources: ["../base"], images: [image] });
}

/** An environment that runs an image, well: its policy, Deployment, ReplicaSets and pods. */
export function environmentObjects(
  environment: Environment,
  { repository: name, tag, digest }: Required<ImageReference> = atHandOver(environment),
): Json[] {
  const image = `${name}:${tag}@${digest}`;
  const hash = { "deployment.kubernetes.io/revision": "2" };
  const deployment = object("apps/v1", "Deployment", environment, "backend", {
    spec: { replicas: 2, template: { spec: { containers: [{ name: "backend", image }] } } },
    status: { observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 2, conditions: [] },
  });
  deployment["metadata"].annotations = hash;
  deployment["metadata"].managedFields = [
    managed("kustomize-controller", "Apply", { image: {}, imagePullPolicy: {} }),
    managed("kube-controller-manager", "Update", undefined),
  ];
  const [old, current] = ["backend-old", "backend-new"].map((set) =>
    ownedBy(deployment, object("apps/v1", "ReplicaSet", environment, set, {})),
  );
  old!["metadata"].annotations = { "deployment.kubernetes.io/revision": "1" };
  current!["metadata"].annotations = hash;
  return [
    flux("image.toolkit.fluxcd.io/v1", "ImagePolicy", environment, "backend", { latestRef: { name, tag, digest } }),
    automation(environment),
    deployment,
    old!,
    current!,
    ...["pod-1", "pod-2"].map((podName) => ownedBy(current!, pod(environment, podName, `${name}@${digest}`))),
  ];
}

const atHandOver = (environment: Environment) => ({ repository, tag: tagOf(environment, "0.2.0"), digest: digestOf("b") });

function automation(environment: Environment): Json {
  const spec = { interval: "1m", git: { push: { branch: environment === "develop" ? "main" : `image-updates/${environment}` } } };
  return Object.assign(flux("image.toolkit.fluxcd.io/v1", "ImageUpdateAutomation", environment, "backend", {}), { spec });
}

/** An entry of managedFields: what a manager owns of the backend container; without fields, something else. */
export function managed(manager: string, operation: string, containerFields: Json | undefined): Json {
  const fields = Object.fromEntries(Object.entries(containerFields ?? {}).map(([name, value]) => [`f:${name}`, value]));
  const containers = { "f:containers": { 'k:{"name":"backend"}': fields } };
  const fieldsV1 = containerFields ? { "f:spec": { "f:template": { "f:spec": containers } } } : { "f:status": { "f:replicas": {} } };
  return { manager, operation, time: "2026-11-02T10:00:00Z", fieldsV1 };
}

export function pod(namespace: string, name: string, imageID: string): Json {
  return object("v1", "Pod", namespace, name, {
    spec: { nodeName: "node-1" },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{ name: "backend", ready: true, imageID, state: { running: {} }, lastState: {} }],
    },
  });
}

export function ownedBy(owner: Json, owned: Json): Json {
  owned["metadata"].ownerReferences = [{ kind: owner["kind"], name: owner["metadata"].name, uid: owner["metadata"].uid }];
  return owned;
}

function flux(apiVersion: string, kind: string, namespace: string, name: string, status: Json): Json {
  const conditions = [{ type: "Ready", status: "True", reason: "Succeeded", message: "ok" }];
  return object(apiVersion, kind, namespace, name, { spec: {}, status: { observedGeneration: 1, conditions, ...status } });
}

function reconciled(revision: string): Json {
  const [firstReconciled, lastReconciled] = ["2026-11-02T10:00:05Z", "2026-11-02T10:30:05Z"];
  return {
    digest: digestOf("c"),
    firstReconciled,
    lastReconciled,
    totalReconciliations: 3,
    lastReconciledStatus: "ReconciliationSucceeded",
    metadata: { revision },
  };
}

function object(apiVersion: string, kind: string, namespace: string, name: string, rest: Json): Json {
  const metadata = { name, ...(namespace && { namespace }), uid: `uid-${kind}-${namespace}-${name}`, resourceVersion: "7", generation: 1 };
  return { apiVersion, kind, metadata, ...rest };
}

function learner(): LearnerOutputs {
  return {
    id: "ada",
    name: "Ada Lovelace",
    email: "ada@example.org",
    cluster: { kind: "local", id: "c1", apiServer: "https://127.0.0.1:6443", nodes: "real", kubeconfig: "", adminKubeconfig: "" },
    git: {
      kind: "local",
      url: "http://127.0.0.1:3000/ada/lab.git",
      branch: "main",
      username: "ada",
      password: "git-secret",
      seedCommit: shaOf("1"),
    },
    registry: { kind: "local", repository, insecure: true, username: "ada", password: "registry-secret" },
    isolation: "room",
    flux: { version: "2.9.2", controllers: "host-process" },
    environments: environments.map((name) => ({ name, namespace: name, tag: tagOf(name, "0.2.0"), digest: digestOf("b") })),
    rollbackSha: shaOf("4"),
    evidenceCommands: [],
  };
}
