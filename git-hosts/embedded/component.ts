import * as pulumi from "@pulumi/pulumi";
import type { gitRepository } from "./repository.ts";
import type { pipeline } from "./pipeline.ts";
import { requireDoor, requireHost } from "../../components/lab-host.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import { seedOf } from "../seed.ts";
import type { GitHost, PipelineArgs, RepositoryArgs, RepositoryHandle } from "../../components/ports/git.ts";

/** A bare repository on the lab host, served by git's own HTTP backend behind the lab daemon. */
export const component: GitHost = {
  forCohort: () => ({ createRepository: (name, args, options) => new EmbeddedRepository(name, args, options) }),
};

class EmbeddedRepository extends pulumi.ComponentResource implements RepositoryHandle {
  readonly resource: pulumi.Resource;
  readonly url: pulumi.Output<string>;
  readonly openUrl?: pulumi.Output<string>;
  readonly seedCommit: pulumi.Output<string>;
  readonly learner: RepositoryHandle["learner"];
  readonly flux: RepositoryHandle["flux"];
  readonly handOverSeconds = 300;
  readonly #args: RepositoryArgs;

  constructor(name: string, args: RepositoryArgs, options: pulumi.ComponentResourceOptions) {
    super("gitops-lab:git:Embedded", name, {}, options);
    this.#args = args;
    const host = requireHost(args.host);
    const baseUrl = host.output.httpUrl;
    const path = `git/${args.learner.id}/${args.repository}.git`;
    const door = args.via === "door" ? requireDoor(host) : undefined;
    const fluxUrl = pulumi.interpolate`${door?.url ?? baseUrl}/${path}`;
    if (host.opening) this.openUrl = pulumi.interpolate`${host.output.open.apply((open) => open?.url)}/${path}`;
    const repository = new ManagedResource<typeof gitRepository>(
      `${name}-repository`,
      {
        driver: "git-repository",
        type: "GitRepository",
        input: {
          cohort: args.cohort,
          learner: args.learner.id,
          repository: args.repository,
          baseUrl,
          branch: args.branch,
          ...(args.generation > 0 && { generation: args.generation }),
          seed: args.seed(fluxUrl).apply(seedOf),
        },
        outputs: {
          path: "plain",
          url: "plain",
          branch: "plain",
          seedCommit: "plain",
          learnerUsername: "plain",
          learnerPassword: "secret",
          fluxUsername: "plain",
          fluxPassword: "secret",
        },
      },
      { parent: this, dependsOn: [host, ...args.after] },
    );
    this.resource = repository;
    this.url = repository.output.url;
    this.seedCommit = repository.output.seedCommit;
    this.learner = { username: repository.output.learnerUsername, password: repository.output.learnerPassword };
    // By what the driver answers, so that Flux is told of no repository before it is there.
    const { url, fluxUsername: username, fluxPassword: password } = repository.output;
    this.flux =
      door === undefined
        ? { url, secret: { username, password } }
        : { url: url.apply(() => fluxUrl), secret: { username, password, "ca.crt": door.ca } };
    this.registerOutputs({});
  }

  runPipeline(name: string, { cluster, images, environments }: PipelineArgs, options: pulumi.CustomResourceOptions): pulumi.Resource {
    const { cohort, learner, repository } = this.#args;
    return new ManagedResource<typeof pipeline>(
      name,
      {
        driver: "pipeline",
        type: "Pipeline",
        input: {
          cohort,
          learner: learner.id,
          repository,
          environments,
          kubeconfig: cluster.adminKubeconfig,
          registry: pulumi.output({
            repository: images.repository,
            ...images.pipeline,
            insecure: images.insecure,
            ...(images.local && { local: images.local }),
          }),
        },
        outputs: { cohort: "plain", learner: "plain" },
      },
      { ...options, dependsOn: [this.resource], deletedWith: this.resource },
    );
  }
}
