import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { learnerResources } from "../../cli/stack.ts";
import { statePlaces } from "../../cli/state/files.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-resources-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
  vi.stubEnv("PULUMI_BACKEND_URL", `file://${home}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const urn = (type: string, name: string) => `urn:pulumi:x::gitops-lab::${type}::${name}`;

test("a learner's resources are the component and all below it, and nobody else's", async () => {
  const stack = urn("pulumi:pulumi:Stack", "gitops-lab-x");
  const [ada, other] = [urn("gitops-lab:lab:Learner", "ada"), urn("gitops-lab:lab:Learner", "ada-b")];
  const cluster = urn("gitops-lab:lab:Learner$gitops-lab:cluster:Embedded", "ada");
  const plane = urn("gitops-lab:lab:Learner$gitops-lab:cluster:Embedded$pulumi-nodejs:gitops-lab:EmbeddedCluster", "ada-control-plane");
  const otherPlane = urn(
    "gitops-lab:lab:Learner$gitops-lab:cluster:Embedded$pulumi-nodejs:gitops-lab:EmbeddedCluster",
    "ada-b-control-plane",
  );
  const host = urn("pulumi-nodejs:gitops-lab:LabHost", "lab-host");
  const resources = [
    { urn: stack },
    { urn: host, parent: stack },
    { urn: ada, parent: stack },
    { urn: other, parent: stack },
    { urn: cluster, parent: ada },
    { urn: otherPlane, parent: other },
    { urn: plane, parent: cluster },
  ];
  const exported = (deployment: unknown) => ({ name: "x", exportStack: async () => ({ version: 3, deployment }) }) as unknown as Stack;
  // As it is in a backend elsewhere, and in the file of one that is a folder.
  const inFile = async (latest: unknown) => {
    const { stacks, checkpoint } = statePlaces(home, "y");
    await mkdir(stacks, { recursive: true });
    await writeFile(checkpoint, JSON.stringify({ version: 3, checkpoint: { stack: "y", latest } }));
    return { name: "y" } as unknown as Stack;
  };
  for (const stackOf of [exported, inFile]) {
    expect(await learnerResources(await stackOf({ resources }), "ada")).toEqual([ada, cluster, plane]);
    expect(await learnerResources(await stackOf({ resources }), "bob")).toEqual([]);
    expect(await learnerResources(await stackOf({}), "ada")).toEqual([]);
  }
});
