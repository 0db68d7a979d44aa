import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kindCluster, type KindClusterInput } from "../../clusters/kind/cluster.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { hostsToml, kindConfig, kindFolder, kindName } from "../../clusters/kind/config.ts";
import { readRecord, writeRecord } from "../../clusters/kind/record.ts";
import { portsOf } from "../../ledger/ports.ts";
import { ClusterSpec } from "../../clusters/providers.ts";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { installFakeKind, type FakeKind } from "../support/kind-programs.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();
let fake: FakeKind;
beforeAll(async () => {
  fake = await installFakeKind("{}");
});
afterAll(() => fake.remove());

const { image, imageArchives } = ClusterSpec.parse({ kind: "kind" }) as Extract<ClusterSpec, { kind: "kind" }>;
const input = (learner: string): KindClusterInput => ({ cohort: "c", learner, ports: { from: 25000, to: 25999 }, image, imageArchives });
const output = (learner: string) => ({
  cohort: "c",
  learner,
  clusterId: "x",
  apiServer: "https://127.0.0.1:1",
  adminKubeconfig: "",
  ingressPort: 1,
});
const failureOf = async (work: Promise<unknown>): Promise<LabError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
};

/** What kind 0.33 and Docker 28 print, here and in their issue trackers. */
const failures: readonly (readonly [name: string, command: string, stderr: string, code: string, message: RegExp])[] = [
  [
    "no engine",
    "docker ps",
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "docker-away",
    /could not look for the kind cluster: no Docker engine answers .*systemctl start docker/,
  ],
  [
    "no right to speak to the engine",
    "docker ps",
    'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/containers/json": dial unix /var/run/docker.sock: connect: permission denied',
    "docker-denied",
    /may not speak to Docker .*usermod -aG docker/,
  ],
  [
    "an engine that went away in the middle",
    "kind create",
    'ERROR: failed to create cluster: failed to get docker info: command "docker info --format \'{{json .}}\'" failed with error: exit status 1\n\nCommand Output: {"ID":"","Containers":0}\nCannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
    "docker-away",
    /could not create the kind cluster: no Docker engine answers \(failed to create cluster: failed to get docker info/,
  ],
  [
    "a node image that is nowhere",
    "kind create",
    'ERROR: failed to create cluster: failed to pull image "kindest/node:v1.37.0@sha256:a1ed": command "docker pull kindest/node:v1.37.0@sha256:a1ed" failed with error: exit status 1\n\nCommand Output: Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
    "kind-image-missing",
    /node image is neither here nor to be pulled .*push it to a registry of your own/,
  ],
  [
    "too few inotify instances",
    "kind create",
    'ERROR: failed to create cluster: could not find a log line that matches "Reached target .*Multi-User System.*|detected cgroup v1"',
    "kind-limits",
    /sudo sysctl fs\.inotify\.max_user_instances=512/,
  ],
  [
    "a control plane that does not start",
    "kind create",
    'ERROR: failed to create cluster: failed to init node with kubeadm: command "docker exec --privileged x kubeadm init" failed with error: exit status 1',
    "kind-slow",
    /did not come up in time .*`parallel` in the cohort file/,
  ],
  [
    "a full disk",
    "kind create",
    "ERROR: failed to create cluster: failed to write /kind/kubeadm.conf: no space left on device",
    "disk-full",
    /disk is full/,
  ],
  [
    "a port that is taken",
    "kind create",
    'ERROR: failed to create cluster: command "docker run" failed with error: exit status 125\n\nCommand Output: docker: Error response from daemon: Bind for 127.0.0.1:25001 failed: port is already allocated.',
    "port-in-use",
    /used by another program/,
  ],
  [
    "something unheard of",
    "kind create",
    "ERROR: failed to create cluster: the moon is in the wrong phase",
    "kind-failed",
    /could not create the kind cluster: failed to create cluster: the moon is in the wrong phase\. .*docker ps -a/,
  ],
];

describe("kind that fails by", () => {
  test.each(failures)("%s is explained: who, which step, why, what helps", async (_, command, stderr, code, message) => {
    await fake.failNext({ command, stderr });
    const error = await failureOf(kindCluster.ensure(input("ada")));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^Learner ada: could not /);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/run `\.\/lab up` again; other learners are not affected\.$/);
    expect(error.message).not.toContain("\n");
  });

  test("a docker command that is not there says so", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = "/nowhere";
    const error = await failureOf(kindCluster.ensure(input("ada")).finally(() => (process.env["PATH"] = path)));
    expect(error.code).toBe("docker-missing");
  });
});

