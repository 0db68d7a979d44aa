import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { expect, test } from "vitest";
import { learnerResources } from "../../cli/stack.ts";

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
  const of = (deployment: unknown) => ({ exportStack: async () => ({ version: 3, deployment }) }) as unknown as Stack;
  expect(await learnerResources(of({ resources }), "ada")).toEqual([ada, cluster, plane]);
  expect(await learnerResources(of({ resources }), "bob")).toEqual([]);
  expect(await learnerResources(of({}), "ada")).toEqual([]);
});
