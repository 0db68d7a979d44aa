import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { clusterProviders } from "../clusters/providers.ts";
import type { Thing } from "../ledger/inventory.ts";
import type { Sight } from "../ledger/sight.ts";
import { noteRemainder } from "../ledger/remainders.ts";
import type { InState } from "./stack.ts";
import { nameIn, typeIn } from "../shared/urn.ts";

/* A run has begun to tell of itself before it needs the stack. */
const loadStack = () => import("./stack.ts");

const clouds = clusterProviders.flatMap(({ kind, cloud }) => (cloud === undefined ? [] : [{ kind, ...cloud }]));

function cloudOf({ urn }: InState): (typeof clouds)[number] | undefined {
  const type = typeIn(urn);
  return clouds.find(({ plugin }) => type.startsWith(`${plugin.name}:`));
}

const typeAndName = (urn: string) => `${typeIn(urn)} ${nameIn(urn)}`;

/** What the state says that the cohort has in a cloud. */
export async function cloudThings(stack: Stack): Promise<Thing[]> {
  const { resources } = await (await loadStack()).readResources(stack);
  return resources
    .filter((one) => cloudOf(one) !== undefined)
    .map(({ urn, id }) => ({
      kind: "cloud-resource",
      id: id === undefined || id === "" ? urn : `${cloudOf({ urn })?.kind}/${id}`,
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
        `${typeAndName(one.urn)}, perhaps: a run was killed while it was made, and only the cloud knows. \`${cloud.search(stack.name)}\` lists what there is of the cohort; remove it there`,
      );
  }
}
