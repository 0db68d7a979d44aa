import { LabError } from "../../../shared/errors.ts";
import { fluxNamespace } from "../../../shared/names.ts";
import { backendDeployment } from "../../../verification/backend-deployment.ts";
import { imagePolicyMatch } from "../../../verification/checks/image-policy-match.ts";
import { kustomizationsReconciled } from "../../../verification/checks/kustomizations-reconciled.ts";
import { imageChanges } from "../../../verification/held-rollback.ts";
import { formatImage } from "../../../verification/image-reference.ts";
import { getLive, Kustomization } from "../../../verification/live-objects.ts";
import { appsKustomization } from "../../../verification/readiness.ts";
import { lookAtRollout } from "../../../verification/rollout.ts";
import type { Drill } from "../../types.ts";
import { failed, firstTrouble, passed, setByHand } from "./support.ts";

const apps = appsKustomization("production");

/** Somebody suspended production's Kustomization and set an image by hand. */
export const manualDrift: Drill = {
  id: "manual-drift",
  title: "Production runs what Git does not say",
  briefing: `Production runs another image than the one in Git, and no commit explains it.

Bring production back to what Git says, and see to it that Flux keeps it so.`,
  hints: [
    "`flux get kustomizations -A`: is everything that should reconcile doing so? Flux puts back what is changed by hand, unless it is told not to look.",
    "`kubectl get deploy backend -n production -o yaml --show-managed-fields` tells who set the image.",
    "`flux resume kustomization apps-production` lets Flux apply Git again; setting the image by hand once more would only be the next drift.",
  ],

  async start(stage) {
    const [container, drifted] = await stage.observe(async ({ kube, git, learner }) => {
      const [deployment, changes] = await Promise.all([
        backendDeployment(kube, "production", learner.registry.repository),
        imageChanges(git, "production", learner.registry.repository),
      ]);
      return [deployment?.container, changes[0]?.from] as const;
    });
    if (container === undefined || drifted?.digest === undefined)
      throw new LabError("nothing-to-drift-to", "Production never had another image, so there is none to set by hand. Promote one first.");
    // With flux' own name as field manager, as `flux suspend` does it: what kubectl set, Flux would take back.
    await stage.adminKubectl([
      "patch",
      "kustomization",
      apps,
      "-n",
      fluxNamespace,
      "--type=merge",
      "--field-manager=flux",
      "-p",
      '{"spec":{"suspend":true}}',
    ]);
    await stage.adminKubectl(["set", "image", "deployment/backend", "-n", "production", `${container}=${formatImage(drifted)}`]);
    await stage.waitFor("production to run the image that was set by hand", async (context) =>
      (await lookAtRollout(context, "production")).digest === drifted.digest ? true : undefined,
    );
  },

  async check(context) {
    const expected = `production runs what Git says, ${apps} reconciles, and Flux alone set the image`;
    const live = await getLive(context.kube, Kustomization, fluxNamespace, apps);
    const byHand = await setByHand(context, "production");
    if (live?.spec.suspend) {
      return failed(
        expected,
        [
          `Kustomization ${fluxNamespace}/${apps} is suspended, so Flux does not look at production.`,
          ...(byHand === undefined ? [] : [byHand]),
        ].join("\n"),
        `\`flux resume kustomization ${apps}\``,
      );
    }
    if (byHand !== undefined)
      return failed(expected, byHand, `Let Flux apply Git: \`flux reconcile kustomization ${apps} --with-source\`.`);
    return (
      (await firstTrouble(context, [kustomizationsReconciled, imagePolicyMatch])) ??
      passed(`${apps} reconciles, and production runs what Git says, set by Flux alone`)
    );
  },

  async solve(bench) {
    await bench.flux("resume", "kustomization", apps);
    await bench.flux("reconcile", "kustomization", apps, "--with-source");
  },
};
