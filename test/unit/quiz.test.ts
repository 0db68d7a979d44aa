import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import {
  gradeQuiz,
  learnerView,
  type ChoiceQuestion,
  type LearnerQuiz,
  type Question,
  type Quiz,
  type QuizAnswers,
  type ShortQuestion,
} from "../../lab-templates/quiz.ts";
import { ExitCode } from "../../shared/errors.ts";

const choice: ChoiceQuestion = {
  kind: "choice",
  id: "fruit",
  topic: "Fruit",
  prompt: "Which are fruit?",
  points: 4,
  explanation: "EXPLAINED: apples and pears",
  options: [
    { id: "apple", text: "Apple", right: true },
    { id: "pear", text: "Pear", right: true },
    { id: "stone", text: "Stone", right: false },
    { id: "cloud", text: "Cloud", right: false },
  ],
};
const short: ShortQuestion = {
  kind: "short",
  id: "rollback",
  topic: "Rollback",
  prompt: "How?",
  points: 3,
  explanation: "EXPLAINED: revert, then suspend",
  ideas: [
    { topic: "IDEA the step", weight: 2, accepts: ["revert* commit", "not rebuil*"] },
    { topic: "IDEA what follows", weight: 1, accepts: ["resume", "Café-Pause"] },
  ],
};
const quiz: Quiz = { questions: [choice, short] };
const graded = (id: string, answers: QuizAnswers, of: Quiz = quiz) =>
  gradeQuiz(of, answers).questions.find((question) => question.id === id)!;

describe("a choice", () => {
  test.each([
    [["apple", "pear"], 4, "Right."],
    [["pear", "apple", "pear"], 4, "Right."],
    [["apple"], 2, "Partly right: something that belongs to it is missing."],
    ["apple", 2, "Partly right: something that belongs to it is missing."],
    [["apple", "pear", "stone"], 2, "Partly right: not everything chosen belongs to it."],
    [["apple", "stone"], 0, "Not right."],
    [["stone", "cloud"], 0, "Not right."],
    [["apple", "pear", "stone", "cloud"], 0, "Not right."],
    [[], 0, "No answer."],
    ["", 0, "No answer."],
  ])("of %j has %d points", (answer, points, feedback) =>
    expect(graded("fruit", { fruit: answer })).toMatchObject({ points, max: 4, feedback }),
  );
});

describe("a short answer", () => {
  test.each([
    ["Revert that bad commit, then resume.", 3, "Right."],
    ["RÉVERTING the commit; a CAFE pause", 3, "Right."],
    ["it isn't rebuilt; resume", 3, "Right."],
    ["it is rebuilt; resume", 1, "Missing: IDEA the step."],
    ["revert the commit", 2, "Missing: IDEA what follows."],
    ["revert one two three commit", 0, "Missing: IDEA the step; IDEA what follows."],
    ["the commit is to revert", 0, "Missing: IDEA the step; IDEA what follows."],
    ["presume", 0, "Missing: IDEA the step; IDEA what follows."],
    [" ?! ", 0, "No answer."],
    ["", 0, "No answer."],
  ])("%j has %d points", (answer, points, feedback) =>
    expect(graded("rollback", { rollback: answer })).toMatchObject({ points, max: 3, feedback }),
  );
});

describe("a quiz", () => {
  test("adds up the points", () =>
    expect(gradeQuiz(quiz, { fruit: ["apple"], rollback: "revert the commit" })).toMatchObject({ points: 4, max: 7, percentage: 57 }));

  test("without answers has no points", () => expect(gradeQuiz(quiz, {})).toMatchObject({ points: 0, max: 7, percentage: 0 }));

  test.each<[QuizAnswers, RegExp]>([
    [{ vegetable: "x" }, /no question "vegetable".*fruit, rollback/],
    [{ fruit: ["melon"] }, /"fruit" has no option "melon"/],
    [{ rollback: ["revert"] }, /"rollback" wants one text/],
  ])("refuses %j", (answers, message) =>
    expect(() => gradeQuiz(quiz, answers)).toThrow(
      expect.objectContaining({ code: "quiz-answers-invalid", exitCode: ExitCode.badInput, message: expect.stringMatching(message) }),
    ),
  );
});

