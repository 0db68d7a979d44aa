import * as pulumi from "@pulumi/pulumi";
import type { fluxReady } from "../host/drivers/flux-ready.ts";
import type { seedImages } from "../host/drivers/seed-images.ts";
import type { LabTemplate, Release } from "../lab-templates/types.ts";
import { onLabHost, siblingImage } from "../shared/image-paths.ts";
import type { Via } from "../shared/opening.ts";
import type { Isolation, LearnerOutputs } from "../shared/outputs.ts";
import { fluxRelease } from "../tools/manifest.ts";
import { grantLearnerAccess } from "./cluster/learner-access.ts";
import { grantPulling } from "./cluster/image-pull.ts";
import type { ClusterHandle, ClusterComponent, Lifetime } from "./ports/cluster.ts";
import { FluxBootstrap } from "./flux/bootstrap.ts";
import type { CohortGit, RepositoryHandle } from "./ports/git.ts";
import type { LabHost } from "./lab-host.ts";
import { ManagedResource } from "./managed-resource.ts";
import type { Kinded } from "./ports/kinded.ts";
import type { ImageRepositoryHandle, Registry } from "./ports/registry.ts";

/** Everything about one learner's lab that is known before anything is created. */
export interface LearnerPlan {
  readonly cohort: string;
  readonly learner: { readonly id: string; readonly name: string; readonly email: string; readonly github?: string | undefined };
  readonly cluster: Kinded;
  readonly git: Kinded & { readonly repository: string; readonly branch: string };
  readonly registry: Kinded & { readonly image: string };
  /** Which address the cluster uses for Git and registry, where these are embedded. */
  readonly via: Via;
  readonly ports: { readonly from: number; readonly to: number };
  /** Whether what the learner writes runs in a room of the learner's own, as far as it runs on this machine. */
  readonly isolation: Isolation;
  /** Of the credentials, see ledger/rotations.ts. */
  readonly generations: { readonly kubeconfig: number; readonly git: number; readonly registry: number };
  readonly lifetime: Lifetime;
  readonly template: LabTemplate;
  readonly parameters: unknown;
  readonly releases: readonly Release[];
}

export interface LearnerArgs {
  readonly plan: LearnerPlan;
  /** Absent in a cohort in which nothing is embedded. */
  readonly host: LabHost | undefined;
  readonly provider: ClusterComponent;
  /** What it made for several learners. */
  readonly foundation?: unknown;
  readonly git: CohortGit;
  readonly registry: Registry;
}

type Wrapped<T> = { [K in keyof T]: pulumi.Input<WrappedValue<T[K]>> };
type WrappedValue<V> = V extends string | boolean ? V : V extends object ? Wrapped<V> : V;

/** One learner's lab: a cluster, a seeded repository, an image path, and Flux that follows the one and watches the other. */
export class Learner extends pulumi.ComponentResource {
  readonly id: string;
  readonly outputs: Wrapped<LearnerOutputs>;
  /** What stands in for the real thing in this lab, a sentence each. */
  readonly simulated: readonly string[];

