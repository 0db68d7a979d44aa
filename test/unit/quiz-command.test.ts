import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { quizCohort, type QuizOptions } from "../../cli/commands/quiz.ts";
import { askQuiz } from "../../cli/quiz/ask.ts";
import { readAttempts, recordAttempt } from "../../records/quiz.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { gradeQuiz, learnerView, type LearnerQuiz } from "../../lab-templates/quiz.ts";
import { ExitCode } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";
import { copyOf } from "../../shared/state-file.ts";

const home = useLabHome();
const { quiz } = gitopsPromotion;

/** The fields that the quiz reads. */
const outputsOf = (cohort: string) => {
  const learner = (id: string, name: string) => ({ id, name }) as LearnerOutputs;
  return {
    cohort,
    template: "gitops-promotion",
    learners: { ada: learner("ada", "Ada Example"), bob: learner("bob", "Bob Example") },
  } as unknown as CohortOutputs;
};

let printed = "";
beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
});
afterEach(() => vi.restoreAllMocks());

const none: QuizOptions = { questions: false, results: false, json: false };
const run = (cohort: string, options: Partial<QuizOptions>) => quizCohort(outputsOf(cohort), { ...none, ...options });

async function answersFile(content: unknown): Promise<string> {
  const file = join(home(), "answers.json");
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

function expectNoKey(text: string) {
  expect(text).not.toMatch(/"(right|ideas|accepts|explanation)"/);
  for (const { explanation } of quiz.questions) expect(text).not.toContain(explanation);
}

describe("answers from a file", () => {
  const answers = {
    "tag-families": "production-1.3.9",
    "hard-stops": ["other-digest", "built-earlier", "no-way-back"],
    "rollback-path": "revert the commit",
  };

  test("are graded, recorded for the instructor alone, and listed", async () => {
    expect(await run("graded", { learner: "ada", answers: await answersFile(answers) })).toBe(ExitCode.ok);
    expect(printed).toContain("ada (Ada Example): 4 of 23 points (17 %)");
    expect(printed).toContain("The rollback path: 1 of 3. Missing: who restores the former state; how the rollback is made to last.");
    expectNoKey(printed);

    const file = join(cohortPaths("graded").learner("ada").root, "quiz", "attempts.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expectNoKey(await readFile(file, "utf8"));
    expect(await readAttempts("graded", "ada")).toEqual([{ time: expect.any(String), answers, result: gradeQuiz(quiz, answers) }]);

    printed = "";
    expect(await run("graded", { results: true })).toBe(ExitCode.ok);
    expect(printed).toMatch(/^ada \(Ada Example\): 1 attempt\n {2}\S+Z {2}4 of 23 points \(17 %\)\nbob \(Bob Example\): no attempt\n$/);
  });

  test("are told as JSON without the key", async () => {
    await run("as-json", { learner: "ada", answers: await answersFile(answers), json: true });
    expect(JSON.parse(printed)).toMatchObject({ schemaVersion: 1, learner: "ada", answers, result: { points: 4, max: 23 } });
    expectNoKey(printed);
    printed = "";
    await run("as-json", { learner: "ada", results: true, json: true });
    expect(JSON.parse(printed)).toMatchObject({ schemaVersion: 1, learners: { ada: { name: "Ada Example", attempts: [{ answers }] } } });
    expectNoKey(printed);
  });

  test.each([
    ["{", "answers-unreadable"],
    [{ "tag-families": 1 }, "answers-unreadable"],
    [{ other: "x" }, "quiz-answers-invalid"],
  ])("%j are refused and not recorded", async (content, code) => {
    await expect(run("refused", { learner: "ada", answers: await answersFile(content) })).rejects.toMatchObject({
      code,
      exitCode: ExitCode.badInput,
    });
    expect(await readAttempts("refused", "ada")).toEqual([]);
  });

  test("are read as PowerShell writes them, and refused in a code page", async () => {
    const text = JSON.stringify({ ...answers, "rollback-path": "den Commit zurücknehmen" });
    const file = join(home(), "saved.json");
    await writeFile(file, `\ufeff${text}`, "utf16le");
    expect(await run("saved", { learner: "ada", answers: file })).toBe(ExitCode.ok);
    await writeFile(file, text, "latin1");
    await expect(run("saved", { learner: "ada", answers: file })).rejects.toMatchObject({
      code: "answers-unreadable",
      exitCode: ExitCode.badInput,
      message: expect.stringMatching(/it is not UTF-8: line 1 would be .*Save it with the encoding UTF-8/),
    });
    expect(await readAttempts("saved", "ada")).toHaveLength(1);
  });

  test("are missed where there is no file", () =>
    expect(run("refused", { learner: "ada", answers: join(home(), "nowhere.json") })).rejects.toMatchObject({
      code: "answers-unreadable",
      exitCode: ExitCode.badInput,
    }));
});

test.each([
  [{ learner: "eve" }, "learner-unknown", /has no learner "eve"\. Its learners: ada, bob\./],
  [{ learner: "constructor", results: true }, "learner-unknown", /constructor/],
  [{}, "learner-missing", /--results/],
  [{ learner: "ada" }, "terminal-missing", /--answers/],
])("%j ends with %s", async (options, code, message) => {
  const { isTTY } = process.stdin;
  process.stdin.isTTY = false;
  try {
    await expect(run("wrong", options)).rejects.toMatchObject({
      code,
      exitCode: ExitCode.badInput,
      message: expect.stringMatching(message),
    });
  } finally {
    process.stdin.isTTY = isTTY;
  }
});

test("the questions are printed as the learner may see them", async () => {
  await run("questions", { learner: "bob", questions: true });
  expect(JSON.parse(printed)).toEqual({ schemaVersion: 1, ...learnerView(quiz, "bob") });
  expectNoKey(printed);
});

describe("the attempts of a learner", () => {
  const attempt = (answer: string) => ({
    time: "2026-01-19T09:00:00.000Z",
    answers: { "ai-role": answer },
    result: gradeQuiz(quiz, { "ai-role": answer }),
  });

  test("are all kept when recorded at once", async () => {
    const texts = ["one", "two", "three", "four"];
    await Promise.all(texts.map((text) => recordAttempt("at-once", "ada", attempt(text))));
    expect((await readAttempts("at-once", "ada")).map(({ answers }) => answers["ai-role"]).toSorted()).toEqual(texts.toSorted());
  });

  test("are kept apart from another's", async () => {
    await recordAttempt("apart", "ada", attempt("mine"));
    expect(await readAttempts("apart", "bob")).toEqual([]);
  });

  test("are not overwritten when the file is damaged", async () => {
    await recordAttempt("damaged", "ada", attempt("one"));
    const file = join(cohortPaths("damaged").learner("ada").root, "quiz", "attempts.json");
    for (const one of [file, copyOf(file)]) await writeFile(one, "{");
    await expect(recordAttempt("damaged", "ada", attempt("two"))).rejects.toMatchObject({ code: "attempts-unreadable" });
    expect(await readFile(file, "utf8")).toBe("{");
  });
});

describe("asking", () => {
  const option = (id: string) => ({ id, text: `Text of ${id}` });
  const view: LearnerQuiz = {
    questions: [
      { kind: "choice", id: "many", topic: "Many", prompt: "Which?", points: 2, several: true, options: ["a", "b", "c"].map(option) },
      { kind: "choice", id: "one", topic: "One", prompt: "Which one?", points: 1, several: false, options: ["d", "e"].map(option) },
      { kind: "short", id: "text", topic: "Text", prompt: "Why?", points: 1 },
    ],
  };
  const typed = async (...lines: string[]) => {
    const shown: string[] = [];
    const answers = await askQuiz(view, async (text) => {
      shown.push(text);
      return lines.shift()!;
    });
    expect(lines).toEqual([]);
    return { answers, shown };
  };

  test("takes numbers for options and text as it is", async () => {
    const { answers, shown } = await typed("3, 1", "2", "because");
    expect(answers).toEqual({ many: ["c", "a"], one: ["e"], text: "because" });
    expect(shown[0]).toContain("Question 1 of 3: Many (2 points)\nWhich?\n  1. Text of a\n  2. Text of b\n");
  });

  test("takes nothing for an answer", async () => expect((await typed("", " ", "")).answers).toEqual({ many: [], one: [], text: "" }));

  test("asks again for what is no choice", async () => {
    const { answers, shown } = await typed("4", "0", "a", "1,2", "1,2", "1", "");
    expect(answers).toEqual({ many: ["a", "b"], one: ["d"], text: "" });
    expect(shown).toHaveLength(7);
  });
});