const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
const words = [...gitopsPromotion.quiz.questions, ...quiz.questions].flatMap((question) =>
  question.kind === "short" ? question.ideas.flatMap(({ accepts }) => accepts) : [],
);
const anyAnswer = (question: Question) =>
  question.kind === "choice"
    ? fc.array(fc.constantFrom(...question.options.map(({ id }) => id)))
    : fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(fc.constantFrom(...words)).map((phrasings) => phrasings.join(" ")),
      );
const answersTo = ({ questions }: Quiz) =>
  fc.record(Object.fromEntries(questions.map((question) => [question.id, anyAnswer(question)])), {
    requiredKeys: [],
  }) as fc.Arbitrary<QuizAnswers>;

describe.each([
  ["the small quiz", quiz],
  ["the chapter's quiz", gitopsPromotion.quiz],
])("whatever is answered to %s", (_name, quiz) => {
  test("points stay between none and all", () =>
    fc.assert(
      fc.property(answersTo(quiz), (answers) => {
        const result = gradeQuiz(quiz, answers);
        for (const { points, max } of [...result.questions, result]) {
          expect(points).toBeGreaterThanOrEqual(0);
          expect(points).toBeLessThanOrEqual(max);
        }
      }),
    ));

  test("the order of questions, options, ideas and phrasings does not matter", () => {
    const reordered = fc
      .tuple(
        ...quiz.questions.map((question) =>
          question.kind === "choice"
            ? shuffled(question.options).map((options) => ({ ...question, options }))
            : shuffled(question.ideas).map((ideas) => ({
                ...question,
                ideas: ideas.map((idea) => ({ ...idea, accepts: idea.accepts.toReversed() })),
              })),
        ),
      )
      .chain(shuffled);
    fc.assert(
      fc.property(answersTo(quiz), reordered, (answers, questions) => {
        const [one, other] = [gradeQuiz(quiz, answers), gradeQuiz({ questions }, answers)];
        expect(other.points).toBe(one.points);
        for (const { id, points } of other.questions) expect(points).toBe(one.questions.find((question) => question.id === id)!.points);
      }),
      { numRuns: 50 },
    );
  });

  test("what the learner sees holds nothing of the key and every option under its own id", () =>
    fc.assert(
      fc.property(fc.string(), (seed) => {
        const view = learnerView(quiz, seed);
        const text = JSON.stringify(view);
        expect(text).not.toMatch(/"(right|ideas|accepts|weight|explanation)"/);
        for (const question of quiz.questions) {
          expect(text).not.toContain(JSON.stringify(question.explanation));
          if (question.kind === "short") for (const { topic } of question.ideas) expect(text).not.toContain(topic);
        }
        for (const [index, seen] of view.questions.entries()) {
          const question = quiz.questions[index]!;
          const { explanation: _, ...open } = question;
          expect(seen).toMatchObject(
            open.kind === "choice"
              ? { id: open.id, prompt: open.prompt }
              : { id: open.id, kind: open.kind, topic: open.topic, prompt: open.prompt, points: open.points },
          );
          if (seen.kind !== "choice" || question.kind !== "choice") continue;
          expect(Object.fromEntries(seen.options.map(({ id, text }) => [id, text]))).toEqual(
            Object.fromEntries(question.options.map(({ id, text }) => [id, text])),
          );
        }
      }),
      { numRuns: 20 },
    ));
});

describe("the learner's view", () => {
  const order = (seed: string, of: Quiz = quiz) =>
    learnerView(of, seed).questions.map((question) => (question.kind === "choice" ? question.options.map(({ id }) => id) : []));

  test("has the same order for the same seed, however the key is ordered", () => {
    const reversed: Quiz = { questions: [{ ...choice, options: choice.options.toReversed() }, short] };
    expect(order("ada", reversed)).toEqual(order("ada"));
  });

  test("has another order for others", () =>
    expect(new Set(["ada", "bob", "cyd", "dan", "eve"].map((seed) => JSON.stringify(order(seed)))).size).toBeGreaterThan(1));

  test("can't be confused with the key", () => {
    // @ts-expect-error The key is not assignable to what a learner may see.
    const leaked: LearnerQuiz = quiz;
    expect(leaked).toBe(quiz);
  });
});
