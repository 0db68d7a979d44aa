import type { Question } from "../../quiz.ts";

/** What one does when something is stuck or broken, and what one does not. */
export const ofOperations: readonly Question[] = [
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
    prompt: "Your team lets an AI assistant take part in promotions. Name a task it is suited for, and say what has to stay with a person.",
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
];
