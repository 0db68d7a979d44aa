import { createHash } from "node:crypto";
import { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import { excerpt } from "../shared/printable.ts";

/** The questions of a lab with their key. It stays with the instructor: learners get a `LearnerQuiz`. */
export interface Quiz {
  readonly questions: readonly Question[];
}

export type Question = ChoiceQuestion | ShortQuestion;

interface QuestionBase {
  readonly id: string;
  readonly topic: string;
  readonly prompt: string;
  readonly points: number;
  /** The answer and its reason, for the instructor only. */
  readonly explanation: string;
}

/** Graded by the set of options chosen: each wrong one takes the credit of a right one away. */
export interface ChoiceQuestion extends QuestionBase {
  readonly kind: "choice";
  /** At least one is right. */
  readonly options: readonly { readonly id: string; readonly text: string; readonly right: boolean }[];
}

/** Graded by the ideas that a free text contains. */
export interface ShortQuestion extends QuestionBase {
  readonly kind: "short";
  readonly ideas: readonly Idea[];
}

export interface Idea {
  /** Names what is missing without saying it: the learner reads this. */
  readonly topic: string;
  /** Share of the question's points, in proportion to the other ideas'. */
  readonly weight: number;
  /**
   * Phrasings; any will do: words that must follow each other with at most two others between them. `revert*`
   * stands for every word that starts so. Case, punctuation and diacritics do not count; "isn't" is "is not".
   */
  readonly accepts: readonly string[];
}

/** What a learner may see. `never` keeps the compiler from taking a `Quiz` for one. */
export interface LearnerQuiz {
  readonly questions: readonly LearnerQuestion[];
}

export type LearnerQuestion = LearnerChoiceQuestion | LearnerShortQuestion;

interface LearnerQuestionBase extends Omit<QuestionBase, "explanation"> {
  readonly explanation?: never;
}

export interface LearnerChoiceQuestion extends LearnerQuestionBase {
  readonly kind: "choice";
  /** Whether more than one option is right. */
  readonly several: boolean;
  readonly options: readonly { readonly id: string; readonly text: string; readonly right?: never }[];
}

export interface LearnerShortQuestion extends LearnerQuestionBase {
  readonly kind: "short";
  readonly ideas?: never;
}

/** By question: the text of a short answer, the id of an option, or the ids of several. A question may be left out. */
export const QuizAnswers = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
export type QuizAnswers = z.output<typeof QuizAnswers>;

/** Holds nothing of the key but the topics of missing ideas. */
export const QuizResult = z.object({
  questions: z.array(z.object({ id: z.string(), topic: z.string(), points: z.number(), max: z.number(), feedback: z.string() })),
  points: z.number(),
  max: z.number(),
  /** Rounded down, so that 100 means every point. */
  percentage: z.int(),
});
export type QuizResult = z.output<typeof QuizResult>;

/** Grades the answers; an unanswered question has no points. Throws LabError `quiz-answers-invalid` for answers to other questions. */
export function gradeQuiz(quiz: Quiz, answers: QuizAnswers): QuizResult {
  const known = new Set(quiz.questions.map(({ id }) => id));
  const unknown = Object.keys(answers).filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw invalidAnswers(
      `there is no question ${excerpt(unknown.map((id) => `"${id}"`).join(", "))}; the questions are ${[...known].join(", ")}`,
    );

  const questions = quiz.questions.map((question) => {
    const { id, topic, points: max } = question;
    const { share, feedback } = grade(question, Object.hasOwn(answers, id) ? answers[id] : undefined);
    return { id, topic, points: round(max * share), max, feedback };
  });
  const points = round(sum(questions.map((question) => question.points)));
  const max = sum(questions.map((question) => question.max));
  return { questions, points, max, percentage: max === 0 ? 0 : Math.floor((points / max) * 100) };
}

/** The questions without their key. The order of the options depends on the seed, such as the learner's id, alone. */
export function learnerView(quiz: Quiz, seed: string): LearnerQuiz {
  return { questions: quiz.questions.map((question) => withoutKey(question, seed)) };
}

function withoutKey(question: Question, seed: string): LearnerQuestion {
  const { id, topic, prompt, points } = question;
  if (question.kind === "short") return { kind: "short", id, topic, prompt, points };
  const place = (option: string) =>
    createHash("sha256")
      .update(JSON.stringify([seed, id, option]))
      .digest("hex");
  const options = question.options
    .map((option) => ({ id: option.id, text: option.text }))
    .toSorted((a, b) => (place(a.id) < place(b.id) ? -1 : 1));
  return { kind: "choice", id, topic, prompt, points, several: question.options.filter(({ right }) => right).length > 1, options };
}

interface Grade {
  /** From 0 to 1. */
  readonly share: number;
  readonly feedback: string;
}

const unanswered: Grade = { share: 0, feedback: "No answer." };

function grade(question: Question, answer: string | readonly string[] | undefined): Grade {
  if (question.kind === "choice") return gradeChoice(question, new Set([answer ?? []].flat().filter((id) => id !== "")));
  if (answer !== undefined && typeof answer !== "string") throw invalidAnswers(`question "${question.id}" wants one text, not a list`);
  return gradeShort(question, normalise(answer ?? ""));
}

function gradeChoice({ id, options }: ChoiceQuestion, chosen: ReadonlySet<string>): Grade {
  const right = new Set(options.filter((option) => option.right).map((option) => option.id));
  const stray = [...chosen].find((choice) => !options.some((option) => option.id === choice));
  if (stray !== undefined) throw invalidAnswers(`question "${id}" has no option "${excerpt(stray)}"`);
  if (chosen.size === 0) return unanswered;

  const hits = [...chosen].filter((choice) => right.has(choice)).length;
  const share = Math.max(0, (2 * hits - chosen.size) / right.size);
  if (share === 1) return { share, feedback: "Right." };
  if (share === 0) return { share, feedback: "Not right." };
  return {
    share,
    feedback:
      hits === chosen.size
        ? "Partly right: something that belongs to it is missing."
        : "Partly right: not everything chosen belongs to it.",
  };
}

function gradeShort({ ideas }: ShortQuestion, text: string): Grade {
  if (text === "") return unanswered;
  const missing = ideas.filter(({ accepts }) => !accepts.some((phrasing) => contains(text, phrasing)));
  if (missing.length === 0) return { share: 1, feedback: "Right." };
  const share = 1 - sum(missing.map(({ weight }) => weight)) / sum(ideas.map(({ weight }) => weight));
  return { share: Math.max(0, share), feedback: `Missing: ${missing.map(({ topic }) => topic).join("; ")}.` };
}

/** Whether a normalised text contains a phrasing as `Idea.accepts` describes it. */
function contains(text: string, phrasing: string): boolean {
  // What normalise leaves are letters, digits and single spaces: nothing that a pattern would read otherwise.
  const words = phrasing.split(" ").map((word) => normalise(word) + (word.endsWith("*") ? "[^ ]*" : ""));
  return new RegExp(`(?:^| )${words.join("(?: [^ ]+){0,2} ")}(?: |$)`, "u").test(text);
}

function normalise(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/n['’]t\b/gu, " not")
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

function invalidAnswers(because: string): LabError {
  return new LabError(
    "quiz-answers-invalid",
    `The answers do not fit the quiz: ${because}. Nothing was graded or recorded. \`./lab quiz <learner> --questions\` prints every question and option.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** To hundredths of a point. */
const round = (points: number) => Math.round(points * 100) / 100;
