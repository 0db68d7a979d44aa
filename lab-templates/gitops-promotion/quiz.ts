import type { Quiz } from "../quiz.ts";

/** The chapter's knowledge check. This file is the key: nothing outside `files/` reaches a learner's repository. */
export const quiz: Quiz = {
  questions: [
    {
      kind: "short",
      id: "promotion-or-rebuild",
      topic: "Promotion and rebuild",
      prompt:
        "An image has passed its tests in staging. What does a promotion to production do with that image, and what would a rebuild from the same commit put at risk?",
      points: 3,
      explanation:
        "A promotion gives the tested image another tag and leaves its digest alone. A rebuild yields an image of its own, which may differ and which nobody has tested.",
      ideas: [
        {
          topic: "what becomes of the image in a promotion",
          weight: 2,
          accepts: [
            ...["image", "digest", "artifact*", "artefact*", "build", "binary", "bytes"].flatMap((thing) => [
              `same ${thing}`,
              `identical ${thing}`,
              `exact ${thing}`,
            ]),
            ...["retag*", "re-tag*", "new tag", "another tag", "additional tag", "production tag"],
            ...["digest unchanged", "digest stays", "digest remains", "not rebuil*", "never rebuil*", "without rebuil*"],
          ],
        },
        {
          topic: "what is uncertain about a rebuilt image",
          weight: 1,
          accepts: [
            ...[
              "untested",
              "not tested",
              "never tested",
              "nobody tested",
              "no test*",
              "unverified",
              "not verified",
              "differ*",
              "not identical",
              "not reproducible",
            ],
            ...[
              "not the same",
              "other digest",
              "another digest",
              "new digest",
              "other dependenc*",
              "newer dependenc*",
              "changed dependenc*",
              "dependenc* chang*",
            ],
          ],
        },
      ],
    },
    {
      kind: "choice",
      id: "tag-families",
      topic: "Tag families",
      prompt:
        "Production's ImagePolicy filters tags by ^production-v<semver>-<hex>-(?P<ts>digits)$, extracts $ts and orders numerically ascending. These tags are in the registry. Which one does it pick?",
      points: 2,
      explanation:
        "Only the production family passes the filter, and within it the greatest timestamp wins; the version plays no part in the order.",
      options: [
        { id: "develop-1.5.0", text: "develop-v1.5.0-9ab34cd-1770003000", right: false },
        { id: "production-1.3.9", text: "production-v1.3.9-77be01d-1770002000", right: true },
        { id: "production-1.4.0", text: "production-v1.4.0-3fa9c2e-1770001000", right: false },
        { id: "production-current", text: "production-current", right: false },
      ],
    },
    {
      kind: "choice",
      id: "mutable-latest",
      topic: "The mutable tag latest",
      prompt: "A Deployment names its image by the tag latest alone, without a digest. What follows from that?",
      points: 2,
      explanation:
        "A tag that moves names no build: pods started at different times may differ, and the manifests in Git are the same before and after. Kubernetes and Flux accept it all the same.",
      options: [
        { id: "mixed-pods", text: "Two pods of the same Deployment can run different builds.", right: true },
        { id: "silent-history", text: "A commit in Git does not tell which build ran at that time.", right: true },
        { id: "refused", text: "Flux refuses to apply the manifest until a version is named.", right: false },
        { id: "self-restart", text: "Running pods are replaced as soon as the tag is moved.", right: false },
      ],
    },
    {
      kind: "choice",
      id: "production-image",
      topic: "What makes a production image",
      prompt: "How does a production image come about in this chapter?",
      points: 2,
      explanation: "Somebody decides to promote and gives the image that staging proved a tag of production's family; the digest stays.",
      options: [
        { id: "retagged", text: "Somebody gives the image from staging a tag of production's family.", right: true },
        { id: "settings", text: "A pipeline builds the released commit with production's settings.", right: false },
        { id: "age", text: "An image that staging has run for long enough is taken over by Flux.", right: false },
        { id: "newest", text: "The newest image in the registry is the production image, whatever its tag.", right: false },
      ],
    },
    {
      kind: "short",
      id: "automation-audit",
      topic: "Image automation and audit",
      prompt:
        "Image automation does not change the Deployment in the cluster directly. What does it leave behind instead, and what can an auditor read from it months later?",
      points: 2,
      explanation: "Every update is a commit in Git: it says when which tag and digest replaced which, and that the bot made the change.",
      ideas: [
        { topic: "where each update is recorded", weight: 1, accepts: ["commit*", "git history", "git log", "history git", "log git"] },
        {
          topic: "what the record tells about an update",
          weight: 1,
          accepts: [
            ...[
              "who",
              "whom",
              "author*",
              "timestamp*",
              "diff",
              "old new",
              "before after",
              "time of",
              "date*",
              "when it",
              "when the",
              "and when",
              "when which",
            ],
            ...["image", "tag", "digest", "version", "release"].map((thing) => `which ${thing}`),
            ...["what changed", "what was changed", "exact image", "exact tag", "exact digest", "exact version"],
          ],
        },
      ],
    },
    {
      kind: "choice",
      id: "first-look",
      topic: "Where to look first",
      prompt:
        "A new staging tag was pushed ten minutes ago. Git still names the old one, and no update commit has appeared. Where do you look first?",
      points: 2,
      explanation:
        "Nothing reached Git, so the break is before it: either the scan has not seen the tag or the policy does not pick it. Everything in the cluster comes later in the chain.",
      options: [
        { id: "image-objects", text: "At Flux's image objects: was the tag scanned, and did the policy pick it?", right: true },
        { id: "pod-logs", text: "At the logs of staging's pods: does the application report errors at start?", right: false },
        { id: "rollout", text: "At the Deployment's rollout in staging: is it waiting for a pod?", right: false },
        { id: "nodes", text: "At the nodes: is there room for the pods of the new release?", right: false },
      ],
    },
    {
      kind: "short",
      id: "rollback-path",
      topic: "The rollback path",
      prompt:
        "Production is broken since the latest image-update commit. What do you do in Git, what brings the cluster back, and what do you do so that automation does not write the broken tag again?",
      points: 3,
      explanation:
        "Revert the update commit and push; Flux applies the state before. As the policy still picks the newest tag, narrow it or suspend the automation, or the next interval undoes the rollback.",
      ideas: [
        { topic: "the step in Git", weight: 1, accepts: ["revert*"] },
        {
          topic: "who restores the former state",
          weight: 1,
          accepts: [
            ...["flux", "kustomize-controller", "kustomization*"].flatMap((actor) =>
              ["restor*", "reconcil*", "appl*", "bring*", "sync*", "deploy*", "roll*", "put*", "does", "pull*", "will"].map(
                (verb) => `${actor} ${verb}`,
              ),
            ),
            ...["reconcil*", "restored by flux", "applied by flux"],
          ],
        },
        {
          topic: "how the rollback is made to last",
          weight: 1,
          accepts: [
            ...[
              "narrow*",
              "suspend*",
              "pause*",
              "exclud*",
              "tighten*",
              "restrict*",
              "disable* automation",
              "stop* automation",
              "turn off automation",
            ],
            ...["chang*", "edit*", "adjust*", "limit*", "pin*", "fix*"].map((verb) => `${verb} policy`),
          ],
        },
      ],
    },
    {
      kind: "choice",
      id: "rollout-undo",
      topic: "kubectl rollout undo",
      prompt: "Why is kubectl rollout undo in a cluster managed by Flux for emergencies only?",
      points: 2,
      explanation:
        "It changes the live object and not the desired state: Git does not know of it, and Flux puts back what Git says. After an emergency, Git has to follow at once.",
      options: [
        { id: "not-in-git", text: "Git does not know of it, so Flux will put the broken state back.", right: true },
        { id: "history-lost", text: "It deletes all former ReplicaSets, so it can be done only once.", right: false },
        { id: "builds", text: "It builds the former image again, so the way back takes too long.", right: false },
        { id: "all-environments", text: "It affects develop and staging too, so tests have to be repeated.", right: false },
      ],
    },
    {
      kind: "choice",
      id: "hard-stops",
      topic: "Hard stops",
      prompt: "You are about to promote from staging to production. Which findings stop you, whoever is in a hurry?",
      points: 3,
      explanation:
        "Staging must be reconciled, the candidate must be what staging runs, and the way back must be known beforehand. The day of the build and an equal version in both tags are no obstacle.",
      options: [
        { id: "staging-not-ready", text: "Staging's Kustomization is not Ready.", right: true },
        { id: "other-digest", text: "The candidate's digest differs from the one that staging runs.", right: true },
        { id: "no-way-back", text: "Nobody can name the commit that a rollback would revert.", right: true },
        { id: "built-earlier", text: "The image was built on an earlier day.", right: false },
        { id: "same-version", text: "The production tag would carry the same version as the staging tag.", right: false },
      ],
    },
    {
      kind: "short",
      id: "ai-role",
      topic: "The role of AI",
      prompt:
        "Your team lets an AI assistant take part in promotions. Name a task it is suited for, and say what has to stay with a person.",
      points: 2,
      explanation:
        "It may read, explain, summarise and draft. The decision to promote, its approval and the responsibility for it stay with a person, who checks the evidence.",
      ideas: [
        {
          topic: "a task that suits an assistant",
          weight: 1,
          accepts: [
            "suggest*",
            "propos*",
            "draft*",
            "explain*",
            "summar*",
            "analy*",
            "review*",
            "recommend*",
            "assist*",
            "advis*",
            "advice",
            "help*",
            "prepar*",
            "compar*",
            "collect*",
            "gather*",
          ],
        },
        {
          topic: "what an assistant must not take over",
          weight: 1,
          accepts: [
            "approv*",
            "decision*",
            "decid*",
            "responsib*",
            "accountab*",
            "sign off",
            "signs off",
            "authoris*",
            "authoriz*",
            "final say",
            "judgement",
            "judgment",
          ],
        },
      ],
    },
  ],
};
