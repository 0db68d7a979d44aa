import { isDeepStrictEqual } from "node:util";
import { fluxNamespace, type Environment } from "../../shared/names.ts";
import { backendName } from "../../verification/backend-deployment.ts";
import { proposalBranch } from "../../verification/promotion-record.ts";
import { printable } from "../../shared/printable.ts";
import { from, type Trouble } from "./judge-images.ts";
import type { RenderedKustomization, RenderedObject } from "./rendered.ts";

export interface WiringRules {
  /** Those that are promoted to. */
  readonly environments: readonly Environment[];
  /** The branch that Flux follows. */
  readonly branch: string;
}

/**
 * What learners may change of the objects that bring an image to an environment; the rest stays as the seed has it. All of
 * it decides when Flux acts, or which tag it proposes, and nothing of it what a proposal needs to be taken.
 */
const free: Readonly<Record<string, readonly string[]>> = {
  Kustomization: ["interval", "retryInterval", "timeout", "suspend", "wait", "force", "healthChecks", "healthCheckExprs", "deletionPolicy"],
  ImagePolicy: ["interval", "suspend", "filterTags"],
  // Where it pushes to is looked at apart.
  ImageUpdateAutomation: ["interval", "suspend", "git.commit", "git.push"],
  ImageRepository: [
    "interval",
    "timeout",
    "suspend",
    "secretRef",
    "certSecretRef",
    "proxySecretRef",
    "serviceAccountName",
    "insecure",
    "accessFrom",
    "exclusionList",
  ],
};

type Wire = Pick<RenderedObject, "apiVersion" | "kind" | "namespace" | "name" | "file"> & {
  readonly spec: Readonly<Record<string, unknown>>;
};

/** Where Flux would take what runs in an environment from elsewhere than the seed has it. */
export function wiringTroubles(
  kustomizations: readonly RenderedKustomization[],
  seed: readonly RenderedKustomization[],
  rules: WiringRules,
): Trouble[] {
  const wires = wiresOf(kustomizations);
  return [
    ...feedsOf(seed, rules.environments).flatMap((feed) => compare(feed, wires.filter(isSame(feed)), rules)),
    ...wires.filter(isLabs).map((wire) => ({
      key: `labs ${identity(wire)} ${JSON.stringify(wire.spec)}`,
      says: `${nameOf(wire)}${from(wire.file)} belongs to the lab: it says which branch and folder Flux starts from. Take it out of the repository.`,
    })),
  ];
}

/** Flux' own objects among what is applied. */
function wiresOf(kustomizations: readonly RenderedKustomization[]): Wire[] {
  return kustomizations.flatMap(({ objects }) =>
    objects.flatMap((object) => (object.spec === undefined ? [] : [{ ...object, spec: object.spec }])),
  );
}

/** The seed's objects that bring an image to one of the environments. */
function feedsOf(seed: readonly RenderedKustomization[], environments: readonly Environment[]): Wire[] {
  const reaches = ({ objects }: RenderedKustomization) => objects.some(({ namespace }) => environments.includes(namespace as Environment));
  const feeding = seed.filter(reaches);
  return wiresOf(seed).filter(({ kind, namespace, name }) => {
    if (kind === "Kustomization") return feeding.some((one) => one.namespace === namespace && one.name === name);
    if (kind === "ImageRepository") return namespace === fluxNamespace && name === backendName;
    return environments.includes(namespace as Environment);
  });
}

function compare(feed: Wire, found: readonly Wire[], rules: WiringRules): Trouble[] {
  const key = `wire ${identity(feed)}`;
  if (found.length === 0) {
    const says = `${nameOf(feed)} is gone, which the seed has in ${printable(feed.file)}: without it no promotion reaches its environment.`;
    return [{ key, says }];
  }
  return found.flatMap((wire) => {
    const changed = differences(feed, wire, rules);
    if (changed.length === 0) return [];
    const says =
      `${nameOf(wire)}${from(wire.file)} has another ${changed.map((field) => `\`${field}\``).join(", ")} than the seed: ` +
      "that decides what reaches its environment, and stays as it is.";
    return [{ key: `${key} ${JSON.stringify(wire.spec)}`, says }];
  });
}

/** The fields that differ and may not. */
function differences(feed: Wire, wire: Wire, rules: WiringRules): string[] {
  const [was, is] = [flat(feed), flat(wire)];
  const fields = [...new Set([...was.keys(), ...is.keys()])].filter((field) => !(free[feed.kind] ?? []).includes(field));
  const changed = fields.filter((field) => !isDeepStrictEqual(was.get(field), is.get(field)));
  if (wire.apiVersion !== feed.apiVersion) changed.unshift("apiVersion");
  if (feed.kind === "ImageUpdateAutomation" && !pushesToKnown(is.get("git.push"), feed.namespace as Environment, rules))
    changed.push("spec.git.push");
  return changed.map((field) => printable(field.startsWith("spec.") || field === "apiVersion" ? field : `spec.${field}`));
}

/** The fields of a spec, those of `git` one by one. */
function flat({ spec }: Wire): Map<string, unknown> {
  return new Map(
    Object.entries(spec).flatMap(([field, value]): [string, unknown][] =>
      field === "git" && typeof value === "object" && value !== null
        ? Object.entries(value).map(([name, one]) => [`git.${name}`, one])
        : [[field, value]],
    ),
  );
}

/** To the branch that Flux follows, where the gate looks at it as at every push; or as a proposal. */
function pushesToKnown(push: unknown, environment: Environment, { branch }: WiringRules): boolean {
  if (push === undefined) return true;
  return [branch, proposalBranch(environment)].some((target) => isDeepStrictEqual(push, { branch: target }));
}

function isLabs({ kind, namespace, name }: Wire): boolean {
  return namespace === fluxNamespace && name === fluxNamespace && (kind === "GitRepository" || kind === "Kustomization");
}

const isSame = (one: Wire) => (other: Wire) => identity(one) === identity(other);

/** Without the version, which is no other object. */
function identity({ apiVersion, kind, namespace, name }: Wire): string {
  return `${apiVersion.split("/")[0]} ${kind} ${namespace}/${name}`;
}

function nameOf({ kind, namespace, name }: Wire): string {
  return printable(`${kind} ${namespace}/${name}`);
}
