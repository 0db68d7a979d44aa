import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { overlayPath } from "../../verification/desired-image.ts";
import type { PipelineLearner } from "./pipeline-lab.ts";

export const backend = "flux/apps/backend";
export const production = overlayPath("production");
export const foreign = "quay.io/somebody/else:1";

/** Changes the learner's clone as it likes. */
export type Change = (files: Files, learner: PipelineLearner) => Promise<void>;

export type RefusedPush = readonly [name: string, change: Change, says: RegExp];

/** The files of a learner's clone. */
export class Files {
  readonly #root: string;
  constructor(root: string) {
    this.#root = root;
  }
  path(path: string): string {
    return join(this.#root, path);
  }
  read(path: string): Promise<string> {
    return readFile(this.path(path), "utf8");
  }
  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(path)), { recursive: true });
    await writeFile(this.path(path), text);
  }
  /** Adds lines to the end of a file. */
  async add(path: string, text: string): Promise<void> {
    await this.write(path, `${await this.read(path)}${text}`);
  }
  async replace(path: string, from: string | RegExp, to: string): Promise<void> {
    const text = await this.read(path);
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${path} has no ${from}`);
    await this.write(path, changed);
  }
}

/** Commits a change of the newest main; `pushAsIs` sends it. */
export async function commit(learner: PipelineLearner, change: Change): Promise<void> {
  await learner.pull();
  await learner.git.git(learner.work, "clean", "--quiet", "-dfx");
  await change(new Files(learner.work), learner);
  await learner.git.git(learner.work, "add", "--all");
  await learner.git.git(learner.work, "commit", "--quiet", "--message", "Change");
}

export const workload = (kind: string, spec: string) => `apiVersion: ${kind === "CronJob" ? "batch/v1" : "apps/v1"}
kind: ${kind}
metadata:
  name: extra
spec: ${spec}
`;
export const fluxKustomization = (name: string, spec: string) => `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: ${name}
  namespace: flux-system
spec:
  interval: 5m
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
${spec}`;

/** Brings another object from the root on. */
export async function apply(files: Files, name: string, text: string): Promise<void> {
  await files.write(`flux/bootstrap/infrastructure/${name}`, text);
  await files.add("flux/bootstrap/infrastructure/kustomization.yaml", `  - ${name}\n`);
}

export const strategicPatch = (image: string) =>
  `- patch: '{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "backend"}, "spec": {"template": {"spec": {"containers": [{"name": "backend", "image": "${image}"}]}}}}'`;
