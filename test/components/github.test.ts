import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, any>;
  readonly provider: string | undefined;
}

const registered: Registered[] = [];
const digests = { digests: { "0.1.0": `sha256:${"0".repeat(64)}`, "0.2.0": `sha256:${"1".repeat(64)}` } };
const answers: Readonly<Record<string, (inputs: Record<string, any>) => object>> = {
  LabHost: () => ({ httpUrl: "http://127.0.0.1:20000", registry: "127.0.0.1:20001" }),
  EmbeddedCluster: ({ learner }) => ({
    clusterId: `id-of-${learner}`,
    apiServer: "https://127.0.0.1:20002",
    adminKubeconfig: "admin",
    learnerKubeconfig: "own",
  }),
  SeedImages: () => digests,
  SideImages: () => digests,
  GithubCohort: () => ({ topic: "gitops-lab-x-00000000", sshHostKeys: ["ssh-ed25519 HOSTKEY"] }),
  GithubRepository: ({ name, learner }) => ({
    repositoryId: learner === "ada" ? 1 : 2,
    fullName: `course/${name}`,
    url: `https://github.com/course/${name}.git`,
    sshUrl: `ssh://git@github.com/course/${name}.git`,
    description: "",
  }),
  GithubSeed: () => ({ seedCommit: "0".repeat(40) }),
  FluxReady: () => ({
    environments: ["develop", "staging", "production"].map((name) => ({
      name,
      namespace: name,
      tag: `${name}-v0.2.0-abcdef0-1767225600`,
      digest: `sha256:${"0".repeat(64)}`,
    })),
    rollbackSha: "1".repeat(40),
  }),
};

let folder: string;
let fake: GithubFake;
let outputs: pulumi.Inputs;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "github-"));
  fake = await startGithubFake({ folder });
  pulumi.runtime.setAllConfig({ "gitops-lab:githubToken": fake.state.token, "gitops-lab:registryPassword": "push-password" }, [
    "gitops-lab:githubToken",
    "gitops-lab:registryPassword",
  ]);
  vi.stubEnv("GITHUB_TOKEN", "of somebody else");
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider }) => {
        registered.push({ type, name, inputs: inputs as Record<string, unknown>, provider });
        const kind = type.split(":").at(-1) ?? "";
        // One key pair each, as the driver makes them.
        const key = kind === "SshKey" ? { privateKey: `private-${name}`, publicKey: `ssh-ed25519 public-${name}` } : {};
        return { id: `${name}-id`, state: { ...(inputs as object), ...answers[kind]?.(inputs as Record<string, unknown>), ...key } };
      },
      call: () => ({}),
    },
    "gitops-lab",
    "x",
    false,
  );
  const learners = [
    ["ada", "ada-l"],
    ["grace", "grace-h"],
  ].map(([id, github]) => ({ id, name: id, email: `${id}@example.org`, github }));
  const cohort = {
    course: "C",
    git: { kind: "github", organization: "course", url: fake.url },
    registry: { kind: "ghcr", organization: "course", username: "bot" },
    learners,
  };
  const [{ createCohort }, { planCohort }, { preflightGit }] = await Promise.all([
    import("../../stacks/cohort.ts"),
    import("../../stacks/plan.ts"),
    import("../../stacks/git-preflight.ts"),
  ]);
  const plan = planCohort("x", parseCohortFile(stringify({ config: { "gitops-lab:cohort": cohort } }), "x"));
  // In index.ts' order.
  await preflightGit(plan);
  outputs = await createCohort(plan);
  await new Promise((resolve) => pulumi.output(outputs).apply(resolve));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});

/** A secret as it crosses Pulumi's wire. */
const secret = (value: unknown) =>
  expect.objectContaining({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value });
const ofType = (end: string) => registered.filter(({ type }) => type.endsWith(`:${end}`));

