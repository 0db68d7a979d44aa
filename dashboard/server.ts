import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Hono, type Context, type MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";
import { streamSSE } from "hono/streaming";
import { LabError } from "../shared/errors.ts";
import type { Visitor } from "./access.ts";
import type { Action, LearnerFacts, Source } from "./facts.ts";
import type { Gate, Visit } from "./gate.ts";
import { answersOf } from "./quiz-form.ts";
import { sessionSeconds } from "./sessions.ts";
import { learnerLive, learnerPage, resetPage } from "./views/learner.ts";
import { entered, message } from "./views/layout.ts";
import { overviewPage, rowView, summaryView } from "./views/overview.ts";
import { ownLive, ownPage, quizPage } from "./views/own.ts";

type Env = {
  Variables: { visit: Visit /** Instead of the pages' own policy. */; policy?: string };
};

const assets = {
  "style.css": "text/css; charset=utf-8",
  "live.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;

/** A page that was made to stand alone, with its style in it; a sandbox takes from it whatever else a page can do. */
const standalonePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

const largestBody = 64 * 1024;
/** How often a stream says that it lives; a proxy or a sleeping laptop would not notice otherwise. */
const heartbeatMs = 25_000;
/** Changes within this time are told once. */
const gatherMs = 500;

/** Where the dashboard answers. */
export interface Site {
  /** The addresses it has, e.g. `http://127.0.0.1:7780`; it answers to no other. */
  readonly origins: () => readonly string[];
  /** Whether the instructor may come in here too. */
  readonly instructor: boolean;
}

/**
 * The dashboard's web server, for one cohort. Who comes in with an entry gets a cookie; without one
 * there is nothing to see. It answers to its own name alone, and what changes something only to its own pages.
 */
export function dashboardServer(gate: Gate, site: Site): Hono<Env> {
  const { shown } = gate;
  const own = () => site.origins().map((origin) => new URL(origin));
  // A cookie knows no port.
  const cookie = () => `gitops-lab-dashboard-${own()[0]!.port}`;
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    await next();
    const policy = c.get("policy");
    if (policy !== undefined) c.res.headers.set("content-security-policy", policy);
  });
  app.use(
    secureHeaders({
      // With `no-referrer`, browsers send forms with the Origin `null`.
      referrerPolicy: "same-origin",
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        scriptSrc: ["'self'"],
        connectSrc: ["'self'"],
        imgSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
      strictTransportSecurity: false,
      // Pages in a sandbox have an origin of their own.
      originAgentCluster: false,
    }),
  );
  app.use(async (c, next) => {
    // A name that an attacker lets point to this machine is not ours.
    const host = c.req.header("host") ?? "";
    const origin = own().find((one) => one.host === host)?.origin;
    if (origin === undefined) return refuse(c, 421, "Wrong address", "This server answers to its own address alone.");
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      if (c.req.header("origin") !== origin) return refuse(c, 403, "Refused", "The request did not come from a page of this dashboard.");
      if (Number(c.req.header("content-length") ?? Infinity) > largestBody)
        return refuse(c, 413, "Too large", "The request is larger than any form here.");
    }
    await next();
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  });

  for (const [name, type] of Object.entries(assets)) {
    const content = readFileSync(join(import.meta.dirname, "static", name), "utf8");
    app.get(`/static/${name}`, (c) => c.body(content, 200, { "content-type": type }));
  }

  app.get("/enter", async (c) => {
    const come = await gate.letIn(c.req.query("token") ?? "", site.instructor);
    if (come === undefined)
      return refuse(
        c,
        403,
        "This link has been used",
        "A link lets in once, and for a day. Ask for a new one: `./lab dashboard` prints the instructor's, `./lab dashboard --learner <id>` a learner's.",
      );
    setCookie(c, cookie(), come.cookie, {
      httpOnly: true,
      secure: own()[0]!.protocol === "https:",
      sameSite: "Strict",
      path: "/",
      maxAge: sessionSeconds,
    });
    // No redirect: after one that began elsewhere, a browser would not send the cookie yet.
    return c.html(entered(home(come.visitor)));
  });

  const session: MiddlewareHandler<Env> = async (c, next) => {
    const visit = await gate.visit(getCookie(c, cookie()));
    if (visit === undefined)
      return refuse(
        c,
        401,
        "Not signed in",
        "Open the link that `./lab dashboard` prints; a learner's is printed by `./lab dashboard --learner <id>`.",
      );
    c.set("visit", visit);
    return next();
  };
  app.use(session);

  app.post("/leave", async (c) => {
    await gate.leave(getCookie(c, cookie()));
    deleteCookie(c, cookie(), { path: "/" });
    return c.html(message("Signed out", "Close this window, or open a new link.", undefined));
  });

  app.use(async (c, next) => {
    if (shown.archived === undefined || c.req.method === "GET" || c.req.method === "HEAD") return next();
    return refuse(
      c,
      405,
      "An archive can't be changed",
      "This is a course that is over, as it was archived. Its labs are not at hand.",
      c.get("visit")?.visitor,
    );
  });

  app.get("/events", (c) => {
    const { visitor } = c.get("visit");
    return streamSSE(c, async (stream) => {
      const changed = new Set<string>();
      let wake = () => {};
      const unsubscribe = gate.subscribe((learner) => {
        if (visitor.role === "learner" && visitor.learner !== learner) return;
        changed.add(learner);
        wake();
      });
      stream.onAbort(() => {
        unsubscribe();
        wake();
      });
      await stream.writeSSE({ event: "hello", data: "" });
      while (!stream.aborted) {
        if (changed.size === 0) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, heartbeatMs);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        if (stream.aborted || (await gate.visit(getCookie(c, cookie()))) === undefined) break;
        if (changed.size === 0) await stream.writeSSE({ event: "alive", data: "" });
        else await stream.sleep(gatherMs);
        const told = [...changed];
        changed.clear();
        for (const learner of told) await stream.writeSSE({ event: "changed", data: learner });
      }
    });
  });

  const all = async (c: Context<Env>): Promise<Source> => {
    const facts = await c.get("visit").facts();
    return { ...shown, facts: () => facts };
  };
  const only = (facts: LearnerFacts): Source => ({ ...shown, facts: () => [facts] });

  /** The learner of the path, as far as the visitor may see them: others are not there for a learner. */
  const withLearner =
    (answer: (c: Context<Env>, facts: LearnerFacts, visit: Visit) => Response | Promise<Response>) => async (c: Context<Env>) => {
      const visit = c.get("visit");
      const { visitor } = visit;
      const facts = await visit.of(visitor.role === "learner" ? visitor.learner : (c.req.param("id") ?? ""));
      if (facts === undefined) return refuse(c, 404, "Not found", "There is no such learner in this cohort.", visitor);
      return answer(c, facts, visit);
    };

  const learnersOwn = new Hono<Env>()
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
  app.route("/me", learnersOwn);

  const bundle = async (c: Context<Env>, learner: string) => {
    const visit = c.get("visit");
    const page = await visit.bundlePage(learner, c.req.param("name") ?? "");
    return page === undefined ? refuse(c, 404, "Not found", "There is no such bundle.", visit.visitor) : standalone(c, page);
  };

  app.use(onlyFor("instructor"));
  app.get("/", async (c) => c.html(overviewPage(await all(c))));
  app.get("/summary", async (c) => c.html(summaryView(await all(c))));
  app.get(
    "/learners/:id/row",
    withLearner((c, facts) => c.html(rowView(facts, only(facts)))),
  );
  app.get(
    "/learners/:id",
    withLearner(async (c, facts, visit) => c.html(learnerPage(only(facts), facts, await visit.bundles(facts.id)))),
  );
  app.get(
    "/learners/:id/live",
    withLearner(async (c, facts, visit) => c.html(learnerLive(only(facts), facts, await visit.bundles(facts.id)))),
  );
  app.get(
    "/learners/:id/handout",
    withLearner(async (c, { id }, visit) => standalone(c, await visit.handout(id))),
  );
  app.get(
    "/learners/:id/evidence/:name",
    withLearner((c, { id }) => bundle(c, id)),
  );
  app.get(
    "/learners/:id/reset",
    withLearner((c, facts, { visitor }) =>
      shown.archived ? refuse(c, 404, "Not found", "An archive can't be changed.", visitor) : c.html(resetPage(only(facts), facts)),
    ),
  );
  for (const kind of ["verify", "evidence", "pause", "resume", "reset"] as const) {
    app.post(
      `/learners/:id/${kind}`,
      withLearner((c, { id }) => act(c, id, { kind })),
    );
  }
  app.post(
    "/learners/:id/drill",
    withLearner(async (c, { id }) => {
      const { drill } = await fieldsOf(c);
      if (!shown.template.drills.some((one) => one.id === drill))
        return refuse(c, 400, "No such drill", "Choose one of the list.", c.get("visit")?.visitor);
      return act(c, id, { kind: "drill", drill: String(drill) });
    }),
  );

  const act = async (c: Context<Env>, learner: string, action: Action) => {
    await c.get("visit").act(learner, action);
    return c.redirect(`/learners/${encodeURIComponent(learner)}`, 303);
  };

  app.notFound((c) => refuse(c, 404, "Not found", "There is no such page.", c.get("visit")?.visitor));
  app.onError((error, c) => {
    if (error instanceof LabError) return refuse(c, 400, "That did not work", error.message, c.get("visit")?.visitor);
    console.error(error);
    return refuse(c, 500, "A defect of the dashboard", "The terminal in which it runs says more.", c.get("visit")?.visitor);
  });
  return app;
}

export const home = (visitor: Visitor) => (visitor.role === "instructor" ? "/" : "/me");

function onlyFor(role: Visitor["role"]): MiddlewareHandler<Env> {
  return async (c, next) => {
    const visitor = c.get("visit")?.visitor;
    if (visitor.role === role) return next();
    return c.req.path === "/" ? c.redirect("/me", 303) : refuse(c, 404, "Not found", "There is no such page.", visitor);
  };
}

/** The fields of a sent form; those that come more than once are lists. Throws LabError `form-unreadable` for a body that is none. */
async function fieldsOf(c: Context<Env>): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await c.req.parseBody({ all: true });
  } catch (error) {
    throw new LabError("form-unreadable", "What was sent is no form. Go back to the page and send it from there.", { cause: error });
  }
}

function standalone(c: Context<Env>, page: string): Response {
  c.set("policy", standalonePolicy);
  return c.html(page) as Response;
}

function refuse(
  c: Context,
  status: 400 | 401 | 403 | 404 | 405 | 413 | 421 | 500,
  title: string,
  text: string,
  visitor?: Visitor,
): Response {
  return c.html(message(title, text, visitor && home(visitor)), status) as Response;
}
