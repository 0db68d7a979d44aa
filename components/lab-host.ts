import type * as pulumi from "@pulumi/pulumi";
import type { labHost, LabHostInput, LabHostOutput, OpenedHost } from "../host/drivers/lab-host.ts";
import type { Opening } from "../shared/opening.ts";
import { ManagedResource } from "./managed-resource.ts";

/** The cohort's daemon and registry on this machine; everything embedded depends on it. */
export class LabHost extends ManagedResource<ReturnType<typeof labHost>, Required<LabHostOutput>> {
  /** Where the cohort is opened beside loopback; undefined where it is not, and then there is no output `open`. */
  readonly opening: Opening | undefined;
  /** Of each learner. */
  readonly limits: LabHostInput["limits"];

  constructor(name: string, input: LabHostInput, options: pulumi.CustomResourceOptions = {}) {
    super(name, { driver: "lab-host", type: "LabHost", input, outputs: { httpUrl: "plain", registry: "plain", open: "plain" } }, options);
    this.opening = input.opening;
    this.limits = input.limits;
  }
}

/** The lab host of a cohort in which something is embedded. */
export function requireHost(host: LabHost | undefined): LabHost {
  if (host === undefined) throw new Error("something embedded was planned for a cohort without a lab host");
  return host;
}

/** What clusters of their own come by to what is embedded: the opened address; stacks/reach.ts has seen to it that there is one. */
export function requireDoor({ opening, output }: LabHost): pulumi.OutputInstance<OpenedHost> & pulumi.Lifted<OpenedHost> {
  if (opening === undefined) throw new Error("a cluster was planned to come by the opened address of a cohort that has none");
  return output.open as pulumi.OutputInstance<OpenedHost> & pulumi.Lifted<OpenedHost>;
}
