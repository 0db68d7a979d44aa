import { z } from "zod";
import { LabError, messageOf } from "../errors.ts";
import { isObject, type Json, type Properties } from "../json.ts";
import { appJwt, type GithubCredential } from "./credential.ts";
import { forbidden, rejected, type Answer, type Purpose } from "./refusals.ts";
import { writeBudget, type WriteBudget } from "./pace.ts";

export interface GithubRequest extends Purpose {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the API's base URL, with its query, e.g. `/repos/course/ada`. */
  readonly path: string;
  readonly body?: Properties;
  /** False for a request that makes nothing, whatever its method says. */
  readonly isWrite?: false;
  /** Refusals that the caller understands and gets as an answer. */
  readonly mayAnswer?: readonly number[];
}

/** One GitHub's REST API, by one credential and within its limits. Failures are LabErrors whose code begins with `github-`. */
export interface GithubApi {
  readonly apiUrl: string;
  send(request: GithubRequest): Promise<Answer>;
  /** A token for git over HTTPS, user `x-access-token`. */
  token(): Promise<string>;
  /** What GitHub says of the App's installation; undefined where the credential is a person's. */
  installation(): Promise<Json | undefined>;
}

/** GitHub's REST API for a GitHub at this address: `https://github.com`, or that of a GitHub Enterprise Server. */
export function apiUrlOf(url: string): string {
  const { origin, hostname } = new URL(url);
  return hostname === "github.com" ? "https://api.github.com" : `${origin}/api/v3`;
}

const apiVersion = "2022-11-28";
const answerTimeoutMs = 30_000;
/** Nobody waits longer than this for a limit; the next run goes on from there. */
const patienceMs = 15 * 60_000;

/** @param budget shared by every process that writes to this GitHub */
export function githubApi(apiUrl: string, credential: GithubCredential, budget: WriteBudget = writeBudget(apiUrl)): GithubApi {
  let installation: { readonly token: string; readonly expires: number } | undefined;

  async function token(): Promise<string> {
    if ("token" in credential) return credential.token;
    if (installation !== undefined && installation.expires > Date.now() + 60_000) return installation.token;
    const { app } = credential;
    const request = {
      method: "POST",
      path: `/app/installations/${app.installationId}/access_tokens`,
      isWrite: false,
      purpose: "take a token of the GitHub App's installation",
      needs: "an App that is installed in the organization",
    } as const;
    const { body } = await exchange(request, await appJwt(app));
    const { token: fresh, expires_at } = z.object({ token: z.string(), expires_at: z.iso.datetime() }).parse(body);
    installation = { token: fresh, expires: Date.parse(expires_at) };
    return fresh;
  }

  /** Sends again until GitHub no longer asks to wait. */
  async function exchange(request: GithubRequest, bearer: string): Promise<Answer> {
    const deadline = Date.now() + patienceMs;
    for (let attempt = 1; ; attempt += 1) {
      if (request.method === "GET" || request.isWrite === false) await budget.awaitUnblocked();
      else await budget.take();
      const answer = await once(request, bearer);
      const until = blockedUntil(answer, attempt);
      if (until === undefined) {
        if (answer.status < 400 || request.mayAnswer?.includes(answer.status)) return answer;
        throw answer.status === 401 || answer.status === 403 || answer.status === 404
          ? forbidden(request, answer, request.method)
          : rejected(request, answer);
      }
      if (until > deadline) throw limited(request, until);
      await budget.block(until);
    }
  }

  async function once({ method, path, body, purpose }: GithubRequest, bearer: string): Promise<Answer> {
    let url = `${apiUrl}${path}`;
    for (let redirects = 0; ; redirects += 1) {
      const response = await call(url, { method, body: body === undefined ? null : JSON.stringify(body), bearer, purpose });
      const location = response.headers.get("location");
      // Of a repository that was renamed. The credential goes nowhere else.
      if (location === null || ![301, 302, 307, 308].includes(response.status))
        return { status: response.status, headers: response.headers, body: await jsonOf(response) };
      const next = new URL(location, url);
      if (redirects === 3 || next.origin !== new URL(apiUrl).origin)
        throw new LabError(
          "github-redirect",
          `${apiUrl} sent a request to ${purpose} on to ${next.origin}${next.pathname}, which is not followed. Check \`git.url\` in the cohort file.`,
        );
      await response.body?.cancel();
      url = next.href;
    }
  }

  async function call(
    url: string,
    { method, body, bearer, purpose }: { method: string; body: string | null; bearer: string; purpose: string },
  ): Promise<Response> {
    const headers = {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${bearer}`,
      "user-agent": "gitops-lab",
      "x-github-api-version": apiVersion,
      ...(body === null ? {} : { "content-type": "application/json" }),
    };
    try {
      return await fetch(url, { method, body, headers, redirect: "manual", signal: AbortSignal.timeout(answerTimeoutMs) });
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
      throw new LabError(
        "github-unreachable",
        `GitHub could not be asked to ${purpose}: ${new URL(url).origin} does not answer (${cause}). Run the command again when it does; what is made already stays.`,
        { cause: error },
      );
    }
  }

  return {
    apiUrl,
    token,
    send: async (request) => exchange(request, await token()),
    async installation() {
      if ("token" in credential) return undefined;
      const { app } = credential;
      const request = {
        method: "GET",
        path: `/app/installations/${app.installationId}`,
        purpose: "show the GitHub App's installation",
        needs: "an App with that installation",
      } as const;
      return (await exchange(request, await appJwt(app))).body;
    },
  };
}

async function jsonOf(response: Response): Promise<Json> {
  const text = await response.text();
  try {
    return text === "" ? null : (JSON.parse(text) as Json);
  } catch {
    return null;
  }
}

/**
 * Until when GitHub wants to be left alone; undefined where it has answered. By its documented order: `retry-after`, an
 * exhausted limit with its `x-ratelimit-reset`, else a minute, doubled each time, for a secondary limit.
 */
export function blockedUntil({ status, headers, body }: Answer, attempt: number, now: number = Date.now()): number | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const retryAfter = Number(headers.get("retry-after") ?? NaN);
  if (Number.isFinite(retryAfter)) return now + Math.max(retryAfter, 1) * 1000;
  if (headers.get("x-ratelimit-remaining") === "0")
    return Math.max(now + 1000, Number(headers.get("x-ratelimit-reset") ?? 0) * 1000 + 1000);
  const message = isObject(body) && typeof body["message"] === "string" ? body["message"] : "";
  return status === 429 || /secondary rate limit|abuse detection/i.test(message) ? now + 60_000 * 2 ** (attempt - 1) : undefined;
}

function limited({ purpose }: Purpose, until: number): LabError {
  return new LabError(
    "github-rate-limited",
    `GitHub lets nobody with this credential ${purpose} before ${new Date(until).toISOString()}: its limit is used up. Run the command again then; it goes on where it was, and what is made already stays.`,
  );
}
