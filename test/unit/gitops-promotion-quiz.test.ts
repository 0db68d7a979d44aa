import { describe, expect, test } from "vitest";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { gradeQuiz, type Question } from "../../lab-templates/quiz.ts";

const { questions } = template.quiz;

/** By question: an answer with all points, one that deserves some at most, and one that deserves none. */
const examples: Readonly<Record<string, { model: string | string[]; incomplete: string | string[]; wrong: string | string[] }>> = {
  "promotion-or-rebuild": {
    model:
      "The image is retagged, so production runs the very same digest. A rebuild could come out with different content that nobody tested.",
    incomplete: "It is not rebuilt: it gets a new tag.",
    wrong: "It compiles the commit again with production's settings, which is slow.",
  },
  "tag-families": { model: "production-1.3.9", incomplete: ["production-1.3.9", "production-current"], wrong: "production-1.4.0" },
  "mutable-latest": { model: ["mixed-pods", "silent-history"], incomplete: ["mixed-pods"], wrong: ["refused", "self-restart"] },
  "production-image": { model: "retagged", incomplete: ["retagged", "newest"], wrong: "settings" },
  "automation-audit": {
    model: "A commit by the bot in the repository, which shows which tag and digest replaced which, and when.",
    incomplete: "It leaves commits in the repository.",
    wrong: "An e-mail for the instructor.",
  },
  "first-look": { model: "image-objects", incomplete: ["image-objects", "rollout"], wrong: "pod-logs" },
  "rollback-path": {
    model:
      "I git revert the update commit and push. Flux then applies the former state. I narrow the policy's pattern so that the broken tag is not picked.",
    incomplete: "Reverting the last update commit, then Flux reconciles.",
    wrong: "Run kubectl rollout undo on the production Deployment and wait.",
  },
  "rollout-undo": { model: "not-in-git", incomplete: ["not-in-git", "builds"], wrong: "history-lost" },
  "hard-stops": {
    model: ["staging-not-ready", "other-digest", "no-way-back"],
    incomplete: ["other-digest", "no-way-back"],
    wrong: ["built-earlier", "same-version"],
  },
  "ai-role": {
    model: "It can summarise the diff and draft the pull request; a person decides on the promotion and is accountable for it.",
    incomplete: "It could explain a failed reconciliation.",
    wrong: "It promotes to production on its own at night.",
  },
};

describe("the chapter's quiz", () => {
  test("has ten questions of both kinds, each with an example here", () => {
    expect(questions.map(({ id }) => id)).toEqual(Object.keys(examples));
    expect(questions).toHaveLength(10);
    expect(new Set(questions.map(({ kind }) => kind))).toEqual(new Set(["choice", "short"]));
  });

  test.each(Object.entries(examples))("grades %s", (id, { model, incomplete, wrong }) => {
    const grade = (answer: string | string[]) =>
      gradeQuiz(template.quiz, { [id]: answer }).questions.find((question) => question.id === id)!;
    expect(grade(model)).toMatchObject({ points: grade(model).max, feedback: "Right." });
    expect(grade(incomplete).points).toBeLessThan(grade(incomplete).max);
    expect(grade(wrong).points).toBe(0);
  });

  test.each(questions)("$id is well formed", (question) => {
    expect(question.points).toBeGreaterThan(0);
    if (question.kind === "choice") {
      expect(question.options.some(({ right }) => right)).toBe(true);
      expect(question.options.some(({ right }) => !right)).toBe(true);
      expect(new Set(question.options.map(({ id }) => id)).size).toBe(question.options.length);
    } else {
      for (const { weight, accepts } of question.ideas) {
        expect(weight).toBeGreaterThan(0);
        // A phrasing without a letter before its asterisk would accept any text.
        for (const phrasing of accepts) expect(phrasing).toMatch(/^[\p{L}\p{N}-]+\*?( [\p{L}\p{N}-]+\*?)*$/u);
      }
    }
  });

  test("does not answer itself: repeating the prompt does not give all points", () => {
    for (const { kind, id, prompt, points } of questions) {
      if (kind === "short") expect(gradeQuiz(template.quiz, { [id]: prompt }).points, id).toBeLessThan(points);
    }
  });

  test("has no answer in any file that learners get", () => {
    const params = template.params.parse({});
    const seed = template.seed({
      params,
      learner: { id: "ada", name: "Ada Example", email: "ada@example.org" },
      imageRepository: "127.0.0.1:5000/ada/backend",
      insecureRegistry: true,
      gitUrl: "http://127.0.0.1:4000/git/ada/gitops.git",
      branch: "main",
      digests: Object.fromEntries(template.releases(params).map(({ version }) => [version, `sha256:${"0".repeat(64)}`])),
    });
    for (const [path, text] of Object.entries(seed)) {
      for (const answer of questions.flatMap(answerTexts)) expect(plain(text), path).not.toContain(plain(answer));
    }
  });
});

/** What would give a question away as it stands here. */
function answerTexts(question: Question): string[] {
  return [
    question.explanation,
    ...(question.kind === "choice" ? question.options.map(({ text }) => text) : question.ideas.map(({ topic }) => topic)),
  ];
}

const plain = (text: string) => text.toLowerCase().replace(/\s+/g, " ");
