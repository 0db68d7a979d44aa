import type { Environment } from "../../../shared/names.ts";
import { backendDeployment } from "../../../verification/backend-deployment.ts";
import { promotedBy } from "../../../verification/bundle/promoted.ts";
import { kustomizationsReconciled } from "../../../verification/checks/kustomizations-reconciled.ts";
import { desiredImage, overlayPath } from "../../../verification/desired-image.ts";
import { parseImage } from "../../../verification/image-reference.ts";
import { listLive, nameOf, ReplicaSet } from "../../../verification/live-objects.ts";
import {
  builtReleases,
  carriedOutBy,
  pushOf,
  readPromotionHistory,
  requestsFor,
  type BuiltRelease,
  type PromotionHistory,
} from "../../../verification/promotion-history.ts";
import { recordPath } from "../../../verification/promotion-record.ts";
import { basisOf, lookAtRollout } from "../../../verification/rollout.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";
import type { Exercise } from "../../types.ts";
import type { Workbench } from "../../workbench.ts";
import { settled } from "./settled.ts";

export const gitOnlyPromotion: Exercise = {
  id: "git-only-promotion",
  title: "Challenge: Git-only image promotion",
  instructions: `Take a version of your own from develop to production with nothing but Git: no \`kubectl\`, no second build.

1. Change something in \`app/\`, raise \`app/VERSION\`, commit and push. The answer to the push names the tag that was built.
2. When develop runs it, write its tag and digest into \`promotion/staging.yaml\`, commit and push.
3. When staging runs it, write staging's tag (and the same digest) into \`promotion/production.yaml\`, commit and push.

Watch the order with \`flux get kustomizations -n flux-system --watch\`, and compare the digests at the end:

\`\`\`sh
kubectl get deploy -A -l app=backend -o custom-columns=NAMESPACE:.metadata.namespace,IMAGE:.spec.template.spec.containers[0].image
git fetch origin refs/notes/pipeline:refs/notes/pipeline && git log --notes=pipeline
\`\`\`

What counts is the history, so a rollback afterwards takes nothing away.`,
  hints: [
    "`flux get image policy -A` shows what develop's policy selected; `kubectl get deploy backend -n develop -o wide` shows tag and digest of what runs.",
    "A refused push says why, in lines that start with `remote: refused:`. Most often the environment before does not run that image yet.",
    "Ask for staging first and wait until `promotion/staging.yaml` is carried out: the pipeline notes that on a commit of its own, `Update backend in staging`. Pull before you go on.",
    "Staging has a tag of its own for the same digest: `git pull`, then look into flux/apps/backend/staging/kustomization.yaml.",
  ],
  check,
  solve,
};

/** How far a release has come, and what is missing. */
interface Progress {
  readonly release: BuiltRelease;
  /** Number of the steps that are done. */
  readonly done: number;
  /** Absent where nothing is missing. */
  readonly missing?: string;
}

async function check(context: CheckContext): Promise<CheckResult> {
  const history = await readPromotionHistory(context);
  const releases = builtReleases(history).toReversed();
  const [rollouts, reconciled] = await Promise.all([
    Promise.all(context.environments.map((environment) => lookAtRollout(context, environment))),
    kustomizationsReconciled.run(context),
  ]);
  if (reconciled.status === "error") return reconciled;
  const basis = await basisOf(context, rollouts);
  const fail = (observed: string, hint: string): CheckResult => ({
    status: "fail",
    basis,
    expected: "a version that you shipped, built once, and taken to staging and then to production by commits of yours alone",
    observed,
    hint,
  });
  if (releases.length === 0) {
    return fail(
      "No push of yours changed the app yet, so the pipeline has built nothing.",
      "Change something in app/, raise app/VERSION, commit and push.",
    );
  }
  let furthest: Progress | undefined;
  for (const release of releases) {
    const progress = await follow(context, history, release);
    if (furthest === undefined || progress.missing === undefined || progress.done > furthest.done) furthest = progress;
    if (progress.missing === undefined) break;
  }
  const { release, missing } = furthest!;
  if (missing !== undefined)
    return fail(
      `Version ${release.version} (${release.digest}): ${missing}`,
      "The pipeline's notes tell what it did and why: `git fetch origin refs/notes/pipeline:refs/notes/pipeline && git log --notes=pipeline`.",
    );
  if (reconciled.status === "fail") return fail(`Flux has not reconciled everything: ${reconciled.observed}`, reconciled.hint);
  return {
    status: "pass",
    basis,
    observed: `version ${release.version}, built once as ${release.digest}, went through ${context.environments.join(", ")} by commits alone`,
  };
}

