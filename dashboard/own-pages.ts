import { Hono } from "hono";
import { bundle, fieldsOf, onlyFor, standalone, withLearner, type Env } from "./answers.ts";
import type { LearnerFacts, Source } from "./facts.ts";
import type { Gate } from "./gate.ts";
import { answersOf } from "./quiz-form.ts";
import { ownLive, ownPage, quizPage } from "./views/own.ts";

/** What a learner sees of their own lab, and what they may do there. */
export function ownPages(shown: Gate["shown"]): Hono<Env> {
  const only = (facts: LearnerFacts): Source => ({ ...shown, facts: () => [facts] });
  return new Hono<Env>()
    .use(onlyFor("learner"))
    .get(
      "/",
      withLearner(async (c, facts, visit) => c.html(ownPage(only(facts), facts, await visit.bundles(facts.id)))),
    )
    .get(
      "/live",
      withLearner(async (c, facts, visit) => c.html(ownLive(only(facts), facts, await visit.bundles(facts.id)))),
    )
    .get(
      "/handout",
      withLearner(async (c, { id }, visit) => standalone(c, await visit.handout(id))),
    )
    .get(
      "/quiz",
      withLearner((c, facts) => c.html(quizPage(only(facts), facts))),
    )
    .post(
      "/quiz",
      withLearner(async (c, facts, visit) => {
        const answers = answersOf(shown.template.quiz, await fieldsOf(c));
        const attempt = await visit.takeQuiz(facts.id, answers);
        return c.html(quizPage(only(facts), facts, attempt));
      }),
    )
    .post(
      "/verify",
      withLearner(async (c, { id }, visit) => {
        await visit.act(id, { kind: "verify" });
        return c.redirect("/me", 303);
      }),
    )
    .get(
      "/evidence/:name",
      withLearner((c, { id }) => bundle(c, id)),
    );
}
