import { stringify } from "yaml";
import { LabError } from "../../../shared/errors.ts";
import { parseTag } from "../../../shared/tags.ts";
import { deployedDigest } from "../../../verification/checks/deployed-digest.ts";
import { imagePolicyMatch } from "../../../verification/checks/image-policy-match.ts";
import { desiredImage } from "../../../verification/desired-image.ts";
import { parseRecord, recordPath } from "../../../verification/promotion-record.ts";
import type { Drill } from "../../types.ts";
import { failed, firstTrouble, passed } from "./support.ts";

/** Somebody pushes another image over production's tag. What runs is pinned by digest. */
export const mutableTag: Drill = {
  id: "mutable-tag",
  title: "A tag does not name what it named",
  briefing: `A scan of the registry reports that production's tag names another image than the one that was tested. Nobody knows
whether production runs it.

Find out what production runs, and see to it that every environment's tag in Git names the digest in Git again.`,
  hints: [
    "Compare `digest` in `flux/apps/backend/production/kustomization.yaml` with what the registry has under that tag (`crane digest`), and with `imageID` of the pods.",
    "Pods are pinned by digest, so production never ran the other image. A tag that was pushed over is spent: give the tested image a fresh one.",
    "A promotion is carried out once; with another `note` in `promotion/production.yaml` it is a new one, and the pipeline gives the same digest a fresh tag.",
  ],

  async start(stage) {
    const image = await stage.observe(async ({ git, learner }) =>
      desiredImage(git, await git.head(), "production", learner.registry.repository),
    );
    const version = parseTag(image?.tag ?? "")?.version;
    if (image?.tag === undefined || version === undefined)
      throw new LabError("tag-unexpected", "Production's tag in Git is none of the lab's form. Run `./lab verify` and mend that first.");
    const other = await stage.buildImage(version, (files) => files.write("app/debug.go", debug));
    await stage.tag(other, image.tag);
    await stage.waitFor("production's tag to name another image", async ({ registry }) =>
      (await registry.manifest(image.tag ?? ""))?.digest === other ? true : undefined,
    );
  },

  async check(context) {
    const { git, registry, learner, environments } = context;
    const head = await git.head();
    const expected = "in each environment, the tag in Git names the digest in Git";
    const moved: string[] = [];
    for (const environment of environments) {
      const image = await desiredImage(git, head, environment, learner.registry.repository);
      if (image?.tag === undefined || image.digest === undefined)
        return failed(expected, `Git names no tag and digest for ${environment}.`, "Look at its kustomization.yaml.");
      const digest = (await registry.manifest(image.tag))?.digest;
      if (digest !== image.digest) moved.push(`${image.tag} is ${image.digest} in Git; the registry has ${digest ?? "no such tag"}.`);
    }
    if (moved.length > 0)
      return failed(
        expected,
        moved.join("\n"),
        "Promote the same image again with another `note` (it gets a fresh tag), or put the tag back.",
      );
    return (
      (await firstTrouble(context, [imagePolicyMatch, deployedDigest])) ??
      passed("each environment's tag names the digest in Git, and production runs what staging runs")
    );
  },

  async solve(bench) {
    const path = recordPath("production");
    await bench.commit("Promote the tested image again, under a fresh tag", async (files) => {
      const parsed = parseRecord((await files.read(path)) ?? "");
      if ("problem" in parsed) throw new LabError("record-unexpected", `${path} ${parsed.problem}. Write down what staging runs.`);
      await files.write(path, stringify({ ...parsed.record, note: `The tag was pushed over, seen on ${new Date().toISOString()}` }));
    });
  },
};

const debug = `package main

import "log/slog"

func init() {
	slog.Info("debug build")
}
`;
