import { z } from "zod";
import { backendName } from "../../../verification/backend-deployment.ts";
import { imagePolicyMatch } from "../../../verification/checks/image-policy-match.ts";
import { getLive, ImagePolicy } from "../../../verification/live-objects.ts";
import { notReady } from "../../../verification/readiness.ts";
import type { Drill } from "../../types.ts";
import { patternTroubles } from "./pattern-probe.ts";
import {
  failed,
  firstTrouble,
  passed,
  reconcileHint,
  replaceIn,
  requestReconcile,
  shipAsColleague,
  unusedVersion,
  yamlAtTip,
} from "./support.ts";

const path = "flux/apps/backend/production/image-policy.yaml";
const loose = "pattern: 'v[0-9]+\\.[0-9]+\\.[0-9]+-[0-9a-f]+-(?P<ts>[0-9]+)'";
const tight = "pattern: '^production-v[0-9]+\\.[0-9]+\\.[0-9]+-[0-9a-f]{7,40}-(?P<ts>[0-9]{10})$'";

const Filter = z.object({ spec: z.object({ filterTags: z.object({ pattern: z.string(), extract: z.string().default("") }).optional() }) });

/** A colleague loosens production's tag filter; the gate keeps the wrong image out, but the policy is wrong. */
export const loosenedRegex: Drill = {
  id: "loosened-regex",
  title: "Production's policy picks a strange image",
  briefing: `\`flux get image policy -A\` shows that production's policy picked something that is no production image.
Production still runs what it ran. Find out why, and make the policy pick what it should again, through Git.`,
  hints: [
    "Compare the tag that the policy picked with the pattern in `flux/apps/backend/production/image-policy.yaml`, and that file with the one of staging.",
    "`git log -p -- flux/apps/backend/production/image-policy.yaml` shows who changed it.",
    "The pattern must name the environment, be anchored at both ends, escape the dots and take a time of exactly ten digits. Reverting the colleague's commit does all of that.",
  ],

  async start(stage) {
    await shipAsColleague(stage, "Release another version", await unusedVersion(stage));
    await stage.commitAsColleague("Simplify the tag pattern, so that hotfixes match too", (files) =>
      replaceIn(files, path, /pattern: .*/, loose),
    );
    await requestReconcile(stage, "kustomization", "flux-system", "image-automation");
    await stage.waitFor(
      "production's policy to pick an image of another environment",
      async ({ kube }) => {
        const tag = (await getLive(kube, ImagePolicy, "production", backendName))?.status.latestRef?.tag;
        return tag?.startsWith("develop-") ? tag : undefined;
      },
      90,
    );
  },

  async check(context) {
    const { kube, git } = context;
    const expected = "production's policy takes the tags of its own family and no other, in Git and in the cluster";
    const inGit = Filter.safeParse(await yamlAtTip(git, path)).data?.spec.filterTags;
    if (inGit === undefined)
      return failed(expected, `${path} in Git filters no tags.`, "Put `filterTags` back: `git log -p` shows how it was.");
    const troubles = patternTroubles("production", inGit.pattern, inGit.extract);
    if (troubles.length > 0) return failed(expected, troubles.join("\n"), `Compare ${path} with the policy of staging.`);

    const live = await getLive(kube, ImagePolicy, "production", backendName);
    if (live === undefined) return failed(expected, `ImagePolicy production/${backendName} does not exist.`, reconcileHint);
    const applied = live.spec.filterTags;
    if (applied?.pattern !== inGit.pattern || applied.extract !== inGit.extract) {
      return failed(
        expected,
        `The policy in the cluster has the pattern ${applied?.pattern ?? "(none)"}, Git has ${inGit.pattern}.`,
        reconcileHint,
      );
    }
    const unready = notReady(live);
    if (unready !== undefined) return failed(expected, unready, reconcileHint);
    return (
      (await firstTrouble(context, [imagePolicyMatch])) ??
      passed(`production's policy takes only ${inGit.pattern} and picked ${live.status.latestRef?.tag}`)
    );
  },

  async solve(bench) {
    await bench.commit("Let production take its own tags only", (files) =>
      replaceIn(files, path, /pattern: .*/, tight.replaceAll("$", "$$$$")),
    );
  },
};
