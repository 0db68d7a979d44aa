import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kindName, nodeOf } from "../../clusters/kind/config.ts";
import { ClusterSpec, clusterProvider, clusterProviders } from "../../clusters/providers.ts";
import { clusterLooks, sweepClusters } from "../../clusters/upkeep.ts";
import { loadDriver } from "../../drivers.ts";
import { labHost } from "../../host/drivers/lab-host.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { readInventory } from "../../ledger/inventory.ts";
import { lookForAll } from "../../ledger/looks.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { setupTools } from "../../tools/install.ts";
import { bringCluster, claimInput, type BroughtCluster } from "../support/brought-cluster.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { dockerAnswers, installFakeKind, type FakeKind } from "../support/kind-programs.ts";
import { useLabHome } from "../support/lab-home.ts";
import { readyCluster } from "../support/ready-cluster.ts";

/*
 * What every provider of clusters has to do for a lab, whichever it is: embedded for real; kind by the real program where a Docker
 * engine answers, else by a fake of it before a real API server; on a cluster that is there already, for real as far as that goes
 * without its pods. Clouds can't be had here: their graphs are looked at in test/components/clusters.test.ts.
 */
useLabHome();

const cohort = "port";
const ports = { from: 26000, to: 26999 };
const realKind = await dockerAnswers();
let plane: TestControlPlane | undefined;
let fake: FakeKind | undefined;
let there: BroughtCluster;

beforeAll(async () => {
  await setupTools();
  await labHost(sweepClusters).ensure({ cohort, ports });
  there = await bringCluster();
  if (realKind) return;
  plane = await startControlPlane(["etcd", "kube-apiserver"]);
  fake = await installFakeKind(plane.kubeconfig("admin"));
  await readyCluster(plane, nodeOf(kindName(cohort, "kim")));
}, 300_000);

afterAll(async () => {
  await labHost(sweepClusters).remove(cohort, { httpUrl: "", registry: "" });
  await fake?.remove();
  await plane?.remove();
  await there.remove();
}, 60_000);

interface Given {
  readonly learner: string;
  readonly driver: string;
  input(): Promise<Record<string, unknown>>;
}

const given: Readonly<Record<string, Given>> = {
  embedded: { learner: "emma", driver: "embedded-cluster", input: async () => ({ cohort, learner: "emma", ports }) },
  kind: {
    learner: "kim",
    driver: "kind-cluster",
    async input() {
      const { image, imageArchives } = ClusterSpec.parse({ kind: "kind" }) as Extract<ClusterSpec, { kind: "kind" }>;
      return { cohort, learner: "kim", ports, image, imageArchives };
    },
  },
  // What of a virtual cluster is Helm's, with its pods, is test/contract/virtual-cluster.test.ts' to try.
  shared: {
    learner: "sam",
    driver: "virtual-cluster-namespace",
    input: async () => ({ cohort, learner: "sam", kubeconfig: there.kubeconfig, name: "sam-1", labels: {} }),
  },
  external: { learner: "eve", driver: "external-cluster", input: async () => ({ ...(await claimInput(cohort, "eve", there.kubeconfig)) }) },
};

test("every provider is asked, but for those in a cloud", () =>
  expect(Object.keys(given)).toEqual(clusterProviders.flatMap(({ kind, cloud }) => (cloud === undefined ? [kind] : []))));

describe.each(Object.entries(given))("a cluster of kind %s", { timeout: 300_000 }, (kind, { learner, driver: name, input }) => {
  const provider = clusterProvider(kind);
  const told = async () => (await readInventory(cohort)).filter((item) => item.learner === learner);
  const seen = async () =>
    (await lookForAll(cohortPaths(cohort), await told(), { looks: clusterLooks, learner })).map(({ kind: of, id, sight }) => ({
      of,
      id,
      sight,
    }));
  let made: { readonly id: string; readonly output: Record<string, unknown> };

  test("is made by a driver of its provider, and noted so that it is found again", async () => {
    expect(Object.keys(provider.drivers)).toContain(name);
    expect(await told()).toEqual([]);
    made = await (await loadDriver(name)).ensure(await input());
    expect(made.output).toMatchObject({ learner });
    const found = await seen();
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(({ sight }) => sight.state !== "left")).toEqual([]);
    for (const { sight } of found) expect(sight).toMatchObject({ says: expect.stringMatching(/\S/), remove: expect.stringMatching(/\S/) });
    // Each kind of thing that only its provider makes is among what it has noted.
    const kinds = new Set(found.map(({ of }) => of));
    const own = Object.keys(provider.things).filter((one) => one !== "network");
    expect(own.filter((one) => !kinds.has(one as never))).toEqual([]);
  });

  test("made again is the same one, and is read as that", async () => {
    const driver = await loadDriver(name);
    expect(await driver.ensure(await input())).toEqual(made);
    expect(await driver.read(made.id, made.output)).toEqual(made.output);
  });

  test("answers to the administrator's kubeconfig that the lab has from then on", async () => {
    const { adminKubeconfig } = made.output;
    if (kind === "shared") return expect(adminKubeconfig).toBeUndefined();
    expect(await clusterClient(adminKubeconfig as string).lookReady()).toEqual({ done: true, value: undefined });
    expect(made.output["clusterId"]).toMatch(/\S/);
  });

  test("removed is gone, by whatever was noted, and may be removed again", async () => {
    const driver = await loadDriver(name);
    await driver.remove(made.id, made.output);
    expect((await seen()).filter(({ sight }) => sight.state !== "gone")).toEqual([]);
    expect(await driver.read(made.id, made.output)).toBeUndefined();
    await driver.remove(made.id, made.output);
    await (await provider.upkeep()).sweep?.(cohort, [learner]);
  });

  test("can be made once more, with nothing of the one before", async () => {
    const driver = await loadDriver(name);
    const again = await driver.ensure(await input());
    expect(again.id).toBe(made.id);
    await driver.remove(again.id, again.output);
    expect((await seen()).filter(({ sight }) => sight.state !== "gone")).toEqual([]);
  });
});
