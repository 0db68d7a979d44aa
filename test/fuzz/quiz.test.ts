import fc from "fast-check";
import { expect, test } from "vitest";
import { askQuiz } from "../../cli/quiz/ask.ts";
import { parseAnswers } from "../../cli/commands/quiz.ts";
import { answersOf } from "../../dashboard/quiz-form.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { gradeQuiz, learnerView, type QuizAnswers } from "../../lab-templates/quiz.ts";
import { parseRuns } from "../../records/drills.ts";
import { parseRecords } from "../../records/exercises.ts";
import { parseAttempts } from "../../records/quiz.ts";
import { jsonBombs } from "../support/hostile/bombs.ts";
import { answerOf, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, bentObject, json, text } from "../support/hostile/text.ts";
import { drillRun } from "../support/dashboard-cohort.ts";

nothingIsMade();

const { quiz } = gitopsPromotion;
const ids = quiz.questions.map(({ id }) => id);
const options = quiz.questions.flatMap((question) => (question.kind === "choice" ? question.options.map(({ id }) => id) : []));
const phrases = quiz.questions.flatMap((question) => (question.kind === "short" ? question.ideas.flatMap(({ accepts }) => accepts) : []));
const words = fc.array(fc.oneof(fc.constantFrom(...phrases), text), { maxLength: 6 }).map((all) => all.join(" "));
const one = fc.oneof(words, fc.constantFrom(...options), fc.array(fc.oneof(fc.constantFrom(...options), text), { maxLength: 3 }));
const answers = fc.array(fc.tuple(fc.oneof({ arbitrary: fc.constantFrom(...ids), weight: 30 }, { arbitrary: text, weight: 1 }), one), {
  maxLength: 4,
});

test("answers are graded or refused", async () => {
  await forEvery(
    answers,
    async (entries) => {
      const result = await answerOf("gradeQuiz", () => gradeQuiz(quiz, Object.fromEntries(entries) as QuizAnswers));
      if ("points" in result) {
        expect(result.points).toBeGreaterThanOrEqual(0);
        expect(result.points).toBeLessThanOrEqual(result.max);
      }
    },
    { first: phrases.slice(0, 3).map((phrase) => [[ids.at(-1)!, `${phrase.replace("*", "")} `.repeat(20_000)]]) },
  );
});

test("a file with answers holds some or is refused", async () => {
  await forEvery(
    fc.oneof(
      bent(JSON.stringify({ "ai-role": "draft", "hard-stops": ["no-way-back"] })),
      json.map((value) => JSON.stringify(value)),
    ),
    async (file) => {
      const read = await answerOf("parseAnswers", () => parseAnswers(file, "answers.json"));
      if (!(read instanceof Error))
        for (const answer of Object.values(read)) expect(Array.isArray(answer) || typeof answer === "string").toBe(true);
    },
    { first: jsonBombs },
  );
});

test("a sent form gives answers that can be graded", async () => {
  const field = fc.tuple(
    fc.oneof(text, fc.constantFrom(...ids.map((id) => `q-${id}`))),
    fc.oneof(one, json, fc.constant(new File(["x"], "x"))),
  );
  await forEvery(fc.array(field, { maxLength: 5 }), async (fields) => {
    const given = (await answerOf("answersOf", () => answersOf(quiz, Object.fromEntries(fields)))) as QuizAnswers;
    expect(ids).toEqual(expect.arrayContaining(Object.keys(given)));
    await answerOf("gradeQuiz", () => gradeQuiz(quiz, given));
  });
});

test("what is typed at the terminal is a choice or asked for again", async () => {
  const question = learnerView(quiz, "ada").questions.find((one) => one.kind === "choice" && one.several)!;
  const known = question.kind === "choice" ? question.options.map(({ id }) => id) : [];
  await forEvery(fc.array(fc.oneof(text, bent("1,2", "1 3", "99999999999999999999")), { maxLength: 3 }), async (lines) => {
    const typed = [...lines, ""];
    const given = (await answerOf("askQuiz", () => askQuiz({ questions: [question] }, async () => typed.shift() ?? ""))) as QuizAnswers;
    expect(known).toEqual(expect.arrayContaining([given[question.id]!].flat()));
  });
});

const time = "2026-11-02T10:00:00.000Z";
const kept = {
  parseRecords: [
    parseRecords,
    { schemaVersion: 1, exercises: { rollback: { hints: [time], checks: [{ time, status: "fail", says: "x" }], solved: [] } } },
  ],
  parseRuns: [parseRuns, { schemaVersion: 1, runs: [drillRun({ snapshot: { at: time, commit: "a", tags: { a: "b" } } })] }],
  parseAttempts: [parseAttempts, { schemaVersion: 1, attempts: [{ time, answers: { a: "b", c: ["d"] }, result: gradeQuiz(quiz, {}) }] }],
} as const;

test.each(Object.entries(kept))("%s reads what was recorded or refuses it", async (name, [parse, record]) => {
  await forEvery(
    fc.oneof(
      bentObject<object>(record).map((value) => JSON.stringify(value) ?? ""),
      bent(JSON.stringify(record)),
    ),
    (file) => answerOf<unknown>(name, () => parse(file, "the file")),
    { first: jsonBombs },
  );
});
