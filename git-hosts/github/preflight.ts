import { z } from "zod";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { GithubApi } from "../../shared/github/api.ts";

export interface PreflightArgs {
  readonly organization: string;
  readonly onTeardown: "archive" | "delete";
  /** Whether branches are to be protected. */
  readonly protect: boolean;
  /** GitHub accounts by learner's id. */
  readonly accounts: Readonly<Record<string, string>>;
}

/**
 * Whether a cohort's repositories can be made, before anything is. Throws LabError `github-preflight` (exit code 2) with a
 * sentence on everything that lacks.
 */
export async function githubPreflight(api: GithubApi, { organization, onTeardown, protect, accounts }: PreflightArgs): Promise<void> {
  const lacks = [
    ...(await accessLacks(api, organization, onTeardown === "delete")),
    ...(await planLacks(api, organization, protect)),
    ...(await accountLacks(api, accounts)),
  ];
  if (lacks.length > 0) throw refused(organization, lacks, "Nothing was created.");
}

/**
 * That the credential may see the organization's private repositories. After a 404 this tells whether a repository is
 * gone or only hidden. Throws LabError `github-preflight`.
 */
export async function requireAccess(api: GithubApi, organization: string): Promise<void> {
  const lacks = await accessLacks(api, organization, false);
  if (lacks.length > 0)
    throw refused(
      organization,
      lacks,
      "Whether its repositories are still there can't be told (GitHub says 404 for both), so they were left in the state.",
    );
}

function refused(organization: string, lacks: readonly string[], consequence: string): LabError {
  return new LabError(
    "github-preflight",
    `The lab can't work in the GitHub organization ${organization}: ${lacks.join(" ")} ${consequence} Mend that and run the command again; docs/github.md lists what a credential needs.`,
    { exitCode: ExitCode.badInput },
  );
}

/** Each with the scopes that include it. */
const scopes: Readonly<Record<string, readonly string[]>> = {
  repo: ["repo"],
  workflow: ["workflow"],
  "read:org": ["read:org", "write:org", "admin:org"],
  delete_repo: ["delete_repo"],
};
/** Of a GitHub App, all as `write` but members. */
const appPermissions: Readonly<Record<string, "read" | "write">> = {
  administration: "write",
  contents: "write",
  workflows: "write",
  secrets: "write",
  members: "read",
};

async function accessLacks(api: GithubApi, organization: string, deletes: boolean): Promise<string[]> {
  const installation = await api.installation();
  if (installation !== undefined) {
    const { account, permissions, suspended_at } = Installation.parse(installation);
    if (account?.login?.toLowerCase() !== organization.toLowerCase())
      return [
        `The GitHub App's installation is one of ${account?.login ?? "another account"}; \`installationId\` must be the one in ${organization}.`,
      ];
    if (suspended_at) return ["The GitHub App's installation is suspended; an owner of the organization can end that."];
    const missing = Object.entries(appPermissions).filter(
      ([name, level]) => !(permissions[name] === "write" || permissions[name] === level),
    );
    return missing.length === 0
      ? []
      : [
          `The GitHub App lacks ${missing.map(([name, level]) => `${name}: ${level}`).join(", ")}; add that in its settings and accept it in the organization.`,
        ];
  }
  const user = await api.send({ method: "GET", path: "/user", purpose: "say whose token it is", needs: "a valid token" });
  const { login } = z.object({ login: z.string() }).parse(user.body);
  // Fine-grained tokens have permissions that GitHub does not tell.
  const granted = user.headers.get("x-oauth-scopes")?.split(/,\s*/);
  const missing =
    granted === undefined
      ? []
      : Object.keys(scopes).filter((scope) => (scope !== "delete_repo" || deletes) && !scopes[scope]!.some((one) => granted.includes(one)));
  const scopeLack =
    missing.length === 0
      ? []
      : [
          `The token of ${login} lacks the ${missing.length === 1 ? "scope" : "scopes"} ${missing.join(", ")}: give it ${missing.length === 1 ? "that" : "these"} in its owner's settings, or set another token (GITHUB_TOKEN, or \`pulumi config set --secret gitops-lab:githubToken\`).`,
        ];
  const member = await api.send({
    method: "GET",
    path: `/user/memberships/orgs/${organization}`,
    purpose: `say whether ${login} is in ${organization}`,
    needs: "scope read:org",
    mayAnswer: [403, 404],
  });
  if (member.status === 200 && Membership.parse(member.body).state === "active") return scopeLack;
  if (member.status === 200) return [...scopeLack, `${login} has not accepted the invitation to it yet: do so at the organization's page.`];
  return [
    ...scopeLack,
    `${login} is no member of it, there is no such organization, or the token may not tell (${member.status}): check \`git.organization\` in the cohort file, and who ${login} is.`,
  ];
}

const Installation = z.object({
  account: z.object({ login: z.string() }).partial().nullish(),
  permissions: z.record(z.string(), z.string()),
  suspended_at: z.string().nullish(),
});
const Membership = z.object({ state: z.string() });
const Organization = z.object({
  plan: z.object({ name: z.string() }).optional(),
  members_can_create_private_repositories: z.boolean().optional(),
});

async function planLacks(api: GithubApi, organization: string, protect: boolean): Promise<string[]> {
  const { status, body } = await api.send({
    method: "GET",
    path: `/orgs/${organization}`,
    purpose: `show the organization ${organization}`,
    needs: "scope read:org",
    mayAnswer: [403, 404],
  });
  if (status !== 200) return [];
  const { plan } = Organization.parse(body);
  return protect && plan?.name === "free"
    ? [
        "Its plan is GitHub Free, which has no rulesets for private repositories: set `git.protect: false` or use an organization with GitHub Team.",
      ]
    : [];
}

async function accountLacks(api: GithubApi, accounts: PreflightArgs["accounts"]): Promise<string[]> {
  const lacks: string[] = [];
  for (const [learner, account] of Object.entries(accounts)) {
    const { status } = await api.send({
      method: "GET",
      path: `/users/${account}`,
      purpose: `show the account ${account}`,
      needs: "any credential",
      mayAnswer: [404],
    });
    if (status === 404)
      lacks.push(`There is no GitHub account ${account}, which learner ${learner} is said to have: correct \`github\` of that learner.`);
  }
  return lacks;
}
