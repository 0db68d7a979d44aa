import { createInterface } from "node:readline/promises";
import type { LearnerChoiceQuestion, LearnerQuestion, LearnerQuiz, QuizAnswers } from "../../lab-templates/quiz.ts";
import { LabError } from "../../shared/errors.ts";
import { note } from "../terminal.ts";

/** Shows a text and returns the line that was typed after it. */
export type Prompt = (text: string) => Promise<string>;

/** Asks every question in turn; an empty line leaves one unanswered. */
export async function askQuiz({ questions }: LearnerQuiz, prompt: Prompt): Promise<QuizAnswers> {
  const answers: QuizAnswers = {};
  for (const [index, question] of questions.entries()) {
    answers[question.id] = await ask(
      question,
      `\nQuestion ${index + 1} of ${questions.length}: ${question.topic} (${question.points} points)\n${question.prompt}\n`,
      prompt,
    );
  }
  return answers;
}

async function ask(question: LearnerQuestion, heading: string, prompt: Prompt): Promise<string | string[]> {
  if (question.kind === "short") return prompt(`${heading}> `);
  const options = question.options.map(({ text }, index) => `  ${index + 1}. ${text}\n`).join("");
  const wanted = question.several ? "one or more numbers, such as 1,3" : "one number";
  let line = await prompt(`${heading}${options}${wanted}> `);
  for (;;) {
    const chosen = parseChoice(question, line);
    if (chosen !== undefined) return chosen;
    line = await prompt(`Type ${wanted}, from 1 to ${question.options.length}, or nothing to leave it out> `);
  }
}

/** The ids of the options whose numbers were typed; undefined for anything that is no choice. */
function parseChoice({ options, several }: LearnerChoiceQuestion, line: string): string[] | undefined {
  const numbers = line.split(/[\s,]+/).filter((part) => part !== "");
  const ids = numbers.flatMap((number) => (/^\d+$/.test(number) ? (options[Number(number) - 1]?.id ?? []) : []));
  return ids.length === numbers.length && (several || ids.length <= 1) ? ids : undefined;
}

/**
 * Lends a prompt on the terminal, with the questions on standard error so that standard output stays a result. Throws
 * LabError `quiz-interrupted` when the input ends before the work does.
 */
export async function withTerminal<T>(work: (prompt: Prompt) => Promise<T>): Promise<T> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new AbortController();
  terminal.once("close", () => closed.abort());
  try {
    return await work((text) => terminal.question(text, { signal: closed.signal }));
  } catch (error) {
    if (!closed.signal.aborted) throw error;
    note("");
    throw new LabError(
      "quiz-interrupted",
      "The quiz was left before its end. Nothing was recorded. Start it anew with `./lab quiz <learner>`.",
      { cause: error },
    );
  } finally {
    terminal.close();
  }
}
