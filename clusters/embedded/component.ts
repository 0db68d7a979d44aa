import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { embeddedCluster, EmbeddedClusterOutput } from "./cluster.ts";
import type { fluxControllers } from "./flux-controllers.ts";
import { fluxRelease } from "../../tools/manifest.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";
import { requireHost } from "../../components/lab-host.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import { learnersGroup } from "../../components/cluster/learner-access.ts";
import type { ClusterArgs, ClusterComponent, ClusterHandle } from "../../components/ports/cluster.ts";
import type { EmbeddedPlan } from "./spec.ts";

/** A control plane as processes of the lab host, with a simulated or a real node. */
export const component: ClusterComponent<EmbeddedPlan> = {
  create: (name, args, options) => new EmbeddedCluster(name, args, options),
};

class EmbeddedCluster extends pulumi.ComponentResource implements ClusterHandle {
  readonly resource: pulumi.Resource;
  readonly clusterId: pulumi.Output<string>;
  readonly apiServer: pulumi.Output<string>;
  readonly nodes: "real" | "simulated";
  readonly simulated: readonly string[];
  readonly adminKubeconfig: pulumi.Output<string>;
  readonly learnerKubeconfig: pulumi.Output<string>;
  readonly open?: NonNullable<ClusterHandle["open"]>;
  readonly kubernetes: k8s.Provider;
  readonly learnerGroup = learnersGroup;
  readonly fluxUser = "gitops-lab:flux";
  readonly fluxControllers = "host-process";
  readonly #args: ClusterArgs<EmbeddedPlan>;

  constructor(name: string, args: ClusterArgs<EmbeddedPlan>, options: pulumi.ComponentResourceOptions) {
    super("gitops-lab:cluster:Embedded", name, {}, options);
    this.#args = args;
    const host = requireHost(args.host);
    this.nodes = args.plan.nodes;
    this.simulated =
      this.nodes === "real" ? [] : ["Pods are simulated: kwok reports the status that a kubelet would report and no container runs."];
    const controlPlane = new ManagedResource<typeof embeddedCluster, Required<EmbeddedClusterOutput>>(
      `${name}-control-plane`,
      {
        driver: "embedded-cluster",
        type: "EmbeddedCluster",
        // What is left out is as it was before there was a choice, so a cluster of such a state is not another one.
        input: {
          cohort: args.cohort,
          learner: args.learner,
          ports: args.ports,
          ...(this.nodes === "real" && { nodes: this.nodes }),
          isolation: args.isolation,
          ...(host.limits && { limits: host.limits }),
          ...(args.generation > 0 && { generation: args.generation }),
          ...(host.opening && { openName: host.opening.name }),
        },
        outputs: {
          cohort: "plain",
          learner: "plain",
          clusterId: "plain",
          apiServer: "plain",
          adminKubeconfig: "secret",
          learnerKubeconfig: "secret",
          openApiServer: "plain",
          openKubeconfig: "secret",
        },
      },
      { parent: this, dependsOn: [host] },
    );
    this.resource = controlPlane;
    this.clusterId = controlPlane.output.clusterId;
    this.apiServer = controlPlane.output.apiServer;
    this.adminKubeconfig = controlPlane.output.adminKubeconfig;
    this.learnerKubeconfig = controlPlane.output.learnerKubeconfig;
    if (host.opening) {
      this.open = { apiServer: controlPlane.output.openApiServer, kubeconfig: controlPlane.output.openKubeconfig };
    }
    this.kubernetes = new k8s.Provider(
      `${name}-kubernetes`,
      {
        kubeconfig: controlPlane.output.adminKubeconfig,
        // Without it a changed kubeconfig replaces the provider and with it every object of the cluster.
        clusterIdentifier: `embedded/${args.cohort}/${args.learner}`,
        // The API server is on this machine: when it cannot be reached it is gone, not beyond a broken network. The official
        // plugin takes refused credentials for that as well, so with it only `./lab up` says so, where nobody listens.
        deleteUnreachable: pluginChoice("kubernetes").implementation === "fallback",
        // After an interrupted run, what the state does not know of is taken over; the official plugin refuses by default.
        upsertExistingObjects: true,
        // Who took an object over would else be refused its fields, by what the run before had called itself. The cluster is
        // the lab's own, and so is every object that the program names: docs/kubernetes-plugin.md weighs it.
        enablePatchForce: true,
        // A rotated password changes its Secret; by default both plugins would delete and recreate it.
        enableSecretMutable: true,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }

  runFlux(name: string, follows: readonly pulumi.Output<string>[], options: pulumi.CustomResourceOptions): pulumi.Resource {
    return new ManagedResource<typeof fluxControllers>(
      name,
      {
        driver: "flux-controllers",
        type: "FluxControllers",
        input: {
          cohort: this.#args.cohort,
          learner: this.#args.learner,
          ports: this.#args.ports,
          clusterId: this.clusterId,
          version: fluxRelease,
          isolation: this.#args.isolation,
          follows: pulumi.all([...follows]),
        },
        outputs: { cohort: "plain", learner: "plain" },
      },
      { ...options, deletedWith: this.resource },
    );
  }
}
