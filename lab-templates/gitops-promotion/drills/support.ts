import { ExitCode, LabError } from "../../../shared/errors.ts";
import { fluxNamespace, type Environment } from "../../../shared/names.ts";
import { readYaml } from "../../../shared/yaml.ts";
import { backendDeployment } from "../../../verification/backend-deployment.ts";
import { promotedBy } from "../../../verification/bundle/promoted.ts";
import type { GitReader } from "../../../verification/git-reader.ts";
import { imageChanges, lookAtRollback, type ImageChange } from "../../../verification/held-rollback.ts";
import { nameOf } from "../../../verification/live-objects.ts";
import type { Basis, CheckContext, CheckResult, EvidenceCheck } from "../../../verification/types.ts";
import { colleagueUsername, type Backstage, type WorkTree, type Workbench } from "../../workbench.ts";

/** What the drills have in common. */

const versionFile = "app/VERSION";

export function passed(observed: string, basis: Basis = "live"): CheckResult {
  return { status: "pass", basis, observed };
}

export function failed(expected: string, observed: string, hint: string, basis: Basis = "live"): CheckResult {
  return { status: "fail", basis, expected, observed, hint };
}

/** The first answer of these evidence checks that is no pass, if any. */
export async function firstTrouble(context: CheckContext, checks: readonly EvidenceCheck[]): Promise<CheckResult | undefined> {
  for (const check of checks) {
    const result = await check.run(context);
    if (result.status !== "pass") return result;
  }
  return undefined;
}

/** An image that the pipeline built. */
export interface Build {
  readonly commit: string;
  readonly at: Date;
  readonly version: string;
  readonly tag: string;
  readonly digest: string;
  /** Whether a colleague pushed the commit. */
  readonly byColleague: boolean;
}

/** What the pipeline built since, oldest first. */
export async function buildsSince({ git, learner }: CheckContext, since: Date): Promise<Build[]> {
  const builds = [...(await git.journal())].flatMap(([commit, entries]) => {
    const byColleague = entries.some((entry) => entry.event === "received" && entry.by === colleagueUsername(learner.id));
    return entries.flatMap((entry) => (entry.event === "built" ? [{ ...entry, commit, at: new Date(entry.at), byColleague }] : []));
  });
  return builds.filter(({ at }) => at >= since).sort((one, other) => one.at.getTime() - other.at.getTime());
}

/** A version with the next minor number that the app never had, so that it can be built. */
export async function unusedVersion(bench: Workbench, patch = 0): Promise<string> {
  return bench.observe(async ({ git }) => {
    const commits = await git.log(versionFile);
    const texts = await Promise.all(commits.map(({ id }) => git.readFile(id, versionFile)));
    const versions = texts.map((text) => (text ?? "").trim().split(".").map(Number));
    const major = Math.max(0, ...versions.map(([first]) => first || 0));
    const minor = Math.max(0, ...versions.map(([first, second]) => (first === major && second) || 0));
    return `${major}.${minor + 1}.${patch}`;
  });
}

export async function writeVersion(files: WorkTree, version: string): Promise<void> {
  await files.write(versionFile, `${version}\n`);
}

/** Lets a colleague ship a version of the app, changed or not, and returns what was built from it. */
export async function shipAsColleague(
  stage: Backstage,
  message: string,
  version: string,
  change: (files: WorkTree) => Promise<void> = async () => {},
): Promise<Build> {
  const started = new Date();
  const commit = await stage.commitAsColleague(message, async (files) => {
    await writeVersion(files, version);
    await change(files);
  });
  return stage.waitFor(`the build of version ${version}`, async (context) =>
    (await buildsSince(context, started)).find((build) => build.commit === commit),
  );
}

/** Changes a text of a file; throws where the file has it not. */
export async function replaceIn(files: WorkTree, path: string, from: string | RegExp, to: string): Promise<void> {
  const text = await files.read(path);
  const changed = text?.replace(from, to);
  if (text !== undefined && changed !== undefined && changed !== text) return files.write(path, changed);
  throw new LabError(
    "file-unexpected",
    `${path} in the learner's repository does not have ${String(from)}, which this drill changes. Bring the file to the form of the seed commit, then try again.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

/** Asks a Flux controller to look at an object now. */
export async function requestReconcile(stage: Backstage, resource: string, namespace: string, name: string): Promise<void> {
  await stage.adminKubectl([
    "annotate",
    resource,
    name,
    "-n",
    namespace,
    "--overwrite",
    `reconcile.fluxcd.io/requestedAt=${new Date().toISOString()}`,
  ]);
}

/**
 * The newest change of production's image. Throws LabError `nothing-to-roll-back` where that is a rollback itself: then
 * there is nothing that a drill about rollbacks could begin with.
 */
export async function latestPromotion(stage: Backstage): Promise<ImageChange> {
  const [look, [latest]] = await stage.observe(async (context) =>
    Promise.all([lookAtRollback(context, "production"), imageChanges(context.git, "production", context.learner.registry.repository)]),
  );
  if (latest !== undefined && look.revert?.commit !== latest.commit) return latest;
  throw new LabError(
    "nothing-to-roll-back",
    "Production is rolled back already, so this drill has nothing to begin with. Roll forward first (`git revert` of the rollback, or another promotion), then start it again.",
    { exitCode: ExitCode.badInput },
  );
}

/** What was set by hand in an environment's Deployment, as a sentence; undefined where Flux alone set the image. */
export async function setByHand({ kube, learner }: CheckContext, environment: Environment): Promise<string | undefined> {
  const deployment = await backendDeployment(kube, environment, learner.registry.repository);
  if (deployment === undefined) return `There is no Deployment of the backend in ${environment}.`;
  const promoted = promotedBy(deployment);
  if (promoted === undefined)
    throw new LabError(
      "managers-unknown",
      `${nameOf(deployment.object)} does not say who set its image. Look at it with \`kubectl get deploy backend -n ${environment} -o yaml --show-managed-fields\`.`,
    );
  const others = promoted.managers.map(({ manager }) => manager).filter((manager) => manager !== "kustomize-controller");
  return others.length === 0 ? undefined : `The image of ${nameOf(deployment.object)} was set by ${others.join(", ")}, not by Flux alone.`;
}

/** A file of the branch's tip as YAML; undefined where there is none or it is no YAML. */
export async function yamlAtTip(git: GitReader, path: string): Promise<unknown> {
  const text = await git.readFile(await git.head(), path);
  const yaml = text === undefined ? undefined : readYaml(text);
  return yaml && "content" in yaml ? yaml.content : undefined;
}

export const reconcileHint = `Wait for Flux, or run \`flux reconcile kustomization flux-system -n ${fluxNamespace} --with-source\`, then check again.`;
