import { fluxNamespace } from "../shared/names.ts";
import { LabError } from "../shared/errors.ts";
import { backendDeployment, type BackendDeployment } from "./backend-deployment.ts";
import { promotedBy } from "./bundle/promoted.ts";
import type { PromotionState } from "./bundle/schema.ts";
import { desiredImage } from "./desired-image.ts";
import { requiredSeconds } from "./held-rollback.ts";
import { sameImage, shortImage, type ImageReference } from "./image-reference.ts";
import { getLive, Kustomization } from "./live-objects.ts";
import { parseRecord, recordPath } from "./promotion-record.ts";
import { appsKustomization } from "./readiness.ts";
import { standingOf, type Standing } from "./standing.ts";
import type { CheckContext } from "./types.ts";

const looks = new WeakMap<CheckContext, Promise<PromotionState>>();

/**
 * What has become of the newest promotion to the last environment, by Git, the pipeline's journal and the cluster. Looks once
 * for all that share a context. Throws where it can't look.
 */
export function lookAtPromotion(context: CheckContext): Promise<PromotionState> {
  let state = looks.get(context);
  if (state === undefined) looks.set(context, (state = look(context)));
  return state;
}

async function look(context: CheckContext): Promise<PromotionState> {
  const environment = context.environments.at(-1);
  if (environment === undefined) throw new LabError("no-environment", "The lab template names no environment. Look at the template.");
  const standing = await standingOf(context, environment);
  const { asked, latest, promotion, kind } = standing;
  const [cluster, next] = await Promise.all([lookAtCluster(context, standing), nextOf(context, standing)]);
  const { applied, outside } = cluster;
  const hold = kind === "rolled-back" && outside === undefined ? await holdOf(context, standing, applied) : undefined;
  const state = outside !== undefined ? "changed-outside-git" : kind === "unknown" ? "changed-without-promotion" : kind;
  const since = outside === undefined ? latest?.at?.toISOString() : outside.since;
  const seen = {
    environment,
    state,
    ...(since !== undefined && { since }),
    ...(promotion && {
      promotion: {
        commit: promotion.commit,
        ...(promotion.at && { at: promotion.at.toISOString() }),
        from: promotion.from,
        to: promotion.to,
      },
    }),
    ...(asked && { asked: { image: asked, ...(latest && { commit: latest.commit }) } }),
    applied,
    ...(hold && { hold }),
    ...(outside && { outside: { ...(outside.image && { image: outside.image }), by: [...outside.by] } }),
    ...(next && { next }),
  } as const;
  return { ...seen, says: sentence(seen, context.learner.git.branch) };
}

interface Cluster {
  readonly applied: boolean;
  /** What the Deployment asks for, where neither Git nor an older state of it that Flux has applied says so. */
  readonly outside?: { readonly image?: ImageReference | undefined; readonly by: readonly string[]; readonly since?: string | undefined };
}

async function lookAtCluster({ kube, git, learner }: CheckContext, { environment, asked, latest }: Standing): Promise<Cluster> {
  const { repository } = learner.registry;
  // In this order: what Flux applies between the two looks is Git's as well.
  const kustomization = await getLive(kube, Kustomization, fluxNamespace, appsKustomization(environment));
  const deployment = await backendDeployment(kube, environment, repository);
  const revision = kustomization?.status.lastAppliedRevision?.split("sha1:")[1];
  const applied = revision !== undefined && (latest === undefined || (await git.isAncestor(latest.commit, revision)));
  const runs = deployment?.image;
  if (asked !== undefined && runs !== undefined && sameImage(runs, asked)) return { applied };
  // Nothing that Flux has brought can have been changed where it has brought nothing.
  if (revision === undefined || asked === undefined) return { applied };
  const brought = applied ? asked : await desiredImage(git, revision, environment, repository);
  if (!applied && (brought === undefined || (runs !== undefined && sameImage(runs, brought)))) return { applied };
  return { applied, outside: { image: runs, ...whoSet(deployment) } };
}

