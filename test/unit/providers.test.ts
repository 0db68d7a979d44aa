import { expect, test } from "vitest";
import { clusterProviders } from "../../clusters/providers.ts";
import { gitHosts } from "../../git-hosts/hosts.ts";
import { registries } from "../../registries/registries.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";

const wings = [
  ["clusters", clusterProviders],
  ["Git hosts", gitHosts],
  ["registries", registries],
] as const;

const twice = (names: readonly string[]) => names.filter((name, index) => names.indexOf(name) !== index);
const stepsOf = [
  ...clusterProviders.map(({ shown }) => shown.steps),
  ...gitHosts.map(({ shown }) => shown.steps),
  ...registries.map(({ steps }) => steps),
];

test.each(wings)("of %s each has a word of its own, and one is the lab host itself", (_, providers) => {
  expect(twice(providers.map(({ kind }) => kind))).toEqual([]);
  expect(providers.filter(isOnLabHost)).toHaveLength(1);
});

test.each(wings)("each of the %s says by its schema what it is called", (_, providers) => {
  for (const { kind, spec } of providers) {
    const problems = (word: string) => spec.safeParse({ kind: word }).error?.issues.map(({ path }) => path.join(".")) ?? [];
    expect(problems("another"), kind).toContain("kind");
    expect(problems(kind), kind).not.toContain("kind");
  }
});

test("no two have a Pulumi type of a step, or a kind of thing, in common", () => {
  expect(twice(stepsOf.flatMap((steps) => Object.keys(steps)))).toEqual([]);
  expect(twice([...clusterProviders, ...gitHosts].flatMap(({ things }) => Object.keys(things)))).toEqual([]);
  expect(twice(clusterProviders.map(({ type }) => type))).toEqual([]);
});

test("no two have a driver in common, but registries that are alike", () => {
  const each = [...clusterProviders, ...gitHosts, ...registries].map(({ drivers }) => drivers);
  expect([...new Set(twice(each.flatMap((drivers) => Object.keys(drivers))))]).toEqual(["oci-repository"]);
});

test.each(clusterProviders.map((provider) => [provider.kind, provider] as const))(
  "clusters of kind %s have both halves",
  async (_, one) => {
    expect((await one.upkeep()).conditions).toBeTypeOf("function");
    expect((await one.component()).create).toBeTypeOf("function");
  },
);

test.each(clusterProviders.filter(({ cloud }) => cloud !== undefined).map((provider) => [provider.kind, provider] as const))(
  "clusters of kind %s are not on this machine",
  (_, { place }) => expect(place).toEqual({ onThisMachine: false, reach: "none", ports: 0, holdsPortsAsleep: false }),
);
