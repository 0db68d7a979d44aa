import * as pulumi from "@pulumi/pulumi";
import type { ociRepository } from "./repository.ts";
import { siblingImage } from "../../shared/image-paths.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import type { ImageRepositoryArgs, ImageRepositoryHandle, Registry } from "../../components/ports/registry.ts";
import type { GhcrSettings, OciSettings } from "./spec.ts";

type Settings = OciSettings | GhcrSettings;

/** A path of a registry elsewhere, by one credential of the cohort: `<url>/<cohort>-<learner>/<image>`. */
export const component: Registry<Settings> = {
  createImageRepository: (name, args, options) => new OciImageRepository(name, args, options),
};

class OciImageRepository extends pulumi.ComponentResource implements ImageRepositoryHandle {
  readonly resource: pulumi.Resource;
  readonly repository: pulumi.Output<string>;
  readonly insecure: boolean;
  readonly takesJobToken: boolean;
  readonly shared = true;
  readonly learner: ImageRepositoryHandle["learner"];
  readonly flux: ImageRepositoryHandle["flux"];
  readonly pipeline: ImageRepositoryHandle["pipeline"];

  constructor(
    name: string,
    { cohort, learner, image, settings, siblings, after }: ImageRepositoryArgs<Settings>,
    options: pulumi.ComponentResourceOptions,
  ) {
    super("gitops-lab:registry:Oci", name, {}, options);
    const { protocol, host, pathname } = new URL(settings.url);
    this.insecure = protocol === "http:";
    this.takesJobToken = host === "ghcr.io";
    const config = new pulumi.Config();
    const password = config.requireSecret("registryPassword");
    // Who may only pull, where the registry has such a user; else the one credential does for both.
    const pull =
      settings.pullUsername === undefined
        ? { username: settings.username, password }
        : { username: settings.pullUsername, password: config.requireSecret("registryPullPassword") };
    const path = `${host}${pathname.replace(/\/$/, "")}/${cohort}-${learner}/${image}`;
    const repository = new ManagedResource<typeof ociRepository>(
      `${name}-images`,
      {
        driver: "oci-repository",
        type: "OciRepository",
        input: {
          cohort,
          learner,
          repository: path,
          siblings: siblings.map((sibling) => siblingImage(path, sibling)),
          username: settings.username,
          password,
          insecure: this.insecure,
        },
        outputs: { cohort: "plain", siblings: "plain", repository: "plain", username: "plain", password: "secret", insecure: "plain" },
      },
      { parent: this, dependsOn: [...after] },
    );
    this.resource = repository;
    this.repository = repository.output.repository;
    this.learner = { username: pulumi.output(pull.username), password: pull.password };
    this.flux = this.learner;
    this.pipeline = { username: pulumi.output(settings.username), password };
    this.registerOutputs({});
  }
}
