import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { doorStatus } from "../../host/processes/client.ts";
import { ownAddresses } from "../../host/doors/address.ts";
import type { Driver } from "../../host/driver.ts";
import { embeddedCluster } from "../../clusters/embedded/cluster.ts";
import { kindCluster } from "../../clusters/kind/cluster.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { labHost } from "../../host/drivers/lab-host.ts";
import { containersOf } from "../../clusters/kind/cli.ts";
import { hostsToml, kindFolder, kindName, nodeOf } from "../../clusters/kind/config.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { ClusterSpec } from "../../clusters/providers.ts";
import { run } from "../../shared/exec.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { dockerAnswers, installFakeKind, type FakeKind } from "../support/kind-programs.ts";
import { useLabHome } from "../support/lab-home.ts";
import { readyCluster } from "../support/ready-cluster.ts";
import { cohortPaths } from "../../shared/paths.ts";

/*
 * What a driver of clusters must do, over the embedded one, made for real, and over kind: by the real program where a Docker
 * engine answers, else by a fake of it in front of a real API server. The test's name says which of the two it was.
 */
useLabHome();

const cohort = "drivers";
const ports = { from: 26000, to: 26999 };
const realKind = await dockerAnswers();
// A node comes to an address that is not loopback; the fake one comes to anything.
const listen = realKind ? ownAddresses()[0]! : "127.0.0.2";

let plane: TestControlPlane | undefined;
let fake: FakeKind | undefined;

beforeAll(async () => {
  const { open } = (await labHost(sweepClusters).ensure({ cohort, ports, opening: { listen, name: listen } })).output;
  Object.assign(registry, { host: open!.registry, ca: open!.ca });
  if (realKind) return;
  plane = await startControlPlane(["etcd", "kube-apiserver"]);
  fake = await installFakeKind(plane.kubeconfig("admin"));
  await readyCluster(plane, nodeOf(kindName(cohort, "kim")));
}, 180_000);

afterAll(async () => {
  await labHost(sweepClusters).remove(cohort, { httpUrl: "", registry: "" });
  await fake?.remove();
  await plane?.remove();
}, 60_000);

interface Made {
  readonly clusterId: string;
  readonly apiServer: string;
  readonly adminKubeconfig: string;
}
type ClusterDriver = Driver<Record<string, unknown>, Made & Record<string, unknown>>;

/** As the lab's own; told to the nodes. */
const registry = { host: "", ca: "" };
const { image, imageArchives } = ClusterSpec.parse({ kind: "kind" }) as Extract<ClusterSpec, { kind: "kind" }>;
const drivers: readonly (readonly [string, ClusterDriver, Record<string, unknown>])[] = [
  ["embedded", embeddedCluster as unknown as ClusterDriver, { cohort, learner: "emma", ports, openName: listen }],
  [
    realKind ? "kind by the real program" : "kind by a fake program, for no Docker engine answers here",
    kindCluster as unknown as ClusterDriver,
    { cohort, learner: "kim", ports, image, imageArchives, registry, openName: listen },
  ],
];

describe.each(drivers)("a cluster made by %s", { timeout: 600_000 }, (name, driver, input) => {
  test("is there once, answers to its kubeconfig, is found, and goes without a trace", async () => {
    const made = await driver.ensure(input);
    expect(made.output.apiServer).toMatch(/^https:\/\/127\.0\.0\.1:26\d{3}$/);
    expect(await clusterClient(made.output.adminKubeconfig).lookReady()).toEqual({ done: true, value: undefined });
    expect(made.output["openApiServer"]).toBe(made.output.apiServer.replace("127.0.0.1", listen));
    expect((await doorStatus(cohortPaths(cohort))).map((door) => door.name)).toEqual(["web", `${input["learner"]}/api`]);
    expect(await driver.ensure(input)).toEqual(made);
    expect(await driver.read(made.id, made.output)).toEqual(made.output);

    await driver.remove(made.id, made.output);
    expect(await driver.read(made.id, made.output)).toBeUndefined();
    expect((await doorStatus(cohortPaths(cohort))).map((door) => door.name)).toEqual(["web"]);
    await driver.remove(made.id, made.output);

    const again = await driver.ensure(input);
    expect(again.id).toBe(made.id);
    // Behind the fake there is one API server, which stays.
    if (!name.includes("fake")) expect(again.output.clusterId).not.toBe(made.output.clusterId);
    await driver.remove(again.id, again.output);
  });
});

test("a kind cluster that was stopped is started, and one that vanished is made anew", { timeout: 600_000 }, async () => {
  const [, driver, input] = drivers[1]!;
  const made = await driver.ensure(input);
  const name = kindName(cohort, "kim");
  const containers = async () => containersOf(name, { learner: "kim", step: "look" });
  const [before] = await containers();
  await run("docker", ["stop", before!.id], { reject: false });
  if (fake !== undefined) await fake.setState({ [name]: [{ ...before!, state: "exited" }] });
  await driver.ensure(input);
  expect(await containers()).toEqual([{ id: before!.id, state: "running" }]);

  await run("docker", ["rm", "--force", before!.id], { reject: false });
  await fake?.setState({});
  expect(await driver.read(made.id, made.output)).toBeUndefined();
  await driver.ensure(input);
  const [after] = await containers();
  expect(after?.id).not.toBe(before!.id);
  await driver.remove(made.id, made.output);
  expect(await containers()).toEqual([]);
});

test("a node is told of the lab's registry by the opened address, and has to come to it", { timeout: 600_000 }, async () => {
  const [, driver, input] = drivers[1]!;
  const made = await driver.ensure(input);
  const told = join(kindFolder(cohort, "kim"), "registries", registry.host);
  expect(await readFile(join(told, "hosts.toml"), "utf8")).toBe(hostsToml(registry));
  expect(await readFile(join(told, "ca.crt"), "utf8")).toBe(registry.ca);
  if (fake !== undefined) {
    await fake.failNext({ command: "docker exec", stderr: "curl: (28) Connection timed out after 15001 milliseconds", code: 28 });
    await expect(driver.ensure(input)).rejects.toMatchObject({
      code: "door-unreached",
      message: `Learner kim: the node of the kind cluster does not come to the lab's opened address https://${registry.host}/v2/ (curl: (28) Connection timed out after 15001 milliseconds). Let this machine's firewall pass what comes from Docker's networks to that port, or name another address of this machine in \`access\`, then run \`./lab up\` again; other learners are not affected.`,
    });
    await fake.failNext({ command: "docker exec", stderr: "Error response from daemon: Container is not running", code: 126 });
    await expect(driver.ensure(input)).rejects.toMatchObject({ code: "kind-failed" });
  }
  await driver.remove(made.id, made.output);
});
