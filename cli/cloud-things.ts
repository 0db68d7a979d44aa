import type { Stack } from "@pulumi/pulumi/automation/index.js";
import type { Thing } from "../ledger/inventory.ts";
import type { Sight } from "../ledger/sight.ts";
import { noteRemainder } from "../ledger/remainders.ts";
import { cloudPlugins, isCloudKind, type CloudKind } from "../shared/cloud-plugins.ts";
import { cohortLabel } from "../shared/names.ts";
import type { InState } from "./stack.ts";
import { nameIn, typeIn } from "./urn.ts";

/* A run has begun to tell of itself before it needs the stack. */
const loadStack = () => import("./stack.ts");

/** Lists what carries the cohort's mark in a cloud; see components/cluster/marks.ts. */
const searches: Readonly<Record<CloudKind, (cohort: string) => string>> = {
  gke: (cohort) => `gcloud asset search-all-resources --query=labels.${cohortLabel}=${cohort}`,
  eks: (cohort) => `aws resourcegroupstaggingapi get-resources --tag-filters Key=${cohortLabel},Values=${cohort}`,
  doks: (cohort) => `doctl compute tag get ${cohortLabel}:${cohort}`,
};

function cloudOf({ urn }: InState): CloudKind | undefined {
  const type = typeIn(urn);
  return Object.keys(cloudPlugins)
    .filter(isCloudKind)
    .find((kind) => type.startsWith(`${cloudPlugins[kind].name}:`));
}

const typeAndName = (urn: string) => `${typeIn(urn)} ${nameIn(urn)}`;

/** What the state says that the cohort has in a cloud. */
export async function cloudThings(stack: Stack): Promise<Thing[]> {
  const { resources } = await (await loadStack()).readResources(stack);
  return resources
    .filter((one) => cloudOf(one) !== undefined)
    .map(({ urn, id }) => ({
      kind: "cloud-resource",
      id: id === undefined || id === "" ? urn : `${cloudOf({ urn })}/${id}`,
      name: typeAndName(urn),
    }));
}

/**
 * Looks for what is in a cloud by the state, from which Pulumi takes a thing when the cloud has said that it is gone. The
 * cloud itself is not asked: each has another way of that.
 */
export function cloudLook(left: readonly Thing[], cohort: string): (thing: Thing) => Sight {
  const ids = new Set(left.map(({ id }) => id));
  return ({ id, name = id }) =>
    ids.has(id) ? { state: "left", says: `${name} (${id})`, remove: `./lab down ${cohort}` } : { state: "gone" };
}

/**
 * Notes what was being made in a cloud when a run was killed: the cloud may have it, and the state will not know. To be
 * called before the state forgets that, too.
 */
export async function noteUncertain(stack: Stack): Promise<void> {
  const { creating } = await (await loadStack()).readResources(stack);
  for (const one of creating) {
    const cloud = cloudOf(one);
    if (cloud !== undefined)
      await noteRemainder(
        stack.name,
        `${typeAndName(one.urn)}, perhaps: a run was killed while it was made, and only the cloud knows. \`${searches[cloud](stack.name)}\` lists what there is of the cohort; remove it there`,
      );
  }
}
