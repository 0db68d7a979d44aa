import { jwtVerify } from "jose";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { createRepository } from "../../../host/git/repository.ts";
import { generateSshKey } from "../../../git-hosts/github/ssh-key.ts";
import { cgiResponse } from "../../../host/git/cgi.ts";
import { budgetFile } from "../../../shared/github/pace.ts";
import { run } from "../../../shared/exec.ts";
import { answerLike, operationOf, requestFault, responseFault } from "./conformance.ts";
import { apiRoutes } from "./routes.ts";
import { startSshServer } from "./ssh.ts";
import type { FakeRepository, FakeState, Fault, Seen } from "./state.ts";

/** A GitHub on this machine, with one organization, as far as the lab uses one. */
export interface GithubFake {
  /** For `git.url` in a cohort file. */
  readonly url: string;
  readonly apiUrl: string;
  readonly sshPort: number;
  readonly state: FakeState;
  readonly seen: readonly Seen[];
  /** Where a request or an answer was not as GitHub's description of its API says. */
  readonly faultsOfForm: readonly string[];
  /** Replaces the answers to requests that match `<METHOD> <path>`, as often as told. */
  fail(pattern: RegExp, fault: Fault, times?: number): void;
  repository(name: string): FakeRepository | undefined;
  /** A repository that somebody has made who is not the lab. */
  addRepository(name: string): Promise<FakeRepository>;
  close(): Promise<void>;
}

export interface FakeOptions {
  /** Folder for its repositories. */
  readonly folder: string;
  readonly onPushed?: (repository: FakeRepository) => void;
}

