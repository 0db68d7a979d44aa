import type { z } from "zod";
import type { ClusterComponent } from "../components/ports/cluster.ts";
import type { Kinded } from "../components/ports/kinded.ts";
import type { Drivers } from "../host/driver.ts";
import type { Condition } from "../host/room/trials.ts";
import type { Kind } from "../ledger/inventory.ts";
import type { Look } from "../ledger/sight.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import type { StepName } from "../shared/step-name.ts";
import type { Purpose } from "../tools/tool.ts";
import type { ResourcePlugin } from "../tools/resource-plugin.ts";
import type { ProviderCondition } from "./condition.ts";
import type { LabCosts } from "./costs.ts";

/** How pods run: on a node, or played by one that runs none. */
export type Pods = "real" | "simulated";

/**
 * What the rest of the house may know of a kind of cluster; everything else stays in its folder. Such an object is data, pure
 * functions, and halves that are loaded when they are asked for.
 *
 * @typeParam Plan like the spec, with every choice taken
 */
export interface ClusterProvider<Spec extends Kinded = Kinded, Plan extends Kinded = Spec> {
  /** The word in the cohort file, in names of resources and in outputs. */
  readonly kind: Spec["kind"];
  /** Pulumi type of a cluster, as states have it. */
  readonly type: string;
  /** Its fields in the cohort file: a strict object with `kind`. */
  readonly spec: z.ZodType<Spec>;
  /** @param learner whose cluster it is to be */
  plan(spec: Spec, found: Found, learner: string): Plan;
  pods(plan: Plan): Pods;
  readonly place: Place;
  /** What set-up brings for such a cluster. */
  purposes(plan: Plan): readonly Purpose[];
  readonly shown: Shown;
  /** What a learner takes of this machine, as measured; absent where nobody has. */
  costs?(pods: Pods): LabCosts;
  /** Absent where no cloud sends a bill. */
  readonly cloud?: InCloud<Plan>;
  readonly drivers: Drivers;
  /** What its teardown lists, and how each is found again. None of these takes a credential of the stack's. */
  readonly things: Readonly<Partial<Record<Kind, ThingKind>>>;
  upkeep(): Promise<ClusterUpkeep<Plan>>;
  /** Its Pulumi half, for the program alone. */
  component(): Promise<ClusterComponent<Plan>>;
}

/** What a plan takes from the machine. */
export interface Found {
  /** What `auto` means here. */
  readonly nodes: Pods;
}

export interface Place {
  /** Whether it stands on this machine: its driver notes since when it is there, and its making keeps a core busy. */
  readonly onThisMachine: boolean;
  /** Which address its pods use for what the lab host serves: loopback, the one that `access` opens, or none. */
  readonly reach: "loopback" | "door" | "none";
  /** How many ports of this machine it leases for a learner. */
  readonly ports: number;
  /** Whether something listens on these although no process of the cohort runs, as Docker does. */
  readonly holdsPortsAsleep: boolean;
}

/** What people are told of it. */
export interface Shown {
  /** The steps that an instructor waits for, by Pulumi type. */
  readonly steps: Readonly<Record<string, StepName>>;
  /** What it is called, where its word alone says too little. */
  title?(pods: Pods): string;
  /** A sentence that helps with a failure that the engine told; undefined where none is known. */
  remedy?(message: string): string | undefined;
}

export interface ThingKind {
  readonly look: Look;
  /** Where somebody else has one of these, the lab's own is gone for good: nobody can have moved it away. */
  readonly passing?: true;
}

export interface InCloud<Plan extends Kinded = Kinded> {
  /** Pulumi's plugin for the cloud. The types of all that it makes begin with its name. */
  readonly plugin: ResourcePlugin;
  /** The command that lists what carries the cohort's mark there. */
  search(cohort: string): string;
  readonly prices: Prices<Plan>;
}

/** List prices in US dollars, see cloud/prices.ts. */
export interface Prices<Plan extends Kinded = Kinded> {
  /** Their year and month. */
  readonly asOf: string;
  readonly source: string;
  /** An hour of what a cohort shares. */
  readonly foundation: number;
  /** The type of its nodes. */
  machine(plan: Plan): string;
  /** An hour of a cluster; undefined where the table does not know its nodes. */
  hour(plan: Plan): number | undefined;
}

/** A learner who has a cluster of a kind. */
export interface Handed {
  readonly id: string;
  readonly cluster: Kinded;
}

/** What this machine does for the clusters of one provider beside Pulumi's work. */
export interface ClusterUpkeep<Plan extends Kinded = Kinded> {
  /**
   * What such a cluster needs besides the tools of every lab, and whether it is there. Creates nothing and asks no cloud.
   *
   * @param plans what a cohort wants of it; none where nobody asks for a cohort
   */
  conditions(plans: readonly Plan[], env?: NodeJS.ProcessEnv): Promise<readonly ProviderCondition[]>;
  /** What these specs of a cohort find here. Throws LabError where what is asked for can't be. */
  choose?(cohort: string, specs: readonly Kinded[]): Promise<Chosen>;
  /** What pods need of this machine to run for real, where that is a choice. */
  realPods?(): Promise<readonly Condition[]>;
  /**
   * Starts what stands still.
   *
   * @param tell hears whose were started, and of a failure, which is one learner's alone
   */
  start?(cohort: string, tell: (sentence: string) => void): Promise<void>;
  /** Whether something that was made of these learners' clusters is there no more. */
  isGone?(cohort: string, learners: readonly Handed[]): Promise<boolean>;
  /** Of whom a rotation was cut short after the cluster had taken the new credentials. */
  halfRotated?(cohort: string, learners: readonly LearnerOutputs[]): Promise<readonly string[]>;
  /** Removes what these learners, or all of a cohort, have on this machine beside its processes, whatever the state knows. Gone is a success. */
  sweep?(cohort: string, learners?: readonly string[]): Promise<void>;
}

export interface Chosen extends Found {
  /** Why it is not what `auto` would rather have. */
  readonly because?: string;
}
