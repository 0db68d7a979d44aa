import * as gh from "@pulumi/github";
import * as pulumi from "@pulumi/pulumi";
import type { githubCohort } from "./drivers/cohort.ts";
import type { githubRepository } from "./drivers/repository.ts";
import type { githubSeed } from "./drivers/seed.ts";
import type { sshKey } from "./drivers/ssh-key.ts";
import { apiUrlOf } from "../../shared/github/api.ts";
import { paceShares } from "../../shared/github/pace.ts";
import { githubWrites } from "../../shared/github/writes.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import { githubProvider } from "./component-provider.ts";
import { protectBranches } from "./component-rulesets.ts";
import { seedOf } from "../seed.ts";
import type { GithubSettings } from "./spec.ts";
import type { CohortGitArgs, GitHost, PipelineArgs, RepositoryArgs, RepositoryHandle } from "../../components/ports/git.ts";

/** A private repository per learner in a GitHub organization, with the template's workflows as its pipeline. */
export const component: GitHost<GithubSettings> = {
  forCohort(args) {
    const shared = new GithubCohort(args);
    return { createRepository: (name, args, options) => new GithubRepository(name, args, shared, options) };
  },
};

class GithubCohort {
  readonly settings: GithubSettings;
  readonly apiUrl: string;
  readonly provider: gh.Provider;
  readonly resource: ManagedResource<typeof githubCohort>;

  constructor({ cohort, settings, learners }: CohortGitArgs<GithubSettings>) {
    this.settings = settings;
    this.apiUrl = apiUrlOf(settings.url);
    // Where the secrets of a registry are not needed, this reckons with two writes too many.
    const share = paceShares(
      settings.pace,
      pluginChoice("github").implementation,
      learners * githubWrites({ protect: settings.protect, registrySecrets: true }).provider,
    );
    this.provider = githubProvider("github", settings, share.writeDelayMs);
    const { organization, onTeardown, hostKeys } = settings;
    const { pace } = share;
    this.resource = new ManagedResource<typeof githubCohort>(
      "github-cohort",
      {
        driver: "github-cohort",
        type: "GithubCohort",
        input: { cohort, organization, apiUrl: this.apiUrl, onTeardown, pace, hostKeys: [...hostKeys] },
        outputs: { cohort: "plain", organization: "plain", apiUrl: "plain", onTeardown: "plain", topic: "plain", sshHostKeys: "plain" },
      },
      {},
    );
  }
}

class GithubRepository extends pulumi.ComponentResource implements RepositoryHandle {
  readonly resource: pulumi.Resource;
  readonly url: pulumi.Output<string>;
  readonly seedCommit: pulumi.Output<string>;
  readonly learner: RepositoryHandle["learner"];
  readonly flux: RepositoryHandle["flux"];
  readonly ssh: NonNullable<RepositoryHandle["ssh"]>;
  /** Workflows wait for a runner, and nobody tells Flux of a push. */
  readonly handOverSeconds = 1200;
  readonly #seed: pulumi.Resource;

