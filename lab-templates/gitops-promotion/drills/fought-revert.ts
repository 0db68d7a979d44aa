import { z } from "zod";
import { fluxNamespace } from "../../../shared/names.ts";
import { backendName } from "../../../verification/backend-deployment.ts";
import { overlayPath } from "../../../verification/desired-image.ts";
import { imageChanges, lookAtRollback } from "../../../verification/held-rollback.ts";
import { getLive, ImageUpdateAutomation } from "../../../verification/live-objects.ts";
import { proposalBranch } from "../../../verification/promotion-record.ts";
import type { Drill } from "../../types.ts";
import type { WorkTree } from "../../workbench.ts";
import { awaitHeld, rollbackTrouble } from "./rollout-undo.ts";
import { failed, latestPromotion, passed, reconcileHint, replaceIn, requestReconcile, yamlAtTip } from "./support.ts";

const path = "flux/apps/backend/production/image-automation.yaml";
const Automation = z.object({
  spec: z.object({ suspend: z.boolean().default(false), git: z.object({ push: z.object({ branch: z.string() }) }) }),
});

/** Production's automation pushes straight to the branch that Flux follows, so it undoes every rollback. */
export const foughtRevert: Drill = {
  id: "fought-revert",
  title: "A rollback that image automation undoes",
  briefing: `The newest release must leave production. A colleague reverted the commit that brought it, and a moment later the release
was back, in Git too.

Take production back to the image before, so that it stays there for at least two intervals of image automation.`,
  hints: [
    "`git log -- flux/apps/backend/production/kustomization.yaml`: who wrote the commit after the revert?",
    "Image automation writes what the policy picks, and the policy picks the newest tag, which the revert did not remove. Where does production's automation push to, and where do staging's proposals go?",
    "Let production's automation propose again (`spec.git.push.branch: image-updates/production` in its image-automation.yaml; `suspend: true` there stops it for good), and when Flux has applied that, revert its last commit.",
  ],

  async start(stage) {
    const latest = await latestPromotion(stage);
    const { branch } = stage.learner.git;
    await stage.commitAsColleague("Let production's image updates come without a detour", (files) => setPushBranch(files, branch));
    await requestReconcile(stage, "kustomization", fluxNamespace, "image-automation");
    await stage.waitFor(
      "production's automation to push to the branch",
      async ({ kube }) => ((await pushesTo(kube))?.branch === branch ? true : undefined),
      90,
    );

    const overlay = overlayPath("production");
    const { from, to } = latest;
    await stage.commitAsColleague(`Revert "Update backend in production"\n\nThis reverts commit ${latest.commit}.`, async (files) => {
      await replaceIn(files, overlay, to.tag ?? "", from.tag ?? "");
      if (from.digest !== to.digest) await replaceIn(files, overlay, to.digest ?? "", from.digest ?? "");
    });
    await requestReconcile(stage, "imageupdateautomation", "production", backendName);
    await stage.waitFor(
      "image automation to undo the revert",
      async ({ git, learner }) => {
        const [newest] = await imageChanges(git, "production", learner.registry.repository);
        return newest?.to.tag === to.tag ? newest : undefined;
      },
      180,
    );
  },

  async check(context, since) {
    const { kube, git, learner } = context;
    const expected = "production's automation does not push to the branch that Flux follows, and a rollback by `git revert` held";
    const inGit = Automation.safeParse(await yamlAtTip(git, path)).data?.spec;
    if (inGit === undefined)
      return failed(
        expected,
        `${path} in Git is no ImageUpdateAutomation with a branch to push to.`,
        `\`git log -p -- ${path}\` shows how it was.`,
      );
    if (inGit.git.push.branch === learner.git.branch && !inGit.suspend) {
      const { sentence } = await lookAtRollback(context, "production", since);
      return failed(
        expected,
        `Production's automation pushes straight to ${learner.git.branch}, so it undoes a rollback at its next run. ${sentence}`,
        `Let it propose on ${proposalBranch("production")}.`,
      );
    }
    const live = await pushesTo(kube);
    if (live?.branch !== inGit.git.push.branch || live.suspend !== inGit.suspend) {
      return failed(
        expected,
        `Production's automation in the cluster pushes to ${live?.branch ?? "nowhere"}${live?.suspend ? " and is suspended" : ""}, which is not what Git says.`,
        reconcileHint,
      );
    }
    return (await rollbackTrouble(context, since)) ?? passed((await lookAtRollback(context, "production", since)).sentence);
  },

  async solve(bench) {
    const branch = proposalBranch("production");
    const inGit = await bench.observe(async ({ git }) => Automation.safeParse(await yamlAtTip(git, path)).data?.spec);
    if (inGit?.git.push.branch !== branch)
      await bench.commit("Let production's image updates be proposed again", (files) => setPushBranch(files, branch));
    await bench.flux("reconcile", "kustomization", "image-automation", "--with-source");
    await bench.waitFor("production's automation to propose again", async ({ kube }) =>
      (await pushesTo(kube))?.branch === branch ? true : undefined,
    );
    const newest = await bench.observe(async ({ git, learner }) => (await imageChanges(git, "production", learner.registry.repository))[0]);
    if (newest === undefined) throw new Error("production was never promoted to");
    const started = new Date();
    await bench.revert(newest.commit);
    await awaitHeld(bench, started);
  },
};

async function setPushBranch(files: WorkTree, branch: string): Promise<void> {
  await replaceIn(files, path, /push:\n(\s+)branch: .*/, `push:\n$1branch: ${branch}`);
}

async function pushesTo(
  kube: Parameters<typeof getLive>[0],
): Promise<{ readonly branch: string | undefined; readonly suspend: boolean } | undefined> {
  const automation = await getLive(kube, ImageUpdateAutomation, "production", backendName);
  return automation && { branch: automation.spec.git?.push?.branch, suspend: automation.spec.suspend };
}
