import { lookAtRollback, type RollbackLook } from "../../../verification/held-rollback.ts";
import { pushOf, readPromotionHistory } from "../../../verification/promotion-history.ts";
import { basisOf, lookAtRollout } from "../../../verification/rollout.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";
import type { Exercise } from "../../types.ts";
import { settled } from "./settled.ts";

const environment = "production";
const overlay = "flux/apps/backend/production/kustomization.yaml";

export const rollback: Exercise = {
  id: "rollback",
  title: "Perform a rollback",
  instructions: `Take production back to the image before, with Git alone, and leave it there:

\`\`\`sh
git pull
git log -1 --format=%H -- ${overlay}   # the most recent image update of production
git revert <that commit>
git push
flux get kustomizations -n flux-system --watch
kubectl get deploy backend -n production -o wide
\`\`\`

Watch how Flux restores the image before. Then wait: the rollback counts when it has stood for two intervals of production's
image automation (\`flux get image update -n production\` shows when it runs). It is the newest tag that the policy still selects;
find out in \`flux/apps/backend/production/image-automation.yaml\` and in the pipeline's notes why it does not come back.

What counts is the history: a later promotion takes nothing away.`,
  hints: [
    "The commit to revert is the last one that changed production's image. Its subject is `Update backend in production`, its author the pipeline.",
    "Revert that commit as a whole with `git revert`. What counts is what the commit does: production gets the very tag and digest back that it had before. The message may say what it likes.",
    "After the push there is nothing more to do than to wait. Whoever reverts the revert, or promotes again, before two intervals are over starts anew.",
  ],
  check,
  async solve(bench) {
    const look = await bench.observe((context) => lookAtRollback(context, environment));
    if (look.stage === "held") return;
    if ((look.stage === "promoted" || look.stage === "undone") && look.promoted !== undefined)
      await bench.revert((look.undoneBy ?? look.promoted).commit);
    const held = async (context: CheckContext) => ((await lookAtRollback(context, environment)).stage === "held" ? true : undefined);
    await bench.waitFor("the rollback of production to hold", held, Math.ceil(look.neededSeconds) + 60);
    await settled(bench);
  },
};

async function check(context: CheckContext): Promise<CheckResult> {
  const look = await lookAtRollback(context, environment);
  const basis = await basisOf(context, [await lookAtRollout(context, environment)]);
  if (look.stage !== "held" || look.revert === undefined)
    return { ...expected, basis, observed: look.sentence, hint: hints[look.stage], ...(look.waitUntil && { waitUntil: look.waitUntil }) };
  const push = await pushOf(await readPromotionHistory(context), look.revert.commit);
  if (push?.by === context.learner.git.username) return { status: "pass", basis, observed: look.sentence };
  return {
    ...expected,
    basis,
    observed: `${look.sentence} But ${push?.by ?? "nobody known"} pushed it, not ${context.learner.git.username}.`,
    hint: hints.promoted,
  };
}

const expected = {
  status: "fail",
  expected: "production taken back by your `git revert` of its image update, and held for two intervals of image automation",
} as const;

const hints: Readonly<Record<RollbackLook["stage"], string>> = {
  none: "Promote an image to production first; exercise git-only-promotion says how.",
  promoted: `\`git log -1 --format=%H -- ${overlay}\` names the commit to revert.`,
  reverted: "Leave production as it is and check again when the time is over.",
  undone: "Revert the commit that brought the image back, and leave it there. `git log --notes=pipeline` tells who asked for it.",
  held: `\`git log -1 --format=%H -- ${overlay}\` names the commit to revert.`,
};