  constructor(name: string, args: LearnerArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("gitops-lab:lab:Learner", name, {}, options);
    const { plan, host } = args;
    const { cohort, learner, template } = plan;
    const here = { parent: this };

    const cluster = args.provider.create(
      name,
      {
        cohort,
        learner: learner.id,
        plan: plan.cluster,
        ports: plan.ports,
        generation: plan.generations.kubeconfig,
        lifetime: plan.lifetime,
        isolation: plan.isolation,
        host,
        foundation: args.foundation,
      },
      here,
    );
    const after = cluster.claim === undefined ? [] : [cluster.claim];
    const siblings = template.sideImages.map((side) => side.name);
    const images = args.registry.createImageRepository(
      name,
      {
        cohort,
        learner: learner.id,
        image: plan.registry.image,
        settings: plan.registry,
        siblings,
        generation: plan.generations.registry,
        via: plan.via,
        after,
        host,
      },
      here,
    );
    // They are the same images whatever the cluster calls them.
    const { repository: path, insecure } = onLabHost({ repository: images.repository, insecure: images.insecure, local: images.local });
    const access = {
      username: images.learner.username,
      password: images.learner.password,
      insecure,
      ...(images.accessFolder !== undefined && { accessFolder: images.accessFolder }),
      app: template.app(plan.parameters),
    };
    const seedOutputs = {
      digests: "plain",
      tags: "plain",
      repository: "plain",
      username: "plain",
      password: "secret",
      insecure: "plain",
      accessFolder: "plain",
    } as const;
    const seeded = new ManagedResource<typeof seedImages>(
      `${name}-seed-images`,
      {
        driver: "seed-images",
        type: "SeedImages",
        input: {
          ...access,
          repository: path,
          releases: plan.releases.map((release) => ({
            ...release,
            tags: template.environments.map((environment) => template.tag(environment, release)),
          })),
        },
        outputs: seedOutputs,
      },
      { ...here, dependsOn: [images.resource], deletedWith: images.resource },
    );
    for (const side of template.sideImages) {
      new ManagedResource<typeof seedImages>(
        `${name}-seed-${side.name}`,
        {
          driver: "seed-images",
          type: "SideImages",
          input: {
            ...access,
            repository: path.apply((one) => siblingImage(one, side.name)),
            releases: plan.releases.slice(0, 1).map((release) => ({ ...release, tags: side.tags })),
          },
          outputs: seedOutputs,
        },
        { ...here, dependsOn: [images.resource], deletedWith: images.resource },
      );
    }
    const repository = args.git.createRepository(
      name,
      {
        cohort,
        learner,
        repository: plan.git.repository,
        branch: plan.git.branch,
        generation: plan.generations.git,
        via: plan.via,
        after,
        images,
        host,
        seed: (url) =>
          pulumi.all([url, images.repository, seeded.output.digests]).apply(([gitUrl, imageRepository, digests]) =>
            template.seed({
              params: plan.parameters,
              learner,
              imageRepository,
              insecureRegistry: images.insecure,
              registryAuthority: images.authority !== undefined,
              gitUrl,
              branch: plan.git.branch,
              gitHost: plan.git.kind,
              digests,
            }),
          ),
      },
      here,
    );
    const pipeline = repository.runPipeline(`${name}-pipeline`, { cluster, images, environments: template.environments }, here);
    // On a node that the lab makes, the node itself logs in to the registry.
    const before = cluster.fluxControllers === "deployment" ? grantPulling(name, cluster, images, template.environments, this) : [];
    const flux = new FluxBootstrap(
      `${name}-flux`,
      { cluster, repository, branch: plan.git.branch, images, learner: learner.id, version: fluxRelease, pipeline, before },
      here,
    );
    const git = {
      kind: plan.git.kind,
      url: repository.url,
      branch: plan.git.branch,
      username: repository.learner.username,
      password: repository.learner.password,
      seedCommit: repository.seedCommit,
      ...(repository.ssh && { ssh: repository.ssh }),
    };
    const ready = new ManagedResource<typeof fluxReady>(
      `${name}-flux-ready`,
      {
        driver: "flux-ready",
        type: "FluxReady",
        input: {
          learner: learner.id,
          clusterId: cluster.clusterId,
          seedCommit: repository.seedCommit,
          kubeconfig: cluster.adminKubeconfig,
          git: pulumi.output(git),
          order: template.environments,
          timeoutSeconds: repository.handOverSeconds,
        },
        outputs: { environments: "plain", rollbackSha: "plain" },
      },
      { ...here, dependsOn: [flux.sync], deletedWith: cluster.resource },
    );
    grantLearnerAccess(name, cluster, this, [ready]);

    this.id = learner.id;
    this.simulated = cluster.simulated;
    this.outputs = {
      id: learner.id,
      name: learner.name,
      email: learner.email,
      cluster: {
        kind: plan.cluster.kind,
        id: cluster.clusterId,
        apiServer: cluster.apiServer,
        nodes: cluster.nodes,
        kubeconfig: cluster.learnerKubeconfig,
        adminKubeconfig: cluster.adminKubeconfig,
      },
      git,
      registry: {
        kind: plan.registry.kind,
        repository: images.repository,
        insecure: images.insecure,
        ...(images.local && { local: images.local }),
        ...(images.shared && { shared: true }),
        username: images.learner.username,
        password: images.learner.password,
      },
      isolation: plan.isolation,
      flux: { version: `v${fluxRelease}`, controllers: cluster.fluxControllers },
      ...opened(host, cluster, repository, images),
      environments: ready.output.environments,
      rollbackSha: ready.output.rollbackSha,
      evidenceCommands: template.evidence.map(({ title, command }) => ({ item: title, command })),
    };
    this.registerOutputs({});
  }
}

/** What a learner beyond this machine is told; nothing where the cohort is not opened. */
function opened(
  host: LabHost | undefined,
  cluster: ClusterHandle,
  repository: RepositoryHandle,
  images: ImageRepositoryHandle,
): { readonly open?: Wrapped<NonNullable<LearnerOutputs["open"]>> } {
  if (host?.opening === undefined) return {};
  const { opening, output } = host;
  return {
    open: {
      name: opening.name,
      ca: output.open.ca,
      page: output.open.page,
      apiServer: cluster.open?.apiServer ?? cluster.apiServer,
      kubeconfig: cluster.open?.kubeconfig ?? cluster.learnerKubeconfig,
      gitUrl: repository.openUrl ?? repository.url,
      repository: images.openRepository ?? images.repository,
    },
  };
}
