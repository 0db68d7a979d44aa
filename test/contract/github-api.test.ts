import { generateKeyPairSync } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { githubPreflight } from "../../git-hosts/github/preflight.ts";
import { githubApi } from "../../shared/github/api.ts";
import { githubCredential, type GithubCredential } from "../../shared/github/credential.ts";
import { writeBudget } from "../../shared/github/pace.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
let github: GithubFake;
beforeEach(async () => {
  github = await startGithubFake({ folder: await mkdtemp(join(home(), "github-")) });
  await writeBudget(github.apiUrl).setPace({ perMinute: 60_000, perHour: 100_000 });
});
afterEach(async () => {
  expect(github.faultsOfForm).toEqual([]);
  await github.close();
});

const api = (credential: GithubCredential = { token: github.state.token }) => githubApi(github.apiUrl, credential);
const create = (name: string) =>
  ({
    method: "POST",
    path: "/orgs/course/repos",
    body: { name, private: true },
    purpose: `create ${name}`,
    needs: "the scope repo",
  }) as const;
const args = () => ({ organization: "course", onTeardown: "archive" as const, protect: true, accounts: { ada: "ada-l" } });

describe("a limit", () => {
  test("is waited for as long as GitHub says, and then the request is made once", async () => {
    github.fail(/^POST/, { status: 403, headers: { "retry-after": "1" }, body: { message: "You have exceeded a secondary rate limit." } });
    await api().send(create("one"));
    const [refused, made] = github.seen;
    expect(github.seen).toHaveLength(2);
    expect(made!.at - refused!.at).toBeGreaterThanOrEqual(900);
    expect(github.state.repositories.size).toBe(1);
  });

  test("holds back whoever else asks, in another process too", async () => {
    github.fail(/^POST/, { status: 429, headers: { "retry-after": "1" } });
    const first = api().send(create("one"));
    // Another instance has nothing but the file in common with the first.
    while (github.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    while ((await writeBudgetIsBlocked()) === false) await new Promise((resolve) => setTimeout(resolve, 10));
    await api().send({ method: "GET", path: "/user", purpose: "look", needs: "any" });
    await first;
    const look = github.seen.find(({ path }) => path === "/user")!;
    expect(look.at - github.seen[0]!.at).toBeGreaterThanOrEqual(900);
  });

  async function writeBudgetIsBlocked(): Promise<boolean> {
    const { readFile } = await import("node:fs/promises");
    const { budgetFile } = await import("../../shared/github/pace.ts");
    return (JSON.parse(await readFile(budgetFile(github.apiUrl), "utf8")) as { blockedUntil: number }).blockedUntil > Date.now();
  }

  test("that lasts too long is told with its end", async () => {
    const reset = Math.floor(Date.now() / 1000) + 3000;
    github.fail(/^POST/, { status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(reset) } });
    await expect(api().send(create("one"))).rejects.toMatchObject({
      code: "github-rate-limited",
      message: expect.stringContaining(new Date((reset + 1) * 1000).toISOString()),
    });
    expect(github.seen).toHaveLength(1);
  });

  test("is kept by all writers together", async () => {
    await writeBudget(github.apiUrl).setPace({ perMinute: 300, perHour: 100_000 });
    await Promise.all([api(), api(), api()].flatMap((one, index) => [one.send(create(`a${index}`)), one.send(create(`b${index}`))]));
    const times = github.seen.map(({ at }) => at).toSorted((a, b) => a - b);
    // Six writes have five pauses of 200 ms between them; a request may be on its way for some of it.
    expect(times.at(-1)! - times[0]!).toBeGreaterThanOrEqual(900);
  });
});

describe("a refusal", () => {
  test("of an expired token names it and what helps", async () => {
    const asked = api();
    github.state.token = "another";
    await expect(asked.send(create("one"))).rejects.toMatchObject({
      code: "github-unauthorized",
      message: expect.stringMatching(/create one.*Bad credentials.*expired or was revoked/),
    });
  });

  test("in the disguise of a 404 is told as both", async () => {
    github.state.scopes = ["public_repo"];
    github.fail(/^POST/, { status: 404, headers: { "x-accepted-oauth-scopes": "repo" } });
    await expect(api().send(create("one"))).rejects.toMatchObject({
      code: "github-not-found",
      message: expect.stringMatching(
        /which is also what it says instead of "forbidden".*It takes the scope repo\. GitHub accepts repo, and the token's scopes are public_repo\./,
      ),
    });
  });

  test("for a missing right says which", async () => {
    github.fail(/^POST/, {
      status: 403,
      headers: { "x-accepted-github-permissions": "administration=write" },
      body: { message: "Resource not accessible by personal access token" },
    });
    await expect(api().send(create("one"))).rejects.toMatchObject({
      code: "github-forbidden",
      message: expect.stringContaining("GitHub accepts administration=write"),
    });
  });

  test("to be found is what it is", async () => {
    const { apiUrl } = github;
    await github.close();
    await expect(
      githubApi(apiUrl, { token: "x" }).send({ method: "GET", path: "/user", purpose: "look", needs: "any" }),
    ).rejects.toMatchObject({ code: "github-unreachable" });
    github = await startGithubFake({ folder: await mkdtemp(join(home(), "github-")) });
  });
});