/** Follows a release through the environments, up to the first step that is missing. */
async function follow(context: CheckContext, history: PromotionHistory, release: BuiltRelease): Promise<Progress> {
  const { git, learner, registry, environments } = context;
  const { tag, digest, version, commit } = release;
  let done = 0;
  const missing = (sentence: string): Progress => ({ release, done, missing: sentence });

  const push = await pushOf(history, commit);
  if (push?.by !== learner.git.username)
    return missing(`it was built from a commit that ${push?.by ?? "nobody known"} pushed. Ship a version of your own.`);
  const again = builtReleases(history).find(
    (other) => other !== release && other.commit !== commit && (other.version === version || other.digest === digest),
  );
  if (again) return missing(`it was built twice, as ${tag} and as ${again.tag}. Ship a new version and leave it at one build.`);
  const named = await registry.manifest(tag);
  if (named?.digest !== digest)
    return missing(named ? `${tag} names ${named.digest} by now: somebody pushed over the tag.` : `${tag} is no longer in the registry.`);
  done += 1;

  const [first, ...later] = environments;
  if (!(await wasDesired(context, first!, digest)))
    return missing(`${overlayPath(first!)} has never named it. Wait for image automation, or look at \`flux get images all -n ${first}\`.`);
  done += 1;

  let before: { readonly environment: Environment; readonly at?: string } = { environment: first! };
  for (const environment of later) {
    const path = recordPath(environment);
    const requests = await requestsFor(history, environment, digest);
    if (requests.length === 0) return missing(`nothing asked for it in ${environment} yet: no commit wrote its digest into ${path}.`);
    const carried = requests.flatMap((request) => {
      const by = carriedOutBy(history, environment, request.commit);
      return by === undefined ? [] : [{ request, ...by }];
    })[0];
    if (carried === undefined)
      return missing(`commit ${requests.at(-1)!.commit} asks for it in ${environment}, and the pipeline has not carried that out.`);
    const asked = await pushOf(history, carried.request.commit);
    if (asked?.by !== learner.git.username)
      return missing(`${environment} was asked for by a commit that ${asked?.by ?? "nobody known"} pushed.`);
    if (before.at !== undefined && Date.parse(asked.at) <= Date.parse(before.at)) {
      return missing(
        `${environment} was asked for (${asked.at}) before ${before.environment} had it (${before.at}): the environments were not gone through in order.`,
      );
    }
    if ((await desiredImage(git, carried.commit, environment, learner.registry.repository))?.digest !== digest)
      return missing(`commit ${carried.commit} says that it carries the promotion to ${environment} out, but brings another image.`);
    before = { environment, at: carried.at };
    done += 1;
  }

  for (const environment of environments) {
    const deployment = await backendDeployment(context.kube, environment, learner.registry.repository);
    if (deployment === undefined || !(await hasRun(context, environment, deployment.object.metadata.uid, digest)))
      return missing(`${environment} has never run it. Look at \`kubectl get replicasets -n ${environment} -o wide\`.`);
    const promoted = promotedBy(deployment);
    if (promoted?.how !== "git") {
      const who = promoted === undefined ? "nobody known" : promoted.managers.map(({ manager }) => manager).join(", ");
      return missing(
        `the image of ${nameOf(deployment.object)} was set by ${who}, not by Flux from Git alone. \`flux reconcile kustomization apps-${environment} --with-source\` takes it back to Git.`,
      );
    }
    done += 1;
  }
  return { release, done };
}

async function wasDesired({ git, learner }: CheckContext, environment: Environment, digest: string): Promise<boolean> {
  for (const { id } of await git.log(overlayPath(environment))) {
    if ((await desiredImage(git, id, environment, learner.registry.repository))?.digest === digest) return true;
  }
  return false;
}

/** A Deployment keeps a ReplicaSet of each image it was rolled out with, also after a rollback. */
async function hasRun({ kube }: CheckContext, environment: Environment, deployment: string, digest: string): Promise<boolean> {
  const replicaSets = await listLive(kube, ReplicaSet, environment);
  return replicaSets.some(
    ({ metadata, spec }) =>
      metadata.ownerReferences.some(({ uid }) => uid === deployment) &&
      (spec.template?.spec.containers ?? []).some(({ image }) => parseImage(image).digest === digest),
  );
}

async function solve(bench: Workbench): Promise<void> {
  const version = await bench.observe(nextVersion);
  // The version is part of the image, so this is a change of the app.
  await bench.commit(`Ship ${version}`, (files) => files.write("app/VERSION", `${version}\n`));
  const [first, ...later] = bench.environments;
  const built = await bench.waitFor(
    `version ${version} to be built`,
    async (context) => builtReleases(await readPromotionHistory(context)).find((release) => release.version === version),
    120,
  );
  let image = await running(bench, first!, built.digest);
  for (const environment of later) {
    await bench.commit(`Promote ${version} to ${environment}`, async (files) => {
      const comments = ((await files.read(recordPath(environment))) ?? "").split("\n").filter((line) => line.startsWith("#"));
      await files.write(recordPath(environment), [...comments, `tag: ${image.tag}`, `digest: ${image.digest}`, ""].join("\n"));
    });
    image = await running(bench, environment, built.digest);
  }
  await settled(bench);
}

async function nextVersion({ git }: CheckContext): Promise<string> {
  const [major = 0, minor = 0] = ((await git.readFile(await git.head(), "app/VERSION")) ?? "").trim().split(".").map(Number);
  return `${major}.${minor + 1}.0`;
}

/** Waits until an environment runs a digest as Git says, and returns the tag under which it does. */
function running(bench: Workbench, environment: Environment, digest: string): Promise<{ readonly tag: string; readonly digest: string }> {
  return bench.waitFor(`${environment} to run ${digest}`, async (context) => {
    const [rollout, deployment] = await Promise.all([
      lookAtRollout(context, environment),
      backendDeployment(context.kube, environment, context.learner.registry.repository),
    ]);
    const tag = deployment?.image.tag;
    return rollout.digest === digest && tag !== undefined ? { tag, digest } : undefined;
  });
}