describe("a kind cluster of that name", () => {
  const alien = [{ id: "f".repeat(64), state: "running" }];
  const isLeft = async (learner: string) => expect(await fake.state()).toMatchObject({ [kindName("c", learner)]: alien });

  test("that this lab did not make is left alone by making and removing", async () => {
    await fake.setState({ [kindName("c", "bob")]: alien });
    expect(await failureOf(kindCluster.ensure(input("bob")))).toMatchObject({
      code: "kind-name-taken",
      message: expect.stringContaining("container ffffffffffff"),
    });
    await kindCluster.remove("c/bob", output("bob"));
    await isLeft("bob");
  });

  test("that somebody made in place of ours is not ours: it is not found, not used, not removed", async () => {
    await fake.setState({ [kindName("c", "eve")]: alien });
    await writeRecord("c", "eve", { name: kindName("c", "eve"), containers: ["a".repeat(64)] });
    expect(await kindCluster.read("c/eve", output("eve"))).toBeUndefined();
    expect((await failureOf(kindCluster.ensure(input("eve")))).code).toBe("kind-name-taken");
    expect((await failureOf(kindCluster.remove("c/eve", output("eve")))).code).toBe("kind-name-taken");
    await isLeft("eve");
  });
});

test("what a run left half-made is known as ours and removed", async () => {
  await fake.failNext({ command: "kind create", stderr: "signal: killed", leaves: "container" });
  await failureOf(kindCluster.ensure(input("kit")));
  expect(await readRecord("c", "kit")).toMatchObject({ name: kindName("c", "kit") });
  expect(Object.keys(await fake.state())).toContain(kindName("c", "kit"));
  expect(await kindCluster.read("c/kit", output("kit"))).toBeUndefined();
  await kindCluster.remove("c/kit", output("kit"));
  expect(Object.keys(await fake.state())).not.toContain(kindName("c", "kit"));
  expect(existsSync(kindFolder("c", "kit"))).toBe(false);
  expect(await portsOf("c/kit")).toEqual({});
});

test("a teardown finds what a killed run left, though Pulumi knows nothing of it", async () => {
  await fake.failNext({ command: "kind create", stderr: "signal: killed", leaves: "container" });
  await failureOf(kindCluster.ensure({ ...input("kay"), cohort: "killed" }));
  expect(Object.keys(await fake.state())).toContain(kindName("killed", "kay"));
  await removeCohortFromHost(cohortPaths("killed"), sweepClusters);
  expect(Object.keys(await fake.state())).not.toContain(kindName("killed", "kay"));
  expect(existsSync(cohortPaths("killed").root)).toBe(false);
});

test("an engine that does not answer is no cluster that is gone", async () => {
  await writeRecord("c", "lea", { name: kindName("c", "lea"), containers: ["a".repeat(64)] });
  await fake.failNext({ command: "docker ps", stderr: "Cannot connect to the Docker daemon" });
  expect((await failureOf(kindCluster.read("c/lea", output("lea")))).code).toBe("docker-away");
});

test("no call of kind or Docker has the user's kubeconfig in reach", async () => {
  const calls = await fake.calls();
  expect(calls.length).toBeGreaterThan(10);
  for (const { kubeconfig, provider } of calls) expect([kubeconfig, provider]).toEqual(["/dev/null", "docker"]);
  for (const { program, args } of calls)
    if (program === "kind") expect(args[args.indexOf("--kubeconfig") + 1]).toMatch(/\/learners\/\w+\/kind\/admin\.yaml$/);
});

describe("the configuration of a kind cluster", () => {
  test("has its ports on loopback, its image by digest, and registries by containerd's config_path", async () => {
    const config = parse(await readFile(join(kindFolder("c", "ada"), "config.yaml"), "utf8"));
    expect(config).toMatchObject({
      kind: "Cluster",
      networking: { apiServerAddress: "127.0.0.1" },
      nodes: [
        {
          image: expect.stringMatching(/@sha256:[0-9a-f]{64}$/),
          extraPortMappings: [{ containerPort: 80, listenAddress: "127.0.0.1" }],
          extraMounts: [{ containerPath: "/etc/containerd/certs.d", readOnly: true }],
        },
      ],
    });
    expect(config.containerdConfigPatches[0]).toContain('config_path = "/etc/containerd/certs.d"');
    expect(Object.values(await portsOf("c/ada")).sort()).toEqual(
      [config.networking.apiServerPort, config.nodes[0].extraPortMappings[0].hostPort].sort(),
    );
  });

  test("tells containerd of a registry with a certificate and of one without", () => {
    expect(hostsToml({ host: "172.18.0.1:20001" })).toBe(
      'server = "http://172.18.0.1:20001"\n\n[host."http://172.18.0.1:20001"]\n  capabilities = ["pull", "resolve"]\n',
    );
    expect(hostsToml({ host: "lab.example.org:5000", ca: "PEM" })).toContain('ca = "/etc/containerd/certs.d/lab.example.org:5000/ca.crt"');
  });

  test("is kept to names that are host names, whatever cohort and learner are called", () => {
    const name = kindName("c".repeat(30), "l".repeat(30));
    expect(`${name}-control-plane`.length).toBeLessThanOrEqual(63);
    expect(kindConfig(name, { image, ports: { api: 1, ingress: 2 }, registriesFolder: "/x" })).toContain(name);
  });
});
