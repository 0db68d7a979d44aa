import { stringify } from "yaml";
import { LabError } from "../../../shared/errors.ts";
import { formatTag, freshTime, parseTag } from "../../../shared/tags.ts";
import { backendName } from "../../../verification/backend-deployment.ts";
import { imagePolicyMatch } from "../../../verification/checks/image-policy-match.ts";
import { desiredImage, overlayPath } from "../../../verification/desired-image.ts";
import { formatImage } from "../../../verification/image-reference.ts";
import { getLive, ImagePolicy } from "../../../verification/live-objects.ts";
import { recordPath } from "../../../verification/promotion-record.ts";
import { lookAtRollout } from "../../../verification/rollout.ts";
import type { CheckContext } from "../../../verification/types.ts";
import type { Drill } from "../../types.ts";
import { buildsSince, failed, firstTrouble, passed, unusedVersion, writeVersion } from "./support.ts";

/** The version that staging runs is built a second time, beside the pipeline, and gets staging's newest tag. */
export const rebuiltImage: Drill = {
  id: "rebuilt-image",
  title: "The same version twice",
  briefing: `\`flux get images all -A\` shows that staging's policy and what Git says about staging differ, though nobody promoted anything.
The version is the same.

Find out which of the two images came from the pipeline, and bring staging's policy, Git and the running pods back to one image that did.`,
  hints: [
    "Compare the digests, not the versions: which of them is in the pipeline's notes (`git log --notes=pipeline`), which did develop run?",
    "The pipeline keeps the proposal of image automation back: `git log --notes=pipeline -- promotion/staging.yaml` says why. But the policy takes the newest tag of its family, whoever pushed it.",
    "A promotion of what the pipeline built gets a newer tag than the stranger's. Ship the app once more and promote that to staging.",
  ],

  async start(stage) {
    const image = await stage.observe(async ({ git, learner }) =>
      desiredImage(git, await git.head(), "staging", learner.registry.repository),
    );
    const tag = parseTag(image?.tag ?? "");
    if (tag === undefined)
      throw new LabError("tag-unexpected", "Staging's tag in Git is none of the lab's form. Run `./lab verify` and mend that first.");
    const digest = await stage.buildImage(tag.version, async () => {});
    const { created } = freshTime([...(await stage.tags()).keys()], "staging");
    await stage.tag(digest, formatTag({ ...tag, created }));
    await stage.waitFor(
      "staging's policy to pick the rebuilt image",
      async ({ kube }) =>
        (await getLive(kube, ImagePolicy, "staging", backendName))?.status.latestRef?.digest === digest ? true : undefined,
      90,
    );
  },

  async check(context) {
    const { kube, git, learner } = context;
    const expected = "staging's policy, Git and pods agree on one image that the pipeline built";
    const hint = "Promote an image of the pipeline to staging: it gets a newer tag, which the policy then takes.";
    const head = await git.head();
    const [policy, inGit, built] = await Promise.all([
      getLive(kube, ImagePolicy, "staging", backendName),
      desiredImage(git, head, "staging", learner.registry.repository),
      digestsOfPipeline(context),
    ]);
    const latest = policy?.status.latestRef;
    const strange = [
      ["Staging's policy picked", latest && { repository: latest.name, tag: latest.tag, digest: latest.digest }] as const,
      ["Git sets in staging", inGit] as const,
    ].flatMap(([who, image]) =>
      image?.digest !== undefined && !built.has(image.digest)
        ? [`${who} ${formatImage(image)}, which was built outside the pipeline.`]
        : [],
    );
    if (strange.length > 0) return failed(expected, strange.join("\n"), hint);
    const trouble = await firstTrouble(context, [imagePolicyMatch]);
    if (trouble !== undefined) return trouble;
    const { digest, problem } = await lookAtRollout(context, "staging");
    if (digest === undefined) return failed(expected, problem ?? "Nothing runs in staging.", hint);
    if (!built.has(digest)) return failed(expected, `Staging runs ${digest}, which was built outside the pipeline.`, hint);
    return passed(`staging's policy, Git and pods agree on ${digest}, which the pipeline built`);
  },

  async solve(bench) {
    const started = new Date();
    const version = await unusedVersion(bench);
    await bench.commit("Ship the app anew", (files) => writeVersion(files, version));
    const build = await bench.waitFor(
      `develop to run version ${version}`,
      async (context) => {
        const shipped = (await buildsSince(context, started)).find((one) => one.version === version);
        return shipped !== undefined && (await lookAtRollout(context, "develop")).digest === shipped.digest ? shipped : undefined;
      },
      120,
    );
    await bench.commit(`Promote ${build.tag} to staging`, (files) =>
      files.write(recordPath("staging"), stringify({ tag: build.tag, digest: build.digest })),
    );
  },
};

/** The images that were there at hand-over, and those that the pipeline wrote down. */
async function digestsOfPipeline({ git, learner }: CheckContext): Promise<ReadonlySet<string>> {
  const entries = [...(await git.journal()).values()].flat();
  const seed = (await git.log(overlayPath("staging"))).at(-1);
  const seeded = seed && (await desiredImage(git, seed.id, "staging", learner.registry.repository));
  return new Set([
    ...entries.flatMap((entry) => (entry.event === "built" ? [entry.digest] : [])),
    ...learner.environments.map(({ digest }) => digest),
    ...(seeded?.digest === undefined ? [] : [seeded.digest]),
  ]);
}
