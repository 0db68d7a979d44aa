import * as pulumi from "@pulumi/pulumi";
import type { imageRepository } from "./repository.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { requireDoor, requireHost } from "../../components/lab-host.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import type { ImageRepositoryArgs, ImageRepositoryHandle, Registry } from "../../components/ports/registry.ts";

/** A path in the cohort's registry on the lab host. */
export const component: Registry = {
  createImageRepository: (name, args, options) => new EmbeddedImageRepository(name, args, options),
};

class EmbeddedImageRepository extends pulumi.ComponentResource implements ImageRepositoryHandle {
  readonly resource: pulumi.Resource;
  readonly repository: pulumi.Output<string>;
  readonly local?: pulumi.Output<string>;
  readonly authority?: pulumi.Output<string>;
  readonly insecure: boolean;
  readonly takesJobToken = false;
  readonly shared = false;
  readonly openRepository?: pulumi.Output<string>;
  readonly accessFolder: string;
  readonly learner: ImageRepositoryHandle["learner"];
  readonly flux: ImageRepositoryHandle["flux"];
  readonly pipeline: ImageRepositoryHandle["pipeline"];

  constructor(name: string, args: ImageRepositoryArgs, options: pulumi.ComponentResourceOptions) {
    super("gitops-lab:registry:Embedded", name, {}, options);
    const host = requireHost(args.host);
    const path = new ManagedResource<typeof imageRepository>(
      `${name}-images`,
      {
        driver: "image-repository",
        type: "ImageRepository",
        input: {
          cohort: args.cohort,
          learner: args.learner,
          name: args.image,
          registry: host.output.registry,
          ...(args.generation > 0 && { generation: args.generation }),
        },
        outputs: {
          repository: "plain",
          username: "plain",
          password: "secret",
          fluxUsername: "plain",
          fluxPassword: "secret",
          pipelineUsername: "plain",
          pipelinePassword: "secret",
        },
      },
      { parent: this, dependsOn: [host, ...args.after] },
    );
    this.resource = path;
    this.repository = path.output.repository;
    this.insecure = args.via === "loopback";
    if (host.opening)
      this.openRepository = pulumi.interpolate`${host.output.open.apply((open) => open?.registry)}/${args.learner}/${args.image}`;
    if (args.via === "door") {
      const door = requireDoor(host);
      this.local = path.output.repository;
      this.repository = pulumi.interpolate`${door.registry}/${args.learner}/${args.image}`;
      this.authority = door.ca;
    }
    this.accessFolder = cohortPaths(args.cohort).learner(args.learner).access;
    this.learner = { username: path.output.username, password: path.output.password };
    this.flux = { username: path.output.fluxUsername, password: path.output.fluxPassword };
    this.pipeline = { username: path.output.pipelineUsername, password: path.output.pipelinePassword };
    this.registerOutputs({});
  }
}
