import * as pulumi from "@pulumi/pulumi";
import { kubeconfigFor } from "../../shared/kubeconfig.ts";
import { realCluster, whenReady } from "../../components/cluster/real-cluster.ts";
import type { ClusterArgs, ClusterHandle } from "../../components/ports/cluster.ts";

/** A program that logs in to a cloud's cluster whenever somebody does, so that no credential is kept. */
export interface LoginProgram {
  readonly command: string;
  readonly args: readonly pulumi.Input<string>[];
  readonly env?: Readonly<Record<string, string>>;
  /** One or two sentences: how to install it and how to log in anew. */
  readonly hint: string;
}

export interface CloudClusterParts {
  /** The cluster in the cloud. */
  readonly resource: pulumi.CustomResource;
  /** The nodes and what else must be there before pods run. */
  readonly nodes: pulumi.Resource;
  /** What the cluster is called in messages, e.g. `GKE cluster ada-1234`. */
  readonly place: pulumi.Input<string>;
  /** With https://. */
  readonly server: pulumi.Output<string>;
  /** In base64. */
  readonly ca: pulumi.Output<string>;
  readonly login: LoginProgram;
  readonly fluxImages: string | undefined;
}

/** What the clusters of all clouds have in common, once the cloud's own resources are declared. */
export function cloudCluster(name: string, args: ClusterArgs, parent: pulumi.Resource, parts: CloudClusterParts): ClusterHandle {
  const { command, env = {}, hint } = parts.login;
  const adminKubeconfig = pulumi.secret(
    pulumi.all([parts.server, parts.ca, pulumi.all([...parts.login.args])]).apply(([server, ca, loginArgs]) =>
      kubeconfigFor(
        `${args.cohort}-${args.learner}`,
        { server, "certificate-authority-data": ca },
        {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1beta1",
            command,
            args: loginArgs,
            env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
            installHint: hint,
            interactiveMode: "Never",
            provideClusterInfo: false,
          },
        },
      ),
    ),
  );
  return realCluster(name, args, parent, {
    resource: parts.resource,
    apiServer: parts.server,
    fluxImages: parts.fluxImages,
    ...whenReady(name, args, parent, {
      resource: parts.resource,
      place: parts.place,
      kubeconfig: adminKubeconfig,
      dependsOn: [parts.nodes],
    }),
  });
}