export async function startGithubFake({ folder, onPushed = () => {} }: FakeOptions): Promise<GithubFake> {
  const hostKey = generateSshKey("host");
  const state: FakeState = {
    organization: "course",
    plan: "team",
    scopes: ["repo", "workflow", "read:org", "delete_repo"],
    token: "ghp_a-token-of-the-tests",
    membership: "active",
    accounts: new Set(["instructor", "ada-l", "grace-h", "alan-t"]),
    repositories: new Map(),
    redirects: new Map(),
    hostKeys: [hostKey.publicKey],
    app: undefined,
    nextId: 1000,
  };
  const seen: Seen[] = [];
  const faultsOfForm: string[] = [];
  const faults: { pattern: RegExp; fault: Fault; left: number }[] = [];
  const installationToken = "ghs_a-token-of-the-installation";

  async function addRepository(name: string): Promise<FakeRepository> {
    const id = (state.nextId += 1);
    const path = join(folder, `${id}.git`);
    await createRepository(path, "main");
    const repository: FakeRepository = {
      id,
      name,
      path,
      description: null,
      private: false,
      archived: false,
      topics: [],
      keys: [],
      collaborators: new Map(),
      actions: { enabled: true, allowed_actions: "all", sha_pinning_required: false },
      selectedActions: { github_owned_allowed: true, verified_allowed: true, patterns_allowed: [] },
      workflow: { default_workflow_permissions: "write", can_approve_pull_request_reviews: true },
      secrets: new Map(),
      rulesets: [],
    };
    state.repositories.set(id, repository);
    return repository;
  }
  async function removeRepository({ id, path }: FakeRepository): Promise<void> {
    state.repositories.delete(id);
    await rm(path, { recursive: true, force: true });
  }

  const ssh = await startSshServer({ state, hostKey: hostKey.privateKey, onPushed });
  let url = "";
  const api = apiRoutes({ state, url: () => url, sshPort: () => ssh.port, createRepository: addRepository, removeRepository });

  const bearerOf = (c: Context) => /^(?:Bearer|token) (.+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const web = new Hono();
  web.use("/api/v3/*", async (c, next) => {
    const path = c.req.path.slice("/api/v3".length);
    const operation = operationOf(c.req.method, path);
    const note = (fault: string | undefined) => fault !== undefined && faultsOfForm.push(`${c.req.method} ${path}: ${fault}`);
    const sent = await c.req.raw.clone().text();
    // The one address that GitHub's own redirects lead to and its description does not list.
    if (operation === undefined) note(/^\/repositories\/\d+/.test(path) ? undefined : "no such operation in the description");
    else note(requestFault(operation, sent === "" ? undefined : JSON.parse(sent)));
    const fault = faults.find(({ pattern, left }) => left > 0 && pattern.test(`${c.req.method} ${path}`));
    if (fault !== undefined) fault.left -= 1;
    if (fault !== undefined && !fault.fault.afterwards)
      c.res = c.json(fault.fault.body ?? { message: "A fault of the test" }, fault.fault.status as 403, { ...fault.fault.headers });
    else {
      await next();
      if (fault !== undefined) c.res = new Response(null, { status: fault.fault.status });
    }
    if (state.scopes !== undefined && state.app === undefined) c.res.headers.set("x-oauth-scopes", state.scopes.join(", "));
    const answered = await c.res.clone().text();
    if (operation !== undefined && fault === undefined)
      note(responseFault(operation, c.res.status, answered === "" ? undefined : JSON.parse(answered)));
    seen.push({ method: c.req.method, path, at: Date.now(), status: c.res.status });
  });
  web.use("/api/v3/*", async (c, next) => {
    const isApp = /\/app\/installations\//.test(c.req.path);
    if (isApp && state.app !== undefined) {
      const { payload } = await jwtVerify(bearerOf(c) ?? "", state.app.publicKey).catch(() => ({ payload: {} as { iss?: string } }));
      if (payload.iss !== state.app.id) return c.json({ message: "A JSON web token could not be decoded" }, 401);
      const { permissions, account, installationId } = state.app;
      if (c.req.method === "POST")
        return c.json(
          answerLike("POST /app/installations/{installation_id}/access_tokens", 201, {
            token: installationToken,
            expires_at: new Date(Date.now() + 3_600_000).toISOString(),
            permissions,
            repositories: undefined,
          }),
          201,
        );
      const like = answerLike("GET /app/installations/{installation_id}", 200, {} as { account?: object });
      return c.json({ ...like, id: installationId, permissions, account: { ...like.account, login: account }, suspended_at: null });
    }
    const bearer = bearerOf(c);
    if (bearer === state.token || (state.app !== undefined && bearer === installationToken)) return next();
    return c.json({ message: "Bad credentials", documentation_url: "https://docs.github.com/rest", status: "401" }, 401);
  });
  web.route("/api/v3", api);

  /** Git over HTTP, for a token: how the seed comes. */
  web.all("/:owner/:repository/:rest{.+}", async (c) => {
    const [, user, password] =
      /^([^:]*):(.*)$/.exec(Buffer.from((c.req.header("authorization") ?? "").replace(/^Basic /, ""), "base64").toString()) ?? [];
    if (user !== "x-access-token" || (password !== state.token && password !== installationToken))
      return c.text("Unauthorized", 401, { "www-authenticate": 'Basic realm="GitHub"' });
    const repository = [...state.repositories.values()].find(({ name }) => `${name}.git` === c.req.param("repository"));
    if (repository === undefined) return c.text("Not Found", 404);
    const { rest } = c.req.param();
    if (repository.archived && (rest === "git-receive-pack" || c.req.query("service") === "git-receive-pack"))
      return c.text("This repository was archived so it is read-only.", 403);
    const backend = run("git", ["-c", "http.receivepack=true", "-c", "uploadpack.allowFilter=true", "http-backend"], {
      env: {
        PATH: process.env["PATH"] ?? "",
        GIT_PROJECT_ROOT: repository.path,
        GIT_HTTP_EXPORT_ALL: "1",
        REQUEST_METHOD: c.req.method,
        PATH_INFO: `/${rest}`,
        QUERY_STRING: new URL(c.req.url).search.slice(1),
        CONTENT_TYPE: c.req.header("content-type") ?? "",
        HTTP_CONTENT_ENCODING: c.req.header("content-encoding") ?? "",
        GIT_PROTOCOL: c.req.header("git-protocol") ?? "",
        REMOTE_USER: "instructor",
      },
      extendEnv: false,
      stdin: c.req.raw.body ?? "ignore",
      buffer: false,
      reject: false,
    });
    if (rest === "git-receive-pack") void backend.then(() => onPushed(repository));
    return cgiResponse(backend.stdout);
  });

  const server = createServer(getRequestListener(web.fetch));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const apiUrl = `${url}/api/v3`;
  return {
    url,
    apiUrl,
    sshPort: ssh.port,
    state,
    seen,
    faultsOfForm,
    fail: (pattern, fault, times = 1) => void faults.push({ pattern, fault, left: times }),
    repository: (name) => [...state.repositories.values()].find((one) => one.name === name),
    addRepository,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await ssh.close();
      await rm(budgetFile(apiUrl), { force: true });
    },
  };
}
