import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { run } from "../../shared/exec.ts";
import { environments, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { toolPath } from "../../tools/locate.ts";

/**
 * What is true of a learner's lab, read with other means than the lab's own: git on the bare repository's files, and kubectl.
 */
export interface Reading {
  /** Tip of the branch. */
  readonly tip: string;
  /** Whether every Kustomization is Ready, and at the tip. */
  readonly allAtTip: boolean;
  /** The digest that Git's tip says, by environment. */
  readonly wanted: Readonly<Partial<Record<Environment, string>>>;
  /** The digests of the backend's Ready pods, by environment. */
  readonly running: Readonly<Record<Environment, readonly string[]>>;
  /** The same in two readings where nothing that is read here was written between them. */
  readonly fingerprint: string;
}

interface KubeObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly suspend?: boolean };
  readonly status?: {
    readonly lastAppliedRevision?: string;
    readonly observedGeneration?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly imageID: string }[];
  };
}

export interface Reader {
  readonly read: () => Promise<Reading>;
  /** Every digest that a commit on the branch has ever named, in any environment or in those of some. */
  readonly everWanted: (of?: readonly Environment[]) => Promise<ReadonlySet<string>>;
  readonly isOnBranch: (commit: string) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

export async function readerOf(cohort: string, home: string, learner: LearnerOutputs): Promise<Reader> {
  const folder = await mkdtemp(join(tmpdir(), "gl-reading-"));
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, learner.cluster.adminKubeconfig, { mode: 0o600 });
  const repository = join(cohortPaths(cohort, home).git, learner.id, "gitops.git");
  const kubectl = await toolPath("kubectl");
  const git = async (...args: string[]) =>
    (await run("git", ["-c", "safe.directory=*", "--git-dir", repository, ...args], { stdin: "ignore" })).stdout;
  const isReady = ({ status }: KubeObject) =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
  return {
    async read() {
      const tip = await git("rev-parse", "refs/heads/main");
      const { stdout } = await run(kubectl, ["get", "kustomizations,pods", "-A", "-o", "json", "--request-timeout=10s"], {
        env: { KUBECONFIG: kubeconfig, HOME: folder },
        stdin: "ignore",
      });
      const { items } = JSON.parse(stdout) as { items: KubeObject[] };
      const kustomizations = items.filter(({ kind }) => kind === "Kustomization");
      const pods = items.filter(({ kind, metadata }) => kind === "Pod" && (environments as readonly string[]).includes(metadata.namespace));
      const wanted = await Promise.all(
        environments.map(async (environment) => [environment, digestIn(await git("show", `${tip}:${overlay(environment)}`))] as const),
      );
      return {
        tip,
        allAtTip: kustomizations.every(
          (one) =>
            isReady(one) &&
            one.spec.suspend !== true &&
            one.status?.observedGeneration === one.metadata.generation &&
            one.status?.lastAppliedRevision?.endsWith(tip) === true,
        ),
        wanted: Object.fromEntries(wanted),
        running: Object.fromEntries(
          environments.map((environment) => {
            const ready = pods.filter(
              (pod) => pod.metadata.namespace === environment && isReady(pod) && pod.metadata.deletionTimestamp === undefined,
            );
            const ids = ready.flatMap(({ status }) => status?.containerStatuses?.map(({ imageID }) => imageID) ?? []);
            return [environment, [...new Set(ids.map((id) => id.slice(id.lastIndexOf("sha256:"))))]];
          }),
        ) as Record<Environment, string[]>,
        fingerprint: [tip, ...[...kustomizations, ...pods].map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`)].join(" "),
      };
    },
    async everWanted(of = environments) {
      const all = await Promise.all(
        of.map(async (environment) => {
          const texts = await git("log", "-p", "--no-color", "--format=", "refs/heads/main", "--", overlay(environment));
          return [...texts.matchAll(/sha256:[0-9a-f]{64}/g)].map(([digest]) => digest);
        }),
      );
      return new Set(all.flat());
    },
    isOnBranch: (commit) =>
      git("merge-base", "--is-ancestor", commit, "refs/heads/main").then(
        () => true,
        () => false,
      ),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

const overlay = (environment: Environment) => `flux/apps/backend/${environment}/kustomization.yaml`;

function digestIn(text: string): string | undefined {
  return (parse(text) as { images?: { digest?: string }[] }).images?.[0]?.digest;
}
