import { LabError } from "../../../shared/errors.ts";
import { backendDeployment } from "../../../verification/backend-deployment.ts";
import { imagePolicyMatch } from "../../../verification/checks/image-policy-match.ts";
import { kustomizationsReconciled } from "../../../verification/checks/kustomizations-reconciled.ts";
import { desiredImage } from "../../../verification/desired-image.ts";
import { imageChanges } from "../../../verification/held-rollback.ts";
import { shortImage } from "../../../verification/image-reference.ts";
import { basisOf, lookAtRollout } from "../../../verification/rollout.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";
import type { Drill } from "../../types.ts";
import { buildsSince, failed, firstTrouble, passed, shipAsColleague, unusedVersion, writeVersion, type Build } from "./support.ts";

/** On a simulated node, an image with this patch number crashes: see clusters/embedded/control-plane/kwok.yaml. */
const crashingPatch = 99;

const brokenFile = "app/region.go";
const broken = `package main

import (
	"log/slog"
	"os"
)

// The region decides which price list is used.
func init() {
	if os.Getenv("BACKEND_REGION") == "" {
		slog.Error("BACKEND_REGION is not set")
		os.Exit(1)
	}
}
`;

/** A colleague's version crashes at start. The way out of newest-tag automation is forward. */
export const badImage: Drill = {
  id: "bad-image",
  title: "A release crashes in develop",
  briefing: `A colleague shipped a version of the backend. Since then develop is not well: \`kubectl get pods -n develop\`.

Get develop well again, through Git, and keep that release out of staging and production.`,
  hints: [
    "What do the pods of develop say (`kubectl describe pods -n develop`), and which commit changed `app/` last (`git log -- app`)?",
    "Taking back the image-update commit in develop does not hold: image automation writes the newest tag again. Develop only goes forward.",
    "Revert the commit that changed `app/` and, in the same push, raise `app/VERSION` to a version that was never built.",
  ],

  async start(stage) {
    const version = await unusedVersion(stage, crashingPatch);
    const { tag } = await shipAsColleague(stage, "Choose the price list by region", version, (files) => files.write(brokenFile, broken));
    await stage.waitFor(
      `develop to crash with ${tag}`,
      async (context) => {
        const deployment = await backendDeployment(context.kube, "develop", context.learner.registry.repository);
        const { problem } = await lookAtRollout(context, "develop");
        return deployment?.image.tag === tag && problem !== undefined && /exit code|CrashLoopBackOff/.test(problem) ? true : undefined;
      },
      180,
    );
  },

  async check(context, since) {
    const builds = await buildsSince(context, since);
    const bad = builds.find(({ byColleague }) => byColleague);
    if (bad === undefined)
      throw new LabError(
        "drill-unknown-state",
        `The pipeline's journal names no build of the colleague since ${since.toISOString()}. Run \`./lab drill reset bad-image ${context.learner.id}\`.`,
      );
    const promoted = await promotedAnyway(context, bad);
    if (promoted !== undefined)
      return failed(
        `${bad.tag} in develop alone`,
        promoted,
        "Promote a good image to the environments after develop; a promotion needs a well develop first.",
      );
    return (
      (await lookAtDevelop(context, bad, builds)) ??
      (await firstTrouble(context, [kustomizationsReconciled, imagePolicyMatch])) ??
      lookAtAll(context, bad)
    );
  },

  async solve(bench) {
    const version = await unusedVersion(bench);
    await bench.commit("Take the price list by region back", async (files) => {
      if ((await files.read(brokenFile)) !== undefined) await files.remove(brokenFile);
      await writeVersion(files, version);
    });
  },
};

/** Where the bad image went beyond develop, as a sentence. */
async function promotedAnyway({ git, learner, environments }: CheckContext, bad: Build): Promise<string | undefined> {
  for (const entries of (await git.journal()).values()) {
    const entry = entries.find((one) => one.event === "promoted" && one.digest === bad.digest);
    if (entry?.event === "promoted") return `The image that crashes was promoted to ${entry.environment} as ${entry.tag}.`;
  }
  for (const environment of environments.slice(1)) {
    const change = (await imageChanges(git, environment, learner.registry.repository)).find(({ to }) => to.digest === bad.digest);
    if (change !== undefined) return `Commit ${change.commit.slice(0, 7)} set the image that crashes in ${environment}.`;
  }
  return undefined;
}

async function lookAtDevelop(context: CheckContext, bad: Build, builds: readonly Build[]): Promise<CheckResult | undefined> {
  const { git, learner } = context;
  const expected = `develop runs a version that was built after ${bad.version}`;
  const inGit = await desiredImage(git, await git.head(), "develop", learner.registry.repository);
  const shipped = builds.filter(({ digest, at }) => digest !== bad.digest && at > bad.at);
  if (inGit?.digest === bad.digest) {
    const { problem } = await lookAtRollout(context, "develop");
    const observed = `Git sets ${bad.tag} in develop, the image that crashes.${problem === undefined ? "" : ` ${problem}`}`;
    return failed(
      expected,
      observed,
      shipped.length === 0
        ? "Nothing was built since. A revert alone gives an app that was built before, so no new image: raise `app/VERSION` too."
        : "A newer image was built; image automation brings it within an interval.",
    );
  }
  if (inGit !== undefined && shipped.some(({ digest }) => digest === inGit.digest)) return undefined;
  return failed(
    expected,
    `Git sets ${inGit === undefined ? "no image" : shortImage(inGit)} in develop, which was not built after ${bad.version}.`,
    "Image automation writes the newest tag again at its next run; ship a good version instead of taking the bad one back.",
  );
}

async function lookAtAll(context: CheckContext, bad: Build): Promise<CheckResult> {
  const rollouts = await Promise.all(context.environments.map((environment) => lookAtRollout(context, environment)));
  const basis = await basisOf(context, rollouts);
  const unwell = rollouts.flatMap(
    ({ environment, problem, digest }) => problem ?? (digest === bad.digest ? `${environment} runs the image that crashes.` : []),
  );
  if (unwell.length > 0)
    return failed(
      "every environment rolled out, none with the image that crashes",
      unwell.join("\n"),
      "Look at `kubectl get pods -A -l app=backend`.",
      basis,
    );
  return passed(
    `${rollouts.map(({ environment, digest }) => `${environment} runs ${digest}`).join(", ")}; ${bad.tag} never left develop`,
    basis,
  );
}