/** Whoever has set the image beside Flux; the time is the API server's. */
function whoSet(deployment: BackendDeployment | undefined): { readonly by: readonly string[]; readonly since?: string | undefined } {
  const managers = (deployment && promotedBy(deployment)?.managers) ?? [];
  const others = managers.filter(({ manager }) => manager !== "kustomize-controller");
  const times = others.flatMap(({ time }) => (time === undefined ? [] : [new Date(time).toISOString()])).toSorted();
  return { by: [...new Set(others.map(({ manager }) => manager))], since: times.at(-1) };
}

async function holdOf(context: CheckContext, { environment, latest }: Standing, applied: boolean): Promise<PromotionState["hold"]> {
  try {
    const neededSeconds = await requiredSeconds(context, environment);
    const at = latest?.at?.getTime();
    const seconds = at === undefined ? 0 : Math.max(0, (Date.now() - at) / 1000);
    const until = new Date((at ?? Date.now()) + neededSeconds * 1000).toISOString();
    return { state: applied && seconds >= neededSeconds ? "held" : "waiting", seconds: Math.floor(seconds), neededSeconds, until };
  } catch (error) {
    // Without image automation nothing says for how long; the checks tell what is missing.
    if (error instanceof LabError && error.code === "interval-unknown") return undefined;
    throw error;
  }
}

/** What the environment before is asked to run, where the environment never had it. */
async function nextOf({ git, learner, environments }: CheckContext, standing: Standing): Promise<PromotionState["next"]> {
  const { environment, head, asked, changes } = standing;
  const before = environments[environments.indexOf(environment) - 1];
  const image = before && (await desiredImage(git, head, before, learner.registry.repository));
  if (image?.digest === undefined) return undefined;
  const known = [asked, ...changes.flatMap(({ from, to }) => [from, to])];
  if (known.some((one) => one?.digest === image.digest)) return undefined;
  const record = parseRecord((await git.readFile(head, recordPath(environment))) ?? "");
  return { image, isAsked: "record" in record && record.record.digest === image.digest };
}

function sentence(state: Omit<PromotionState, "says">, branch: string): string {
  const { environment, promotion, asked, since, applied, hold, outside, next } = state;
  const when = since === undefined ? "" : ` since ${since}`;
  const by = asked?.commit === undefined ? "" : ` by commit ${asked.commit.slice(0, 7)}`;
  const late = applied ? "" : "; Flux has not applied it yet";
  const to = asked === undefined ? "nothing" : shortImage(asked.image);
  const ahead =
    next === undefined
      ? ""
      : `; ${shortImage(next.image)} is next${next.isAsked ? ` and ${recordPath(environment)} asks for it` : `, once ${recordPath(environment)} asks for it`}`;
  switch (state.state) {
    case "none":
      return `nothing was promoted to ${environment} yet; ${branch} asks for ${to}${late}${ahead}`;
    case "promoted":
      return `${environment} is promoted to ${to}${when}${by}${late}${ahead}`;
    case "rolled-back": {
      const from = promotion === undefined ? "" : ` from ${shortImage(promotion.to)}`;
      return `${environment} is rolled back${from} to ${to}${when}${by}, ${holding(hold)}${late}${ahead}`;
    }
    case "changed-outside-git": {
      const runs = outside?.image === undefined ? "its Deployment is gone" : `its Deployment asks for ${shortImage(outside.image)}`;
      const who = outside === undefined || outside.by.length === 0 ? "" : `, set by ${outside.by.join(", ")}${when}`;
      return `${environment} was changed outside Git: ${runs}${who}; ${branch} asks for ${to}`;
    }
    case "changed-without-promotion":
      return asked === undefined
        ? `${branch} names no one image for ${environment} any more`
        : `${branch} asks for ${to} in ${environment}${when}${by}, which no promotion brought there${late}`;
  }
}

/** Whether a rollback stands for good. */
function holding(hold: PromotionState["hold"]): string {
  if (hold === undefined) return "and no image automation says for how long it must hold";
  if (hold.state === "held") return `held for ${hold.seconds} s`;
  const left = Math.ceil((Date.parse(hold.until) - Date.now()) / 1000);
  return left > 0 ? `waiting: it holds in ${left} s` : "waiting for Flux to apply it";
}
