import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Hono, type MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";
import { LabError } from "../shared/errors.ts";
import { home, onlyFor, refuse, type Env } from "./answers.ts";
import { toldOfChanges } from "./change-stream.ts";
import type { Gate } from "./gate.ts";
import { instructorPages } from "./instructor-pages.ts";
import { ownPages } from "./own-pages.ts";
import { sessionSeconds } from "./sessions.ts";
import { entered, message } from "./views/layout.ts";

const assets = {
  "style.css": "text/css; charset=utf-8",
  "live.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;

const largestBody = 64 * 1024;

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

  app.get("/events", (c) => toldOfChanges(c, gate, () => gate.visit(getCookie(c, cookie()))));
  app.route("/me", ownPages(shown));
  app.use(onlyFor("instructor"));
  app.route("/", instructorPages(shown));

  app.notFound((c) => refuse(c, 404, "Not found", "There is no such page.", c.get("visit")?.visitor));
  app.onError((error, c) => {
    if (error instanceof LabError) return refuse(c, 400, "That did not work", error.message, c.get("visit")?.visitor);
    console.error(error);
    return refuse(c, 500, "A defect of the dashboard", "The terminal in which it runs says more.", c.get("visit")?.visitor);
  });
  return app;
}