describe("a look beforehand", () => {
  test("finds nothing amiss where nothing is, and writes nothing", async () => {
    await githubPreflight(api(), args());
    expect(github.seen.every(({ method }) => method === "GET")).toBe(true);
  });

  test.each<[string, (fake: GithubFake) => void, string]>([
    ["a scope", ({ state }) => (state.scopes = ["repo", "read:org"]), "The token of instructor lacks the scope workflow: give it that"],
    ["scopes", ({ state }) => (state.scopes = ["write:org"]), "lacks the scopes repo, workflow: give it these"],
    [
      "membership",
      ({ state }) => (state.membership = undefined),
      "instructor is no member of it, there is no such organization, or the token may not tell (404): check `git.organization`",
    ],
    [
      "an accepted invitation",
      ({ state }) => (state.membership = "pending"),
      "instructor has not accepted the invitation to it yet: do so",
    ],
    ["a plan with rulesets", ({ state }) => (state.plan = "free"), "set `git.protect: false` or use an organization with GitHub Team."],
    [
      "a learner's account",
      ({ state }) => void state.accounts.delete("ada-l"),
      "There is no GitHub account ada-l, which learner ada is said to have: correct `github` of that learner.",
    ],
  ])("says that %s lacks", async (_, break_, sentence) => {
    break_(github);
    await expect(githubPreflight(api(), args())).rejects.toMatchObject({
      code: "github-preflight",
      exitCode: 2,
      message: expect.stringContaining(sentence),
    });
  });

  test("asks for the right to delete only where that is wanted", async () => {
    github.state.scopes = ["repo", "workflow", "read:org"];
    await githubPreflight(api(), args());
    await expect(githubPreflight(api(), { ...args(), onTeardown: "delete" })).rejects.toMatchObject({
      message: expect.stringContaining("lacks the scope delete_repo"),
    });
  });
});

describe("a GitHub App", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const all = { administration: "write", contents: "write", workflows: "write", secrets: "write", members: "read", metadata: "read" };
  const login = (permissions: Record<string, string> = all, account = "course"): GithubCredential => {
    github.state.app = { id: "12", installationId: 34, publicKey, permissions, account };
    // As GitHub gives it: PKCS#1.
    return githubCredential(
      (name) =>
        name === "githubApp"
          ? JSON.stringify({ id: 12, installationId: "34", privateKey: privateKey.export({ type: "pkcs1", format: "pem" }) })
          : undefined,
      {},
    );
  };

  test("works with a token of its installation, which it takes once", async () => {
    const app = api(login());
    await githubPreflight(app, args());
    await app.send(create("one"));
    expect(github.seen.filter(({ path }) => path.endsWith("access_tokens"))).toHaveLength(1);
  });

  test("that lacks permissions, or is installed elsewhere, is told", async () => {
    await expect(
      githubPreflight(api(login({ administration: "write", contents: "write", members: "read", secrets: "read" })), args()),
    ).rejects.toMatchObject({ message: expect.stringContaining("The GitHub App lacks workflows: write, secrets: write;") });
    await expect(githubPreflight(api(login(all, "elsewhere")), args())).rejects.toMatchObject({
      message: expect.stringContaining("is one of elsewhere"),
    });
  });
});

describe("the credential", () => {
  test.each<[string, Record<string, string>, NodeJS.ProcessEnv, object]>([
    ["of the stack goes before the environment's", { githubToken: "a" }, { GITHUB_TOKEN: "b" }, { token: "a" }],
    ["may be the environment's", {}, { GITHUB_TOKEN: "b" }, { token: "b" }],
    [
      "may be an App's in the environment",
      {},
      { GITHUB_TOKEN: "b", GITHUB_APP_ID: "1", GITHUB_APP_INSTALLATION_ID: "2", GITHUB_APP_PEM_FILE: "x\\ny" },
      { app: { id: "1", installationId: "2", privateKey: "x\ny" } },
    ],
  ])("%s", (_, config, env, expected) => expect(githubCredential((name) => config[name], env)).toEqual(expected));

  test("that is missing or malformed is bad input that shows nothing of it", () => {
    expect(() => githubCredential(() => undefined, {})).toThrow(expect.objectContaining({ code: "github-credential", exitCode: 2 }));
    for (const text of ["{secret", '{"id": 1, "privateKey": "secret"}']) {
      const failure = (() => {
        try {
          return githubCredential(() => text, {});
        } catch (error) {
          return error;
        }
      })();
      expect(failure).toMatchObject({ code: "github-credential" });
      expect(String(failure)).not.toContain('secret"');
    }
  });
});