describe("the resources of a cohort on GitHub", () => {
  test("are looked at beforehand without anything written", () => {
    expect(fake.seen.map(({ path }) => path)).toContain("/users/grace-h");
    expect(fake.seen.every(({ method }) => method === "GET")).toBe(true);
  });

  test("share one slow provider, by the stack's own credential", () => {
    const providers = registered.filter(({ type }) => type === "pulumi:providers:github");
    expect(providers).toHaveLength(1);
    expect(providers[0]!.inputs).toMatchObject({
      owner: "course",
      baseUrl: `${fake.url}/`,
      token: secret(fake.state.token),
      legacyClient: "true",
      parallelRequests: "false",
      writeDelayMs: "1000",
    });
    expect(providers[0]!.inputs["appAuth"]).toBeUndefined();
    const inside = registered.filter(({ type }) => type.startsWith("github:"));
    expect(inside).toHaveLength(2 * 6);
    for (const { provider } of inside) expect(provider).toContain("::github::");
  });

  test("give every learner a repository, an account and a key of their own", () => {
    expect(ofType("GithubRepository").map(({ inputs }) => [inputs["name"], inputs["onTeardown"]])).toEqual([
      ["x-ada", "archive"],
      ["x-grace", "archive"],
    ]);
    expect(ofType("RepositoryCollaborator").map(({ inputs }) => [inputs["repository"], inputs["username"], inputs["permission"]])).toEqual([
      ["x-ada", "ada-l", "push"],
      ["x-grace", "grace-h", "push"],
    ]);
    const keys = ofType("RepositoryDeployKey").map(({ inputs }) => inputs);
    expect(keys).toMatchObject([
      { repository: "x-ada", readOnly: false },
      { repository: "x-grace", readOnly: false },
    ]);
    expect(new Set(keys.map(({ key }) => key)).size).toBe(2);
  });

  test("let Actions do no more than the workflows need, without a secret where GitHub's registry takes their token", () => {
    for (const { inputs } of ofType("ActionsRepositoryPermissions"))
      expect(inputs).toMatchObject({
        allowedActions: "selected",
        allowedActionsConfig: { githubOwnedAllowed: true, verifiedAllowed: false },
      });
    for (const { inputs } of ofType("WorkflowRepositoryPermissions"))
      expect(inputs).toMatchObject({ defaultWorkflowPermissions: "read", canApprovePullRequestReviews: false });
    expect(ofType("ActionsSecret")).toEqual([]);
  });

  test("keep the branch's history, and leave proposals to deploy keys", () => {
    const rulesets = ofType("RepositoryRuleset").filter(({ inputs }) => inputs["repository"] === "x-ada");
    expect(rulesets.map(({ inputs }) => [inputs["conditions"].refName.includes, inputs["rules"], inputs["bypassActors"]])).toEqual([
      [["refs/heads/main"], { deletion: true, nonFastForward: true }, undefined],
      // On a server that is not github.com nobody knows the number of its Actions.
      [["refs/heads/image-updates/**"], { creation: true, update: true }, [{ actorType: "DeployKey", bypassMode: "always" }]],
    ]);
  });

  test("seed the workflows, with nothing secret in them", () => {
    for (const { inputs } of ofType("GithubSeed")) {
      const { files } = inputs["seed"] as { files: Record<string, string> };
      expect(Object.keys(files)).toContain(".github/workflows/promote.yaml");
      expect(Object.values(files).join("\n")).toContain("secrets.GITHUB_TOKEN");
      expect(Object.values(files).join("\n")).not.toContain("push-password");
    }
  });

  test("let Flux in by its learner's key, to the server whose keys are known", () => {
    const secrets = ofType("Secret").filter(({ inputs }) => inputs["metadata"].name === "flux-system" && inputs["stringData"]);
    expect(secrets.map(({ inputs }) => inputs["stringData"])).toEqual(
      ["ada", "grace"].map((id) =>
        secret({
          identity: `private-${id}-flux-key`,
          "identity.pub": `ssh-ed25519 public-${id}-flux-key`,
          known_hosts: "github.com ssh-ed25519 HOSTKEY\n",
        }),
      ),
    );
    expect(
      ofType("GitRepository")
        .filter(({ type }) => type.startsWith("kubernetes:"))
        .map(({ inputs }) => inputs["spec"].url),
    ).toEqual(["ssh://git@github.com/course/x-ada.git", "ssh://git@github.com/course/x-grace.git"]);
  });

  test("have the images below the organization, a path for each", () => {
    expect(ofType("OciRepository").map(({ inputs }) => [inputs["repository"], inputs["siblings"]])).toEqual(
      ["ada", "grace"].map((id) => [
        `ghcr.io/course/x-${id}/backend`,
        [expect.stringMatching(new RegExp(`^ghcr\\.io/course/x-${id}/[a-z-]+$`))],
      ]),
    );
  });
});

test("the outputs hide the key and the registry's password, and say which plugin answered", async () => {
  const { git, registry } = outputs["learners"].ada;
  const hidden = [git.ssh.privateKey, registry.password];
  expect(await Promise.all(hidden.map(pulumi.isSecret))).toEqual([true, true]);
  const shown = [git.url, git.username, git.ssh.url];
  expect(await Promise.all(shown.map(pulumi.isSecret))).toEqual([false, false, false]);
  expect(registry.shared).toBe(true);
  expect(outputs["githubPlugin"]).toMatchObject({ implementation: "fallback" });
});
