import type { Context, MiddlewareHandler } from "hono";
import { LabError } from "../shared/errors.ts";
import type { Visitor } from "./access.ts";
import type { LearnerFacts } from "./facts.ts";
import type { Visit } from "./gate.ts";
import { message } from "./views/layout.ts";

/** What a request carries through the dashboard's server. */
export type Env = {
  Variables: { visit: Visit /** Instead of the pages' own policy. */; policy?: string };
};

/** A page that was made to stand alone, with its style in it; a sandbox takes from it whatever else a page can do. */
const standalonePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** Where a visitor begins. */
export const home = (visitor: Visitor) => (visitor.role === "instructor" ? "/" : "/me");

/** Refuses what is not this role's as if it were not there. */
export function onlyFor(role: Visitor["role"]): MiddlewareHandler<Env> {
  return async (c, next) => {
    const visitor = c.get("visit")?.visitor;
    if (visitor.role === role) return next();
    return c.req.path === "/" ? c.redirect("/me", 303) : refuse(c, 404, "Not found", "There is no such page.", visitor);
  };
}

/** Answers about the learner of the path, as far as the visitor may see them: others are not there for a learner. */
export const withLearner =
  (answer: (c: Context<Env>, facts: LearnerFacts, visit: Visit) => Response | Promise<Response>) => async (c: Context<Env>) => {
    const visit = c.get("visit");
    const { visitor } = visit;
    const facts = await visit.of(visitor.role === "learner" ? visitor.learner : (c.req.param("id") ?? ""));
    if (facts === undefined) return refuse(c, 404, "Not found", "There is no such learner in this cohort.", visitor);
    return answer(c, facts, visit);
  };

/** The page of the learner's bundle that the path names. */
export async function bundle(c: Context<Env>, learner: string): Promise<Response> {
  const visit = c.get("visit");
  const page = await visit.bundlePage(learner, c.req.param("name") ?? "");
  return page === undefined ? refuse(c, 404, "Not found", "There is no such bundle.", visit.visitor) : standalone(c, page);
}

/** The fields of a sent form; those that come more than once are lists. Throws LabError `form-unreadable` for a body that is none. */
export async function fieldsOf(c: Context<Env>): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await c.req.parseBody({ all: true });
  } catch (error) {
    throw new LabError("form-unreadable", "What was sent is no form. Go back to the page and send it from there.", { cause: error });
  }
}

/** A page with its own style, under a policy of its own. */
export function standalone(c: Context<Env>, page: string): Response {
  c.set("policy", standalonePolicy);
  return c.html(page) as Response;
}

/** A page that says what was refused and why, with the way back for who is signed in. */
export function refuse(
  c: Context,
  status: 400 | 401 | 403 | 404 | 405 | 413 | 421 | 500,
  title: string,
  text: string,
  visitor?: Visitor,
): Response {
  return c.html(message(title, text, visitor && home(visitor)), status) as Response;
}
