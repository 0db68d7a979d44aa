import * as gh from "@pulumi/github";
import * as pulumi from "@pulumi/pulumi";
import { stackConfig } from "../../components/stack-config.ts";
import { githubCredential } from "../../shared/github/credential.ts";
import type { GithubSettings } from "./spec.ts";

/**
 * The one provider for everything of a cohort in GitHub. What makes it slow is meant: one request after another, a pause
 * after each that writes, and another try after GitHub's own failures. Its newer client is not used, because that waits
 * only after a limit is hit, and ignores the pause.
 */
export function githubProvider(name: string, { organization, url }: GithubSettings, writeDelayMs: number): gh.Provider {
  const { origin, hostname } = new URL(url);
  const credential = pulumi.secret(stackConfig(["githubApp", "githubToken"]).then((config) => githubCredential(config)));
  const token = credential.apply((is) => ("token" in is ? is.token : ""));
  const appAuth = credential.apply((is) =>
    "app" in is ? { id: is.app.id, installationId: is.app.installationId, pemFile: is.app.privateKey } : noApp,
  );
  return new gh.Provider(name, {
    owner: organization,
    baseUrl: hostname === "github.com" ? "https://api.github.com/" : `${origin}/`,
    // One of the two and not the other empty: the official plugin takes what is there for meant.
    ...(isApp() ? { appAuth } : { token }),
    legacyClient: true,
    parallelRequests: false,
    writeDelayMs,
    maxRetries: 3,
    retryDelayMs: 5000,
    retryableErrors: [500, 502, 503, 504],
  });
}

const noApp = { id: "", installationId: "", pemFile: "" };

/** Whether the credential is a GitHub App's, by the order in shared/github/credential.ts; known before any secret is. */
function isApp(env: NodeJS.ProcessEnv = process.env): boolean {
  const config = new pulumi.Config();
  const has = (name: string) => config.getSecret(name) !== undefined;
  return (
    has("githubApp") ||
    (!has("githubToken") && Boolean(env["GITHUB_APP_ID"] && env["GITHUB_APP_INSTALLATION_ID"] && env["GITHUB_APP_PEM_FILE"]))
  );
}
