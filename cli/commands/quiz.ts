import { gradeQuiz, learnerView, QuizAnswers, type QuizResult } from "../../lab-templates/quiz.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { readPersonText } from "../../shared/person-file.ts";
import { excerpt, printable } from "../../shared/printable.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { selectLearner, selectLearners } from "../learners.ts";
import { askQuiz, withTerminal } from "../quiz/ask.ts";
import { readAttempts, recordAttempt, type Attempt } from "../../records/quiz.ts";
import { readOutputs } from "../outputs.ts";
import { paint, print, printJson } from "../terminal.ts";

export interface QuizOptions {
  /** Who answers. Needed unless results are listed. */
  readonly learner?: string | undefined;
  /** A JSON file with the answers, as `QuizAnswers`. */
  readonly answers?: string | undefined;
  readonly questions: boolean;
  readonly results: boolean;
  readonly json: boolean;
}

/** Asks a learner the quiz of the cohort's template, or shows its questions or results. Returns the exit code. */
export async function quiz(cohort: string, options: QuizOptions): Promise<number> {
  return quizCohort(await readOutputs(parseCohortName(cohort)), options);
}

export async function quizCohort(outputs: CohortOutputs, options: QuizOptions): Promise<number> {
  if (options.results) await showResults(outputs, selectLearners(outputs, options.learner), options.json);
  else await takeQuiz(outputs, selectLearner(outputs, requireId(options.learner)), options);
  return ExitCode.ok;
}

async function takeQuiz({ cohort, template }: CohortOutputs, learner: LearnerOutputs, options: QuizOptions): Promise<void> {
  const { quiz } = labTemplate(template);
  const view = learnerView(quiz, learner.id);
  if (options.questions) return printJson({ schemaVersion: 1, ...view });
  if (options.answers === undefined) requireTerminal();
  const answers =
    options.answers === undefined ? await withTerminal((prompt) => askQuiz(view, prompt)) : await readAnswers(options.answers);
  const attempt: Attempt = { time: new Date().toISOString(), answers, result: gradeQuiz(quiz, answers) };
  await recordAttempt(cohort, learner.id, attempt);
  if (options.json) printJson({ schemaVersion: 1, learner: learner.id, ...attempt });
  else print(renderResult(learner, attempt.result));
}

async function showResults({ cohort }: CohortOutputs, learners: readonly LearnerOutputs[], json: boolean): Promise<void> {
  const results = await Promise.all(learners.map(async ({ id, name }) => ({ id, name, attempts: await readAttempts(cohort, id) })));
  if (json) return printJson({ schemaVersion: 1, learners: Object.fromEntries(results.map(({ id, ...rest }) => [id, rest])) });
  for (const { id, name, attempts } of results) {
    print(`${id} (${name}): ${attempts.length === 0 ? "no attempt" : attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`}`);
    for (const { time, result } of attempts) print(`  ${time}  ${total(result)}`);
  }
}

function renderResult({ id, name }: LearnerOutputs, result: QuizResult): string {
  const lines = result.questions.map(({ topic, points, max, feedback }) => {
    const [mark, colour] = points === max ? (["✓", "green"] as const) : points === 0 ? (["✗", "red"] as const) : (["~", "yellow"] as const);
    return `  ${paint(colour, mark)} ${topic}: ${points} of ${max}. ${feedback}`;
  });
  return [`${id} (${name}): ${total(result)}`, ...lines].join("\n");
}

const total = ({ points, max, percentage }: QuizResult) => `${points} of ${max} points (${percentage} %)`;

async function readAnswers(file: string): Promise<QuizAnswers> {
  const read = readPersonText(file, "text");
  if ("problem" in read) throw wrongFile(file, `it ${read.problem}`);
  return parseAnswers(read.text, file);
}

/** The answers in the text of a file. Throws LabError `answers-unreadable`, which names the file. */
export function parseAnswers(text: string, file: string): QuizAnswers {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw wrongFile(file, excerpt(messageOf(error)), error);
  }
  const answers = QuizAnswers.safeParse(content);
  if (answers.success) return answers.data;
  throw wrongFile(file, "it must be an object of question ids, each with a text, an option's id or a list of them", answers.error);
}

function wrongFile(file: string, because: string, cause?: unknown): LabError {
  return new LabError(
    "answers-unreadable",
    `The answers in ${printable(file)} can't be read: ${because}. Nothing was recorded. \`./lab quiz <learner> --questions\` prints every question and option.`,
    {
      exitCode: ExitCode.badInput,
      cause,
    },
  );
}

function requireId(learner: string | undefined): string {
  if (learner !== undefined) return learner;
  throw new LabError(
    "learner-missing",
    "One learner takes the quiz, and you named none. Run `./lab quiz <learner>`, or `./lab quiz --results` for the attempts of all.",
    {
      exitCode: ExitCode.badInput,
    },
  );
}

function requireTerminal(): void {
  if (process.stdin.isTTY) return;
  throw new LabError(
    "terminal-missing",
    "Standard input is no terminal, so nobody can be asked. Give the answers in a file: `./lab quiz <learner> --answers <file.json>`.",
    {
      exitCode: ExitCode.badInput,
    },
  );
}
