import type { Question } from "../../quiz.ts";

/** How an image comes to production: promotion, tags, image automation. */
export const ofImages: readonly Question[] = [
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
];
