import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { credentialOf } from "../../host/access.ts";
import { cgiResponse } from "../../host/git/cgi.ts";
import { hookRoutes } from "../../host/git/hook-routes.ts";
import { gitRoutes } from "../../host/git/smart-http.ts";
import { registryRoutes } from "../../host/registry/tokens.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { jsonBombs } from "../support/hostile/bombs.ts";
import { answerOf, expectParagraph, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, bentObject, text } from "../support/hostile/text.ts";
import { shaOf } from "../support/lab-state.ts";

nothingIsMade();

/** As a server's parser of HTTP lets it through: bytes, and none that ends a header. */
const headerValue = text.map((value) =>
  Buffer.from(value, "utf8")
    .toString("latin1")
    .replace(/[^\t\u0020-\u007e\u0080-\u00ff]/g, "")
    .trim(),
);
const basic = (credential: string) => `Basic ${Buffer.from(credential).toString("base64")}`;
const authorization = fc.oneof(
  headerValue,
  bent("ada:secret", "ada.flux:secret", ":", "bob.node:x").map(basic),
  bent(basic("ada:secret"), `Bearer ${"a".repeat(40)}`).map((value) => value.replace(/[^\u0020-\u007e]/g, "")),
);
/** What can stand in the first line of a request. */
const target = (...paths: string[]) =>
  bent(...paths).map(
    (path) => `/${path.replace(/[^\u0021-\u007e]/g, (sign) => encodeURIComponent(sign.toWellFormed())).replace(/^\/+/, "")}`,
  );

test("a credential is a user name and a password, or none", async () => {
  await forEvery(authorization, async (value) => {
    const credential = await answerOf("credentialOf", () =>
      credentialOf(new Request("http://lab/", { headers: { authorization: value } })),
    );
    if (credential !== undefined && "username" in credential)
      expect([typeof credential.username, typeof credential.password]).toEqual(["string", "string"]);
  });
});

test("who has no credential for a repository or for images is told so, whatever they ask for", async () => {
  const paths = cohortPaths("demo");
  const routes = [
    gitRoutes({ paths, hookSocket: "/nowhere" }),
    registryRoutes({ paths, eventsToken: "secret", onImagePushed: () => expect.unreachable() }),
  ];
  const requests = fc.record({
    method: fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS"),
    path: target(
      "git/ada/gitops.git/info/refs?service=git-upload-pack",
      "git/ada/gitops.git/git-receive-pack",
      "git/ada/gitops.git/git-upload-pack",
      "registry/token?service=x&scope=repository:ada/backend:pull,push&scope=repository:bob/backend:pull",
      "registry/events",
    ),
    authorization,
    protocol: headerValue,
    body: fc.option(text, { nil: undefined, freq: 3 }),
  });
  await forEvery(requests, async ({ method, path, authorization, protocol, body }) => {
    for (const route of routes) {
      const init = {
        method,
        headers: { authorization, "git-protocol": protocol, "content-type": protocol },
        ...(method === "POST" || method === "PUT" ? { body: body ?? "" } : {}),
      };
      const answer = await route.request(`http://lab${path}`, init);
      expect([401, 404]).toContain(answer.status);
      for (const line of (await answer.text()).trimEnd().split("\n")) expectParagraph(path, line);
    }
  });
});

const push = {
  learner: "ada",
  repository: "gitops",
  user: "ada",
  refs: [{ ref: "refs/heads/main", oldOid: shaOf("a"), newOid: shaOf("b") }],
  quarantine: { GIT_OBJECT_DIRECTORY: "/x" },
};

test("a hook is answered, whatever it reports and whatever is said to the pusher", async () => {
  const body = fc.oneof(
    bentObject<object>(push).map((value) => JSON.stringify(value) ?? ""),
    bent(JSON.stringify(push)),
  );
  await forEvery(
    fc.tuple(body, text),
    async ([body, said]) => {
      const routes = hookRoutes({ refusals: async () => [said], accepted: async (_, say) => say(said) });
      for (const hook of ["pre-receive", "post-receive"]) {
        const answer = await routes.request(`/hooks/${hook}`, { method: "POST", body });
        expect([200, 400, 409]).toContain(answer.status);
        // A push is let in by this alone.
        if (hook === "pre-receive") expect(answer.status).not.toBe(200);
        for (const line of (await answer.text()).split("\n")) expectParagraph(hook, line);
      }
    },
    { first: jsonBombs.map((bomb): [string, string] => [bomb, "no"]) },
  );
});

const event = { events: [{ action: "push", target: { repository: "ada/backend", tag: "x", digest: "sha256:0" } }] };

test("the registry's notifications are taken in or refused", async () => {
  const routes = registryRoutes({
    paths: cohortPaths("demo"),
    eventsToken: "secret",
    onImagePushed: ({ tag }) => expect(tag).toBeTypeOf("string"),
  });
  await forEvery(
    fc.oneof(
      bentObject<object>(event).map((value) => JSON.stringify(value) ?? ""),
      bent(JSON.stringify(event)),
    ),
    async (body) => {
      const answer = await routes.request("/registry/events", { method: "POST", body, headers: { authorization: "Bearer secret" } });
      expect([200, 400]).toContain(answer.status);
    },
    { first: jsonBombs },
  );
});

test("a program's answer is passed on, or is a bad one", async () => {
  const answers = fc.oneof(
    text.map((value) => Buffer.from(value)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    bent("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nNothing here\n", "Expires: 0\n\n0000").map((value) =>
      Buffer.from(value),
    ),
  );
  await forEvery(
    fc.tuple(answers, fc.nat({ max: 200 })),
    async ([bytes, cut]) => {
      const answer = await answerOf("cgiResponse", () =>
        cgiResponse(Readable.from([bytes.subarray(0, cut), bytes.subarray(cut)].filter(({ length }) => length > 0))),
      );
      if (answer instanceof Error) throw answer;
      expect(answer.status >= 200 && answer.status < 600).toBe(true);
      expect((await answer.arrayBuffer()).byteLength).toBeLessThanOrEqual(bytes.length + 100);
    },
    {
      first: [
        [Buffer.alloc(1_000_000, "a"), 10],
        [Buffer.from("Status: 204\n\nbody"), 3],
        [Buffer.from("Status: 99999\n\n"), 3],
        [Buffer.from("no colon\n\n"), 3],
      ],
    },
  );
});
