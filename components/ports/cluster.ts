import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Isolation } from "../../shared/outputs.ts";
import type { LabHost } from "../lab-host.ts";
import type { Kinded } from "./kinded.ts";

/** How long a lab is to be there; the same for as long as it is. */
export interface Lifetime {
  /** Since when the cohort is there. */
  readonly cohortSince: Date;
  /** Until when the cohort is. */
  readonly cohortUntil: Date;
  /** Since when the learner's lab is, as far as it has a time of its own. */
  readonly since: Date;
  /** As in the cohort file: `14d`. */
  readonly ttl: string;
  readonly until: Date;
}

export interface ClusterArgs<Plan extends Kinded = Kinded> {
  readonly cohort: string;
  readonly learner: string;
  /** What the cohort file says of the cluster. */
  readonly plan: Plan;
  readonly ports: { readonly from: number; readonly to: number };
  /** Of the kubeconfigs, see ledger/rotations.ts; only what is embedded is rotated. */
  readonly generation: number;
  readonly lifetime: Lifetime;
  /** Whether what is embedded runs in a room of the learner's own. */
  readonly isolation: Isolation;
  /** Absent in a cohort in which nothing is embedded. */
  readonly host: LabHost | undefined;
  /** What the provider's `foundation` made. */
  readonly foundation: unknown;
}

/** Narrow port: the Pulumi half of a kind of cluster. */
export interface ClusterComponent<Plan extends Kinded = Kinded> {
  /** What the clusters of one place share, such as a network. Absent where they share nothing. */
  readonly foundation?: {
    /** Names the place, in the form of a DNS label; clusters with one name share one foundation. */
    place(plan: Plan): string;
    create(name: string, args: FoundationArgs<Plan>): unknown;
  };
  create(name: string, args: ClusterArgs<Plan>, options: pulumi.ComponentResourceOptions): ClusterHandle;
}

export interface FoundationArgs<Plan extends Kinded = Kinded> {
  readonly cohort: string;
  readonly plan: Plan;
  readonly lifetime: Lifetime;
}

export interface ClusterHandle {
  /** What every object in the cluster names as `deletedWith`: with the cluster they are all gone. */
  readonly resource: pulumi.Resource;
  /** Whether a place that others have as well is the learner's: nothing of theirs is made before. Absent where a place is the lab's alone. */
  readonly claim?: pulumi.Resource;
  /**
   * Labels of whatever the lab makes in the cluster outside of a namespace, and of its namespaces. Absent where all of that goes
   * with the cluster; where the cluster stays, they tell what of it is to go.
   */
  readonly marks?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Changes only when the cluster is made anew. */
  readonly clusterId: pulumi.Output<string>;
  readonly apiServer: pulumi.Output<string>;
  readonly nodes: "real" | "simulated";
  /** What stands in for the real thing here, a sentence each. */
  readonly simulated: readonly string[];
  readonly adminKubeconfig: pulumi.Output<string>;
  readonly learnerKubeconfig: pulumi.Output<string>;
  /** The same for learners beyond this machine; only where the cohort is opened. */
  readonly open?: { readonly apiServer: pulumi.Output<string>; readonly kubeconfig: pulumi.Output<string> };
  readonly kubernetes: k8s.Provider;
  /** The group in which the cluster finds the learner. */
  readonly learnerGroup: string;
  /** User name that the Flux controllers have in the cluster; undefined where they run as Deployments, with accounts of their own. */
  readonly fluxUser: string | undefined;
  readonly fluxControllers: "host-process" | "deployment";
  /**
   * Starts the Flux controllers, once their CRDs and rights are there.
   *
   * @param follows URLs of the repository and images that they follow, for there may be no other way out
   */
  runFlux(name: string, follows: readonly pulumi.Output<string>[], options: pulumi.CustomResourceOptions): pulumi.Resource;
}

/** The metadata of something that stands in the cluster for itself: a namespace, or what is in none. */
export function markedMetadata({ marks }: Pick<ClusterHandle, "marks">, name: string): k8s.types.input.meta.v1.ObjectMeta {
  return { name, ...(marks && { labels: marks }) };
}

/** Options of an object in the cluster: its own provider, never a default one, and gone with the cluster. */
export function inCluster(
  cluster: Pick<ClusterHandle, "kubernetes" | "resource">,
  parent: pulumi.Resource,
  dependsOn: pulumi.Resource[] = [],
): pulumi.CustomResourceOptions {
  return { parent, provider: cluster.kubernetes, deletedWith: cluster.resource, dependsOn };
}
