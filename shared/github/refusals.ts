import { LabError } from "../errors.ts";
import { isObject, type Json } from "../json.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** What a request is for, for the message of its failure. */
export interface Purpose {
  /** After "GitHub was asked to", e.g. `create the repository course/demo-ada`. */
  readonly purpose: string;
  /** What the credential must be or have for it, as a noun phrase. */
  readonly needs: string;
}

/**
 * 401, 403 and 404 from GitHub. It answers 404 instead of 403 about what a credential may not see, so a 404 for a thing
 * that should be there is told as both.
 */
export function forbidden({ purpose, needs }: Purpose, { status, headers, body }: Answer, method: string): LabError {
  const said = messageIn(body);
  if (status === 401) {
    return new LabError(
      "github-unauthorized",
      `GitHub was asked to ${purpose} and refused the credential itself (${said}): it has expired or was revoked. Set a new one (GITHUB_TOKEN, or \`pulumi config set --secret gitops-lab:githubToken\`) and run the command again; what is made already stays.`,
    );
  }
  const has = headers.get("x-oauth-scopes");
  const wanted = headers.get("x-accepted-oauth-scopes") || headers.get("x-accepted-github-permissions");
  const scopes = `${wanted ? ` GitHub accepts ${wanted}` : ""}${has === null ? "" : `${wanted ? ", and" : ""} the token's scopes are ${has || "none"}`}`;
  const detail = scopes === "" ? "" : `${scopes}.`;
  if (status === 404) {
    const disguised =
      method === "GET"
        ? "either it is gone, or the credential may not see it"
        : "the credential may not do that, or what it is about is gone";
    return new LabError(
      "github-not-found",
      `GitHub was asked to ${purpose} and says that there is no such thing (404), which is also what it says instead of "forbidden": ${disguised}. It takes ${needs}.${detail} Give the credential that and run the command again; what is made already stays.`,
    );
  }
  return new LabError(
    "github-forbidden",
    `GitHub was asked to ${purpose} and refused (${said}). It takes ${needs}.${detail} Give the credential that and run the command again; what is made already stays.`,
  );
}

/** Any other refusal, with GitHub's own words. */
export function rejected({ purpose }: Purpose, { status, body }: Answer): LabError {
  const isOurs = status >= 400 && status < 500;
  return new LabError(
    "github-rejected",
    `GitHub was asked to ${purpose} and answered ${status}: ${messageIn(body)}. ${isOurs ? "Check what the cohort file says of it, then run" : "Run"} the command again; what is made already stays.`,
  );
}

/** GitHub's message with the details of what it did not like. */
export function messageIn(body: Json): string {
  if (!isObject(body)) return "no message";
  const details = Array.isArray(body["errors"])
    ? body["errors"].flatMap((error) =>
        typeof error === "string" ? [error] : isObject(error) && typeof error["message"] === "string" ? [error["message"]] : [],
      )
    : [];
  return (
    [body["message"], ...details]
      .filter((part): part is string => typeof part === "string" && part !== "")
      .join(": ")
      .replace(/\.$/, "") || "no message"
  );
}
