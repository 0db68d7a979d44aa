import { z } from "zod";
import { LabError } from "../../../shared/errors.ts";
import { fluxNamespace } from "../../../shared/names.ts";
import { backendName } from "../../../verification/backend-deployment.ts";
import { kustomizationsReconciled } from "../../../verification/checks/kustomizations-reconciled.ts";
import { imagePolicyMatch } from "../../../verification/checks/image-policy-match.ts";
import { getLive, ImageRepository } from "../../../verification/live-objects.ts";
import { notReady } from "../../../verification/readiness.ts";
import { basisOf, lookAtRollout } from "../../../verification/rollout.ts";
import type { Drill } from "../../types.ts";
import { drillLabel } from "../../workbench.ts";
import {
  buildsSince,
  failed,
  firstTrouble,
  passed,
  reconcileHint,
  replaceIn,
  shipAsColleague,
  unusedVersion,
  yamlAtTip,
} from "./support.ts";

const path = "flux/bootstrap/infrastructure/image-repository.yaml";
const revokedSecret = "backend-registry-2026";

const Spec = z.object({ spec: z.object({ secretRef: z.object({ name: z.string() }).optional() }) });

/** The image repository is pointed at a credential that was revoked, so no new tag is seen. */
export const stuckAutomation: Drill = {
  id: "stuck-automation",
  title: "A new image never arrives",
  briefing: `A colleague shipped a version of the backend. The pipeline built it, but develop goes on with the version before.

Find out where it is stuck, and repair it through Git.`,
  hints: [
    "Follow the image: the registry has the tag, so does Flux see it? `flux get images all -A`.",
    "`flux get image repository backend -n flux-system` says why the scan fails, `git log -p -- flux/bootstrap/infrastructure/image-repository.yaml` since when.",
    "Point `secretRef` back at the credential that worked, in Git. What is patched in the cluster, Flux replaces.",
  ],

  async start(stage) {
    const [host = ""] = stage.learner.registry.repository.split("/");
    const auth = Buffer.from(`${stage.learner.id}:revoked`).toString("base64");
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: revokedSecret, namespace: fluxNamespace, labels: { [drillLabel]: "stuck-automation" } },
      type: "kubernetes.io/dockerconfigjson",
      stringData: { ".dockerconfigjson": JSON.stringify({ auths: { [host]: { auth } } }) },
    };
    await stage.adminKubectl(["apply", "-f", "-"], JSON.stringify(secret));
    await stage.commitAsColleague("Use the registry credential of this year", (files) =>
      replaceIn(files, path, /secretRef:\n(\s+)name: .*/, `secretRef:\n$1name: ${revokedSecret}`),
    );
    await stage.waitFor(
      "the scan of the registry to fail",
      async ({ kube }) => {
        const live = await getLive(kube, ImageRepository, fluxNamespace, backendName);
        return live?.spec.secretRef?.name === revokedSecret &&
          live.status.conditions.some(({ type, status }) => type === "Ready" && status === "False")
          ? true
          : undefined;
      },
      90,
    );
    await shipAsColleague(stage, "Release another version", await unusedVersion(stage));
  },

  async check(context, since) {
    const { kube, git, learner } = context;
    const expected = "Flux scans the registry as Git says, and develop runs the newest build";
    const name = `ImageRepository ${fluxNamespace}/${backendName}`;
    const live = await getLive(kube, ImageRepository, fluxNamespace, backendName);
    if (live === undefined) return failed(expected, `${name} does not exist.`, reconcileHint);
    const inGit = Spec.safeParse(await yamlAtTip(git, path)).data?.spec.secretRef?.name;
    const inCluster = live.spec.secretRef?.name;
    if (inGit !== inCluster) {
      return failed(
        expected,
        `${name} uses the credential ${inCluster ?? "(none)"}, Git says ${inGit ?? "(none)"}.`,
        "A change in the cluster alone does not last: change it in Git, then let Flux apply that.",
      );
    }
    const unready = notReady(live);
    if (unready !== undefined)
      return failed(
        expected,
        `${unready} It uses the credential ${inCluster ?? "(none)"}.`,
        `\`git log -p -- ${path}\` shows what changed.`,
      );

    const newest = (await buildsSince(context, since)).at(-1);
    if (newest === undefined)
      throw new LabError(
        "drill-unknown-state",
        `The pipeline's journal names no build since ${since.toISOString()}. Run \`./lab drill reset stuck-automation ${learner.id}\`.`,
      );
    const rollout = await lookAtRollout(context, "develop");
    const basis = await basisOf(context, [rollout]);
    if (rollout.digest !== newest.digest)
      return failed(
        expected,
        rollout.problem ?? `Develop runs ${rollout.digest}, the newest build is ${newest.tag} (${newest.digest}).`,
        "Image automation brings it within an interval of a scan that succeeds.",
        basis,
      );
    return (
      (await firstTrouble(context, [kustomizationsReconciled, imagePolicyMatch])) ??
      passed(`Flux scans the registry with ${inCluster}, and develop runs ${newest.tag}`, basis)
    );
  },

  async solve(bench) {
    await bench.commit("Use the registry credential that works", (files) =>
      replaceIn(files, path, `name: ${revokedSecret}`, "name: backend-registry"),
    );
  },
};
