import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { cloudLook, cloudThings, noteUncertain } from "../../cli/cloud-things.ts";
import { takeRemainders } from "../../ledger/remainders.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-cloud-things-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
  vi.stubEnv("PULUMI_BACKEND_URL", `file://${home}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const urn = (type: string, name: string) => `urn:pulumi:x::gitops-lab::${type}::${name}`;
const network = { urn: urn("gcp:compute/network:Network", "foundation-network"), id: "projects/p/global/networks/x" };
const cluster = {
  urn: urn("gitops-lab:lab:Learner$gitops-lab:cluster:Gke$gcp:container/cluster:Cluster", "ada-gke"),
  id: "projects/p/locations/z/clusters/ada",
};
const others = [
  { urn: urn("pulumi:providers:gcp", "foundation-provider"), id: "1" },
  { urn: urn("gitops-lab:lab:Learner$kubernetes:core/v1:Secret", "ada-secret"), id: "a/b" },
  { urn: urn("gitops-lab:lab:Learner", "ada") },
];
/** As Pulumi exports a state. */
const stackWith = (deployment: object) => ({ name: "x", exportStack: async () => ({ version: 3, deployment }) }) as unknown as Stack;

test("what a cohort has in a cloud is known by the state, and gone when the state has it no more", async () => {
  const things = await cloudThings(stackWith({ resources: [...others, network, cluster] }));
  expect(things).toEqual([
    { kind: "cloud-resource", id: `gke/${network.id}`, name: "gcp:compute/network:Network foundation-network" },
    { kind: "cloud-resource", id: `gke/${cluster.id}`, name: "gcp:container/cluster:Cluster ada-gke" },
  ]);
  const look = cloudLook(await cloudThings(stackWith({ resources: [network] })), "x");
  expect(things.map(look)).toEqual([
    { state: "left", says: `${things[0]!.name} (${things[0]!.id})`, remove: "./lab down x" },
    { state: "gone" },
  ]);
});

test("what was being made there when a run was killed is told once, with the command that finds it", async () => {
  const pending = [
    { resource: { urn: cluster.urn }, type: "creating" },
    { resource: network, type: "deleting" },
    { resource: { urn: others[1]!.urn }, type: "creating" },
  ];
  await noteUncertain(stackWith({ resources: [], pending_operations: pending }));
  expect(await takeRemainders("x")).toEqual([
    {
      kind: "left",
      sentence: expect.stringMatching(
        /^gcp:container\/cluster:Cluster ada-gke, perhaps: .*`gcloud asset search-all-resources --query=labels\.gitops-lab-cohort=x` lists/,
      ),
    },
  ]);
});
