import { wasAccepted, type Attempt } from "./attempt.ts";
import { http, type HttpAnswer } from "./images.ts";
import type { Dashboard } from "./dashboard.ts";

/** A row of requests to the dashboard that it is to refuse, every one. */
function refused(id: string, what: string, requests: (dashboard: Dashboard) => Promise<readonly HttpAnswer[]>): Attempt {
  return {
    id,
    kind: "web",
    as: "learner",
    nodes: "both",
    what,
    async attempt(scene) {
      const answers = await requests(await scene.ground.dashboard());
      for (const { text } of answers) scene.tell(text);
      const taken = answers.find(({ status }) => status < 400);
      if (taken !== undefined) scene.accepted = `HTTP ${taken.status}: ${taken.text.slice(0, 300)}`;
      return answers.map(({ status }) => status).join();
    },
    proof: wasAccepted,
  };
}

const form = { "content-type": "application/x-www-form-urlencoded" };

const post = ({ origin, cookie }: Dashboard, path: string, headers: Record<string, string>, body = "") =>
  http("POST", origin, path, { headers: { cookie, "content-length": String(body.length), ...form, ...headers }, body });

export const webRows: readonly Attempt[] = [
  refused("page-of-others", "A learner's session asks for the instructor's pages and another learner's.", ({ origin, cookie }) =>
    Promise.all(
      [
        "/summary",
        "/learners/bob",
        "/learners/bob/live",
        "/learners/bob/row",
        "/learners/bob/handout",
        "/learners/ada/reset",
        "/learners/bob/evidence/x",
      ].map((path) => http("GET", origin, path, { headers: { cookie } })),
    ),
  ),
  refused("page-acts-for-others", "A learner's session acts as the instructor does.", (dashboard) =>
    Promise.all(
      ["verify", "evidence", "pause", "resume", "reset", "drill"].map((act) =>
        post(dashboard, `/learners/bob/${act}`, { origin: dashboard.origin }),
      ),
    ),
  ),
  refused("page-link-twice", "A link is used a second time.", async (dashboard) => {
    const { pathname, search } = new URL(await dashboard.link());
    await http("GET", dashboard.origin, `${pathname}${search}`);
    return [await http("GET", dashboard.origin, `${pathname}${search}`), await http("GET", dashboard.origin, "/enter?token=..%2f..%2fx")];
  }),
  refused("page-without-session", "Pages are asked for without a session and with one that is invented.", ({ origin, cookie }) =>
    Promise.all(
      [{}, { cookie: `${cookie.split("=")[0]}=${"x".repeat(43)}` }].map((headers: Record<string, string>) =>
        http("GET", origin, "/me/", { headers }),
      ),
    ),
  ),
  refused("page-form-from-elsewhere", "A form comes from nowhere, from another site and from a sandbox.", (dashboard) =>
    Promise.all(
      [{}, { origin: "https://example.org" }, { origin: "null" }, { origin: `${dashboard.origin}.example.org` }].map(
        (headers: Record<string, string>) => post(dashboard, "/me/verify", headers),
      ),
    ),
  ),
  refused(
    "page-by-another-name",
    "The dashboard is asked by a name that leads to loopback only for now (DNS rebinding).",
    ({ origin, cookie }) =>
      Promise.all(
        ["rebound.example.org", `rebound.example.org:${new URL(origin).port}`, "127.0.0.1"].map((host) =>
          http("GET", origin, "/me/", { headers: { cookie, host } }),
        ),
      ),
  ),
  refused("page-body-without-length", "A form's body comes in pieces, of a length that nobody said.", (dashboard) =>
    Promise.all([
      http("POST", dashboard.origin, "/me/quiz", {
        headers: { cookie: dashboard.cookie, origin: dashboard.origin, "transfer-encoding": "chunked", ...form },
        body: "x".repeat(2 ** 20),
      }),
      post(dashboard, "/me/quiz", { origin: dashboard.origin }, "x".repeat(2 ** 20)),
    ]),
  ),
  refused("page-evidence-by-path", "A bundle of evidence is asked for by a path.", ({ origin, cookie }) =>
    Promise.all(
      ["/me/evidence/..%2f..%2f..%2fpassphrase", "/me/evidence/%2e%2e", "/me/evidence/..%5cx", "/static/..%2fserver.ts"].map((path) =>
        http("GET", origin, path, { headers: { cookie } }),
      ),
    ),
  ),
];