  constructor(
    name: string,
    args: RepositoryArgs,
    { settings, apiUrl, provider, resource: cohort }: GithubCohort,
    options: pulumi.ComponentResourceOptions,
  ) {
    super("gitops-lab:git:Github", name, {}, options);
    const { learner, repository: repositoryName, images } = args;
    const { organization, onTeardown } = settings;
    const account = learner.github;
    if (account === undefined) throw new Error(`learner ${learner.id} has no GitHub account`);
    const repository = new ManagedResource<typeof githubRepository>(
      `${name}-repository`,
      {
        driver: "github-repository",
        type: "GithubRepository",
        input: {
          cohort: args.cohort,
          learner: learner.id,
          organization,
          name: repositoryName,
          apiUrl,
          topic: cohort.output.topic,
          onTeardown,
        },
        outputs: {
          cohort: "plain",
          organization: "plain",
          apiUrl: "plain",
          topic: "plain",
          description: "plain",
          onTeardown: "plain",
          repositoryId: "plain",
          fullName: "plain",
          url: "plain",
          sshUrl: "plain",
        },
      },
      { parent: this, dependsOn: [cohort, ...args.after] },
    );
    // What is in the repository goes with it, and never by its name, which somebody else's may have by then.
    const within = { parent: this, provider, dependsOn: [repository], deletedWith: repository };
    const key = new ManagedResource<typeof sshKey>(
      `${name}-flux-key`,
      {
        driver: "ssh-key",
        type: "SshKey",
        input: { comment: `flux of ${args.cohort}/${learner.id}` },
        outputs: { privateKey: "secret", publicKey: "plain" },
      },
      { parent: this },
    );
    const made: pulumi.Resource[] = [
      new gh.RepositoryDeployKey(
        `${name}-flux-key`,
        { repository: repositoryName, title: "gitops-lab: Flux", key: key.output.publicKey, readOnly: false },
        within,
      ),
      new gh.RepositoryCollaborator(`${name}-collaborator`, { repository: repositoryName, username: account, permission: "push" }, within),
      // The template's workflows use GitHub's own actions and nobody else's.
      new gh.ActionsRepositoryPermissions(
        `${name}-actions`,
        {
          repository: repositoryName,
          enabled: true,
          allowedActions: "selected",
          allowedActionsConfig: { githubOwnedAllowed: true, verifiedAllowed: false, patternsAlloweds: [] },
        },
        within,
      ),
      // Each job of theirs asks for what it needs.
      new gh.WorkflowRepositoryPermissions(
        `${name}-workflows`,
        { repository: repositoryName, defaultWorkflowPermissions: "read", canApprovePullRequestReviews: false },
        within,
      ),
      ...(images.takesJobToken ? [] : registrySecrets(name, repositoryName, images.pipeline, within)),
      ...(settings.protect
        ? protectBranches(
            name,
            { repository: repositoryName, branch: args.branch, isGithubCom: new URL(settings.url).hostname === "github.com" },
            within,
          )
        : []),
    ];
    const seed = new ManagedResource<typeof githubSeed>(
      `${name}-seed`,
      {
        driver: "github-seed",
        type: "GithubSeed",
        input: {
          repositoryId: repository.output.repositoryId,
          url: repository.output.url,
          apiUrl,
          branch: args.branch,
          seed: args.seed(repository.output.url).apply(seedOf),
        },
        outputs: { seedCommit: "plain" },
      },
      { parent: this, dependsOn: made, deletedWith: repository },
    );
    this.resource = repository;
    this.#seed = seed;
    this.url = repository.output.url;
    this.seedCommit = seed.output.seedCommit;
    this.learner = { username: pulumi.output(account), password: pulumi.output("") };
    // Of a repository without a branch Flux would only tell that there is none.
    const url = pulumi.all([repository.output.sshUrl, this.seedCommit]).apply(([address]) => address);
    const known = pulumi.all([repository.output.sshUrl, cohort.output.sshHostKeys]).apply(([address, keys]) => knownHosts(address, keys));
    this.flux = { url, secret: { identity: key.output.privateKey, "identity.pub": key.output.publicKey, known_hosts: known } };
    this.ssh = { url, privateKey: key.output.privateKey, knownHosts: known };
    this.registerOutputs({});
  }

  /** The workflows came with the seed; GitHub runs them. */
  runPipeline(_name: string, _args: PipelineArgs, _options: pulumi.CustomResourceOptions): pulumi.Resource {
    return this.#seed;
  }
}

/** What workflows log in to a registry with that does not know their job's token. */
function registrySecrets(
  name: string,
  repository: string,
  { username, password }: RepositoryArgs["images"]["pipeline"],
  options: pulumi.CustomResourceOptions,
): pulumi.Resource[] {
  return [
    new gh.ActionsSecret(`${name}-registry-username`, { repository, secretName: "REGISTRY_USERNAME", value: username }, options),
    new gh.ActionsSecret(`${name}-registry-password`, { repository, secretName: "REGISTRY_PASSWORD", value: password }, options),
  ];
}

/** Lines of a known_hosts file (sshd(8)) for the server of an SSH URL. */
function knownHosts(sshUrl: string, hostKeys: readonly string[]): string {
  const { hostname, port } = new URL(sshUrl);
  const host = port === "" || port === "22" ? hostname : `[${hostname}]:${port}`;
  return hostKeys.map((key) => `${host} ${key}\n`).join("");
}
