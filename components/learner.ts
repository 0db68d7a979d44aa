import * as pulumi from "@pulumi/pulumi";
import type { FluxReadyInput, FluxReadyOutput } from "../host/drivers/flux-ready.ts";
import type { SeedImagesInput, SeedImagesOutput } from "../host/drivers/seed-images.ts";
import type { LabTemplate, Release } from "../lab-templates/types.ts";
import { siblingImage } from "../shared/image-paths.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { fluxRelease } from "../tools/manifest.ts";
import { grantLearnerAccess } from "./cluster/learner-access.ts";
import type { ClusterHandle } from "./cluster/types.ts";
import { clusterProvider } from "./cluster/providers.ts";
import { FluxBootstrap } from "./flux/bootstrap.ts";
import type { RepositoryHandle } from "./git/types.ts";
import { gitHost } from "./git/hosts.ts";
import type { LabHost } from "./lab-host.ts";
import { ManagedResource } from "./managed-resource.ts";
import type { ImageRepositoryHandle } from "./registry/types.ts";
import { imageRegistry } from "./registry/registries.ts";

/** Everything about one learner's lab that is known before anything is created. */
export interface LearnerPlan {
  readonly cohort: string;
  readonly learner: { readonly id: string; readonly name: string; readonly email: string };
  readonly cluster: { readonly kind: string; readonly nodes: "real" | "simulated" };
  readonly git: { readonly kind: string; readonly repository: string; readonly branch: string };
  readonly registry: { readonly kind: string; readonly image: string };
  readonly ports: { readonly from: number; readonly to: number };
  /** Of the credentials, see host/rotations.ts. */
  readonly generations: { readonly kubeconfig: number; readonly git: number; readonly registry: number };
  readonly template: LabTemplate;
  readonly parameters: unknown;
  readonly releases: readonly Release[];
}

export interface LearnerArgs {
  readonly plan: LearnerPlan;
  readonly host: LabHost;
}

type Wrapped<T> = { [K in keyof T]: pulumi.Input<T[K] extends string | boolean ? T[K] : T[K] extends object | undefined ? Wrapped<T[K]> : T[K]> };

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

    const cluster = clusterProvider(plan.cluster.kind).create(name, { cohort, learner: learner.id, ports: plan.ports, nodes: plan.cluster.nodes, generation: plan.generations.kubeconfig, host }, here);
    const images = imageRegistry(plan.registry.kind).createImageRepository(name, { cohort, learner: learner.id, image: plan.registry.image, generation: plan.generations.registry, host }, here);
    const access = { username: images.learner.username, password: images.learner.password, insecure: images.insecure, ...(images.accessFolder !== undefined && { accessFolder: images.accessFolder }), app: template.app(plan.parameters) };
    const seedOutputs = { digests: "plain", tags: "plain", repository: "plain", username: "plain", password: "secret", insecure: "plain", accessFolder: "plain" } as const;
    const seedImages = new ManagedResource<SeedImagesInput, SeedImagesOutput>(
      `${name}-seed-images`,
      {
        driver: "seed-images",
        type: "SeedImages",
        input: {
          ...access,
          repository: images.repository,
          releases: plan.releases.map((release) => ({ ...release, tags: template.environments.map((environment) => template.tag(environment, release)) })),
        },
        outputs: seedOutputs,
      },
      { ...here, dependsOn: [images.resource], deletedWith: images.resource },
    );
    for (const side of template.sideImages) {
      new ManagedResource<SeedImagesInput, SeedImagesOutput>(
        `${name}-seed-${side.name}`,
        {
          driver: "seed-images",
          type: "SideImages",
          input: { ...access, repository: images.repository.apply((path) => siblingImage(path, side.name)), releases: plan.releases.slice(0, 1).map((release) => ({ ...release, tags: side.tags })) },
          outputs: seedOutputs,
        },
        { ...here, dependsOn: [images.resource], deletedWith: images.resource },
      );
    }
    const repository = gitHost(plan.git.kind).createRepository(
      name,
      {
        cohort,
        learner,
        repository: plan.git.repository,
        branch: plan.git.branch,
        generation: plan.generations.git,
        host,
        seed: (url) =>
          pulumi.all([url, images.repository, seedImages.output.digests]).apply(([gitUrl, imageRepository, digests]) =>
            template.seed({ params: plan.parameters, learner, imageRepository, insecureRegistry: images.insecure, gitUrl, branch: plan.git.branch, gitHost: plan.git.kind, digests }),
          ),
      },
      here,
    );
    const pipeline = repository.runPipeline(`${name}-pipeline`, { cluster, images, environments: template.environments }, here);
    const flux = new FluxBootstrap(`${name}-flux`, { cluster, repository, branch: plan.git.branch, images, learner: learner.id, version: fluxRelease, pipeline }, here);
    const ready = new ManagedResource<FluxReadyInput, FluxReadyOutput>(
      `${name}-flux-ready`,
      {
        driver: "flux-ready",
        type: "FluxReady",
        input: {
          learner: learner.id,
          clusterId: cluster.clusterId,
          seedCommit: repository.seedCommit,
          kubeconfig: cluster.adminKubeconfig,
          git: pulumi.output({
            kind: plan.git.kind,
            url: repository.url,
            branch: plan.git.branch,
            username: repository.learner.username,
            password: repository.learner.password,
            seedCommit: repository.seedCommit,
          }),
          order: template.environments,
          timeoutSeconds: 300,
        },
        outputs: { environments: "plain", rollbackSha: "plain" },
      },
      { ...here, dependsOn: [flux.sync], deletedWith: cluster.resource },
    );
    grantLearnerAccess(name, cluster, this, [ready]);

    this.id = learner.id;
    this.simulated = cluster.simulated;
    this.outputs = {
      ...learner,
      cluster: {
        kind: plan.cluster.kind,
        id: cluster.clusterId,
        apiServer: cluster.apiServer,
        nodes: cluster.nodes,
        kubeconfig: cluster.learnerKubeconfig,
        adminKubeconfig: cluster.adminKubeconfig,
      },
      git: {
        kind: plan.git.kind,
        url: repository.url,
        branch: plan.git.branch,
        username: repository.learner.username,
        password: repository.learner.password,
        seedCommit: repository.seedCommit,
      },
      registry: {
        kind: plan.registry.kind,
        repository: images.repository,
        insecure: images.insecure,
        username: images.learner.username,
        password: images.learner.password,
      },
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
function opened({ opening, output }: LabHost, cluster: ClusterHandle, repository: RepositoryHandle, images: ImageRepositoryHandle): { readonly open?: Wrapped<NonNullable<LearnerOutputs["open"]>> } {
  if (opening === undefined) return {};
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
