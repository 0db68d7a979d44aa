import type { Quiz, QuizAnswers } from "../lab-templates/quiz.ts";

/** The answers of a sent form; fields that are no question's are left out, as are questions without an answer. */
export function answersOf({ questions }: Quiz, form: Readonly<Record<string, unknown>>): QuizAnswers {
  return Object.fromEntries(
    questions.flatMap(({ id, kind }) => {
      const values = [form[`q-${id}`] ?? []].flat().filter((value) => typeof value === "string" && value !== "") as string[];
      if (values.length === 0) return [];
      return [[id, kind === "short" ? values[0]!.slice(0, 5000) : values]];
    }),
  );
}
