import { fluxNamespace } from "../../../shared/names.ts";
import { backendDeployment } from "../../../verification/backend-deployment.ts";
import { type ImageChange, lookAtRollback } from "../../../verification/held-rollback.ts";
import { formatImage, sameImage } from "../../../verification/image-reference.ts";
import { getLive, Kustomization } from "../../../verification/live-objects.ts";
import { appsKustomization, notReady } from "../../../verification/readiness.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";
import type { Drill } from "../../types.ts";
import type { Backstage, Workbench } from "../../workbench.ts";
import { failed, latestPromotion, passed, requestReconcile, setByHand } from "./support.ts";

const apps = appsKustomization("production");

/** A colleague rolls back with kubectl, and Flux puts Git's image back. */
export const rolloutUndo: Drill = {
  id: "rollout-undo",
  title: "A rollback that does not stay",
  briefing: `The newest release must leave production. A colleague ran \`kubectl rollout undo deployment/backend -n production\`; it helped for
a moment, then the release was back.

Take production back to the image before, so that it stays there for at least two intervals of image automation.`,
  hints: [
    "Who decides what production runs? Whatever is set in the cluster alone, Flux replaces by what Git says.",
    "`git log -- flux/apps/backend/production/kustomization.yaml`: which commit brought the release?",
    "`git revert <that commit>`, push, watch `flux get kustomizations -w`, and wait for two intervals (`flux get image update -n production`).",
  ],

  async start(stage) {
    const latest = await latestPromotion(stage);
    const runs = (context: CheckContext) => backendDeployment(context.kube, "production", context.learner.registry.repository);
    await rollBackByHand(stage, latest);
    await requestReconcile(stage, "kustomization", fluxNamespace, apps);
    await stage.waitFor("Flux to put Git's image back in production", async (context) => {
      const [deployment, kustomization] = await Promise.all([runs(context), getLive(context.kube, Kustomization, fluxNamespace, apps)]);
      const isBack =
        deployment !== undefined && sameImage(deployment.image, latest.to) && (await setByHand(context, "production")) === undefined;
      return isBack && kustomization !== undefined && notReady(kustomization) === undefined ? true : undefined;
    });
  },

  async check(context, since) {
    return (await rollbackTrouble(context, since)) ?? passed((await lookAtRollback(context, "production", since)).sentence);
  },

  async solve(bench) {
    const { commit } = await bench.observe(async (context) => {
      const { promoted } = await lookAtRollback(context, "production", new Date());
      if (promoted === undefined) throw new Error("production was never promoted to");
      return promoted;
    });
    const started = new Date();
    await bench.revert(commit);
    await awaitHeld(bench, started);
  },
};

/**
 * Undoes production's last rollout. Where production has had one only, because the release was in Git before Flux first
 * applied it, kubectl has nothing to undo: then the image before is set, which is what undoing comes to.
 */
async function rollBackByHand(stage: Backstage, { from }: ImageChange): Promise<void> {
  const inProduction = ["deployment/backend", "-n", "production"];
  const history = await stage.adminKubectl(["rollout", "history", ...inProduction]);
  const rollouts = history.split("\n").filter((line) => /^\d+\s/.test(line));
  // `*` is every container; there is one.
  await stage.adminKubectl(
    rollouts.length > 1 ? ["rollout", "undo", ...inProduction] : ["set", "image", ...inProduction, `*=${formatImage(from)}`],
  );
}

/** Why production is not rolled back for good; undefined when it is, with nothing set by hand. */
export async function rollbackTrouble(context: CheckContext, since: Date): Promise<CheckResult | undefined> {
  const expected = "production was taken back by a `git revert`, and that held for two intervals of image automation";
  const look = await lookAtRollback(context, "production", since);
  const hint = {
    none: "Promote an image to production first.",
    promoted: "`git log -- flux/apps/backend/production/kustomization.yaml` names the commit to revert.",
    reverted: "Wait, and look whether it stays.",
    undone: "Something commits the release again: look at who wrote that commit, and what makes it do so.",
    held: "",
  }[look.stage];
  if (look.stage !== "held")
    return { ...failed(expected, look.sentence, hint), ...(look.waitUntil !== undefined && { waitUntil: look.waitUntil }) };
  const byHand = await setByHand(context, "production");
  return byHand === undefined
    ? undefined
    : failed(expected, byHand, `Let Flux apply Git: \`flux reconcile kustomization ${apps} --with-source\`.`);
}

/** Waits until production's rollback since a time has held for long enough. */
export async function awaitHeld(bench: Workbench, since: Date): Promise<void> {
  const { neededSeconds } = await bench.observe(async (context) => lookAtRollback(context, "production", since));
  await bench.waitFor(
    "the rollback of production to hold",
    async (context) => ((await lookAtRollback(context, "production", since)).stage === "held" ? true : undefined),
    neededSeconds + 90,
  );
}
