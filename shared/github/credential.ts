import { createPrivateKey } from "node:crypto";
import { SignJWT } from "jose";
import { z } from "zod";
import { ExitCode, LabError, messageOf } from "../errors.ts";

const App = z.object({
  /** The App's id or client id. */
  id: z.coerce.string().min(1),
  installationId: z.coerce.string().regex(/^\d+$/, "must be a number"),
  /** PEM, as GitHub gives it. */
  privateKey: z.string().min(1),
});
export type GithubApp = z.output<typeof App>;

/** Who the lab is on GitHub: a person's token, or an installation of a GitHub App. */
export type GithubCredential = { readonly token: string } | { readonly app: GithubApp };

/**
 * The credential in the stack's configuration (`githubApp`, JSON, or `githubToken`), else in GITHUB_APP_ID,
 * GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PEM_FILE, or GITHUB_TOKEN: the variables of Pulumi's own GitHub provider.
 * Throws LabError `github-credential` (exit code 2) where there is none, or one that can't be one.
 */
export function githubCredential(config: (name: string) => string | undefined, env: NodeJS.ProcessEnv = process.env): GithubCredential {
  const appText = config("githubApp");
  if (appText !== undefined) return { app: parseApp(appText) };
  const token = config("githubToken");
  if (token !== undefined) return { token };
  const { GITHUB_APP_ID: id, GITHUB_APP_INSTALLATION_ID: installationId, GITHUB_APP_PEM_FILE: pem } = env;
  if (id && installationId && pem) return { app: { id, installationId, privateKey: pem.replaceAll("\\n", "\n") } };
  if (env["GITHUB_TOKEN"]) return { token: env["GITHUB_TOKEN"] };
  throw invalid(
    "There is no credential for GitHub. Set GITHUB_TOKEN, or keep a token with the cohort: `pulumi config set --secret gitops-lab:githubToken -s <cohort>`; docs/github.md says what it must be allowed, and how to use a GitHub App.",
  );
}

function parseApp(text: string): GithubApp {
  try {
    const app = App.safeParse(JSON.parse(text));
    if (app.success) return app.data;
    throw new Error(app.error.issues.map(({ path, message }) => `\`${path.join(".")}\` ${message}`).join("; "));
  } catch (error) {
    // The text is a secret, and a parser's message quotes it.
    const reason = error instanceof SyntaxError ? "it is no JSON" : messageOf(error);
    throw invalid(
      `\`gitops-lab:githubApp\` must be JSON with id, installationId and privateKey: ${reason}. Set it anew with \`pulumi config set --secret\`; docs/github.md shows how.`,
    );
  }
}

/** The token with which an App asks for a token of its installation: valid nine minutes, of the ten that GitHub allows. */
export async function appJwt({ id, privateKey }: GithubApp, now: Date = new Date()): Promise<string> {
  const seconds = Math.floor(now.getTime() / 1000);
  try {
    // A minute back, for clocks differ.
    return await new SignJWT({ iss: id })
      .setProtectedHeader({ alg: "RS256" })
      .setIssuedAt(seconds - 60)
      .setExpirationTime(seconds + 540)
      .sign(createPrivateKey(privateKey));
  } catch {
    throw invalid(
      "The private key of the GitHub App is no RSA key in PEM form. Download a new one from the App's settings and set `gitops-lab:githubApp` anew; docs/github.md shows how.",
    );
  }
}

function invalid(message: string): LabError {
  return new LabError("github-credential", message, { exitCode: ExitCode.badInput });
}
