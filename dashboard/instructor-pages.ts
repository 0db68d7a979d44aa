import { Hono, type Context } from "hono";
import { bundle, fieldsOf, refuse, standalone, withLearner, type Env } from "./answers.ts";
import type { Action, LearnerFacts, Source } from "./facts.ts";
import type { Gate } from "./gate.ts";
import { learnerLive, learnerPage, resetPage } from "./views/learner.ts";
import { overviewPage, rowView, summaryView } from "./views/overview.ts";

/** All learners, each of them, and what an instructor may do with a lab. */
export function instructorPages(shown: Gate["shown"]): Hono<Env> {
  const pages = new Hono<Env>();
  const all = async (c: Context<Env>): Promise<Source> => {
    const facts = await c.get("visit").facts();
    return { ...shown, facts: () => facts };
  };
  const only = (facts: LearnerFacts): Source => ({ ...shown, facts: () => [facts] });

  pages.get("/", async (c) => c.html(overviewPage(await all(c))));
  pages.get("/summary", async (c) => c.html(summaryView(await all(c))));
  pages.get(
    "/learners/:id/row",
    withLearner((c, facts) => c.html(rowView(facts, only(facts)))),
  );
  pages.get(
    "/learners/:id",
    withLearner(async (c, facts, visit) => c.html(learnerPage(only(facts), facts, await visit.bundles(facts.id)))),
  );
  pages.get(
    "/learners/:id/live",
    withLearner(async (c, facts, visit) => c.html(learnerLive(only(facts), facts, await visit.bundles(facts.id)))),
  );
  pages.get(
    "/learners/:id/handout",
    withLearner(async (c, { id }, visit) => standalone(c, await visit.handout(id))),
  );
  pages.get(
    "/learners/:id/evidence/:name",
    withLearner((c, { id }) => bundle(c, id)),
  );
  pages.get(
    "/learners/:id/reset",
    withLearner((c, facts, { visitor }) =>
      shown.archived ? refuse(c, 404, "Not found", "An archive can't be changed.", visitor) : c.html(resetPage(only(facts), facts)),
    ),
  );
  for (const kind of ["verify", "evidence", "pause", "resume", "reset"] as const) {
    pages.post(
      `/learners/:id/${kind}`,
      withLearner((c, { id }) => act(c, id, { kind })),
    );
  }
  pages.post(
    "/learners/:id/drill",
    withLearner(async (c, { id }) => {
      const { drill } = await fieldsOf(c);
      if (!shown.template.drills.some((one) => one.id === drill))
        return refuse(c, 400, "No such drill", "Choose one of the list.", c.get("visit")?.visitor);
      return act(c, id, { kind: "drill", drill: String(drill) });
    }),
  );
  return pages;
}

async function act(c: Context<Env>, learner: string, action: Action): Promise<Response> {
  await c.get("visit").act(learner, action);
  return c.redirect(`/learners/${encodeURIComponent(learner)}`, 303);
}
