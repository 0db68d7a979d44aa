import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { githubWrites } from "../../shared/github/writes.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { createPulumiProject, type PulumiProject, type PulumiRun } from "../support/pulumi-project.ts";

/** The real engine, with the stand-in for Pulumi's GitHub plugin and for GitHub. */
let folder: string;
let github: GithubFake;
let project: PulumiProject;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "github-"));
  github = await startGithubFake({ folder });
  await github.addRepository("demo-ada");
  project = await createPulumiProject();
});
afterAll(async () => {
  await project?.remove();
  await github?.close();
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => expect(github.faultsOfForm).toEqual([]));

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Xo5z0Gn5D2Yc0uVt5p0p8m0a9k1n2b3v4c5x6z7A8";
const password = "correct-horse-battery";
/** What git-hosts/github/component.ts makes in a repository. */
const program = (over: { username?: string; password?: string; extra?: string } = {}) => `
  import * as github from "@pulumi/github";
  import * as pulumi from "@pulumi/pulumi";
  const provider = new github.Provider("github", { owner: "course", baseUrl: "${github.url}/", token: pulumi.secret("${github.state.token}"), legacyClient: true, writeDelayMs: 1000 });
  const options = { provider };
  const repository = "demo-ada";
  const flux = new github.RepositoryDeployKey("key", { repository, title: "gitops-lab: Flux", key: "${key}", readOnly: false }, options);
  new github.RepositoryCollaborator("collaborator", { repository, username: "${over.username ?? "ada-l"}", permission: "push" }, options);
  new github.ActionsRepositoryPermissions("actions", { repository, enabled: true, allowedActions: "selected", allowedActionsConfig: { githubOwnedAllowed: true, verifiedAllowed: false, patternsAlloweds: [] } }, options);
  new github.WorkflowRepositoryPermissions("workflows", { repository, defaultWorkflowPermissions: "read", canApprovePullRequestReviews: false }, options);
  new github.ActionsSecret("password", { repository, secretName: "REGISTRY_PASSWORD", value: "${over.password ?? password}" }, options);
  new github.ActionsSecret("username", { repository, secretName: "REGISTRY_USERNAME", value: "ada" }, options);
  new github.RepositoryRuleset("history", { repository, target: "branch", enforcement: "active", name: "history", conditions: { refName: { includes: ["refs/heads/main"], excludes: [] } }, rules: { deletion: true, nonFastForward: true } }, options);
  new github.RepositoryRuleset("proposals", { repository, target: "branch", enforcement: "active", name: "proposals", conditions: { refName: { includes: ["refs/heads/image-updates/**"], excludes: [] } },
    rules: { creation: true, update: true }, bypassActors: [{ actorType: "DeployKey", bypassMode: "always" }, { actorType: "Integration", actorId: 15368, bypassMode: "always" }] }, options);
  ${over.extra ?? ""}
  export const id = flux.id;
`;
const up = async (text: string, ...args: string[]): Promise<PulumiRun> => {
  await project.write(text);
  return project.pulumi(["up", "--yes", "--skip-preview", ...args]);
};
const succeeded = ({ exitCode, text }: PulumiRun) => expect(exitCode, text).toBe(0);

test("makes everything in a repository, with as many writes as are reckoned with, a second apart", async () => {
  succeeded(await up(program()));
  const repository = github.repository("demo-ada")!;
  expect(repository).toMatchObject({
    keys: [{ key, title: "gitops-lab: Flux", read_only: false }],
    actions: { enabled: true, allowed_actions: "selected" },
    selectedActions: { github_owned_allowed: true, verified_allowed: false, patterns_allowed: [] },
    workflow: { default_workflow_permissions: "read", can_approve_pull_request_reviews: false },
  });
  expect(repository.collaborators.get("ada-l")).toMatchObject({ permission: "push" });
  expect(Object.fromEntries(repository.secrets)).toEqual({ REGISTRY_PASSWORD: password, REGISTRY_USERNAME: "ada" });
  expect(repository.rulesets).toMatchObject(
    [
      { name: "history", rules: [{ type: "deletion" }, { type: "non_fast_forward" }], bypass_actors: [] },
      {
        name: "proposals",
        rules: [{ type: "creation" }, { type: "update" }],
        bypass_actors: [{ actor_type: "DeployKey" }, { actor_type: "Integration", actor_id: 15368 }],
      },
    ].toSorted((one) => (repository.rulesets[0]!["name"] === one.name ? -1 : 1)),
  );
  const writes = github.seen.filter(({ method }) => method !== "GET").map(({ at }) => at);
  expect(writes).toHaveLength(githubWrites({ protect: true, registrySecrets: true }).provider);
  // A second for each; single gaps also hold how long each request was on its way.
  expect(writes.at(-1)! - writes[0]!).toBeGreaterThan((writes.length - 1) * 900);
});

test("has nothing to do the second time, also after a refresh, and keeps what is secret encrypted", async () => {
  succeeded(await project.pulumi(["refresh", "--yes", "--skip-preview", "--expect-no-changes"]));
  succeeded(await up(program(), "--expect-no-changes"));
  const { text } = await project.pulumi(["stack", "export"]);
  expect(text).toContain("demo-ada:REGISTRY_PASSWORD");
  expect(text).not.toContain(password);
  expect(text).not.toContain(github.state.token);
});

test("changes what the program changes, and invites another account in the place of one", async () => {
  succeeded(await up(program({ password: "another", username: "grace-h" })));
  const repository = github.repository("demo-ada")!;
  expect(repository.secrets.get("REGISTRY_PASSWORD")).toBe("another");
  expect([...repository.collaborators.keys()]).toEqual(["grace-h"]);
});

test("a refresh finds what is gone, and the next update brings it back", async () => {
  const repository = github.repository("demo-ada")!;
  repository.keys = [];
  repository.secrets.clear();
  repository.rulesets = [];
  succeeded(await project.pulumi(["refresh", "--yes", "--skip-preview"]));
  succeeded(await up(program({ password: "another", username: "grace-h" })));
  expect([repository.keys.length, repository.secrets.size, repository.rulesets.length]).toEqual([1, 2, 2]);
});

test("takes over what an interrupted run has made", async () => {
  const { text } = await project.pulumi(["stack", "export"]);
  const urns = [...text.matchAll(/"urn": "(urn:pulumi:[^"]*github:index[^"]*)"/g)].map(([, urn]) => urn!);
  expect(urns.length).toBeGreaterThan(7);
  for (const urn of urns) succeeded(await project.pulumi(["state", "delete", urn, "--yes"]));
  const before = github.repository("demo-ada")!.keys[0]!.id;
  succeeded(await up(program({ password: "another", username: "grace-h" })));
  const repository = github.repository("demo-ada")!;
  expect([repository.keys.map(({ id }) => id), repository.rulesets.length]).toEqual([[before], 2]);
});

test("a permission that is lost is named, with what else was made", async () => {
  github.fail(/^PUT .*REGISTRY_PASSWORD/, { status: 404 }, 1);
  const { exitCode, text } = await up(program({ password: "third", username: "grace-h" }));
  expect(exitCode).not.toBe(0);
  expect(text).toMatch(
    /set the Actions secret REGISTRY_PASSWORD of demo-ada and says that there is no such thing \(404\), which is also what it says instead of "forbidden"/,
  );
  expect(text).not.toContain("third");
});

test("refuses what only Pulumi's own plugin serves", async () => {
  const { exitCode, text } = await up(program({ extra: 'new github.Issue("issue", { repository, title: "x" }, options);' }));
  expect(exitCode).not.toBe(0);
  expect(text).toContain("github:index/issue:Issue is no resource that the stand-in");
});

test("takes away what it made, and leaves the repository", async () => {
  succeeded(await project.pulumi(["destroy", "--yes", "--skip-preview"]));
  const repository = github.repository("demo-ada")!;
  expect([repository.keys, [...repository.secrets], repository.rulesets, [...repository.collaborators]]).toEqual([[], [], [], []]);
});
