import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test } from "vitest";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";

/** Inputs by the end of a resource's type. */
const inputs = new Map<string, Record<string, unknown>>();
const digests = ({ releases }: Record<string, unknown>) => ({ digests: Object.fromEntries((releases as { version: string }[]).map(({ version }) => [version, `sha256:${"0".repeat(64)}`])) });
const answers: Readonly<Record<string, (inputs: Record<string, unknown>) => object>> = {
  LabHost: () => ({ httpUrl: "http://127.0.0.1:20000", registry: "127.0.0.1:20001", open: { url: "https://lab.example.org:20002", registry: "lab.example.org:20002", page: "https://lab.example.org:20003", ca: "the authority" } }),
  EmbeddedCluster: () => ({ clusterId: "id", apiServer: "https://127.0.0.1:20004", adminKubeconfig: "admin", learnerKubeconfig: "local", openApiServer: "https://lab.example.org:20004", openKubeconfig: "opened" }),
  ImageRepository: () => ({ repository: "127.0.0.1:20001/ada/backend", username: "ada", password: "p", fluxUsername: "f", fluxPassword: "p", pipelineUsername: "p", pipelinePassword: "p" }),
  SeedImages: digests,
  SideImages: digests,
  GitRepository: () => ({ path: "/nowhere", url: "http://127.0.0.1:20000/git/ada/gitops.git", branch: "main", seedCommit: "0".repeat(40), learnerUsername: "ada", learnerPassword: "p", fluxUsername: "f", fluxPassword: "p" }),
  FluxReady: () => ({ environments: ["develop", "staging", "production"].map((name) => ({ name, namespace: name, tag: "t", digest: "d" })), rollbackSha: "1".repeat(40) }),
};

const text = `
config:
  gitops-lab:cohort:
    course: A course
    access: { listen: 10.0.0.5, name: lab.example.org }
    learners: [{ id: ada, name: Ada, email: ada@example.org }]
`;
let ada: LearnerOutputs;
let stackOutputs: pulumi.Inputs;

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs: given }) => {
        const end = type.split(":").at(-1) ?? "";
        if (/^(gitops-lab|pulumi-nodejs):/.test(type)) inputs.set(end, given as Record<string, unknown>);
        return { id: `${name}-id`, state: { ...(given as object), ...answers[end]?.(given as Record<string, unknown>) } };
      },
      call: () => ({}),
    },
    "gitops-lab",
    "x",
    false,
  );
  const [{ createCohort }, { planCohort }] = await Promise.all([import("../../stacks/cohort.ts"), import("../../stacks/plan.ts")]);
  stackOutputs = await createCohort(planCohort("x", parseCohortFile(text, "x"), { generations: { ada: { kubeconfig: 1, git: 2, registry: 3 } } }));
  ada = await new Promise((resolve) => pulumi.output(stackOutputs["learners"]).apply((value) => resolve((value as unknown as Record<string, LearnerOutputs>)["ada"]!)));
});

describe("an opened cohort", () => {
  test("tells its learners the opened addresses, and its host's readers those of the host", () => {
    expect(ada).toMatchObject({
      cluster: { apiServer: "https://127.0.0.1:20004", kubeconfig: "local" },
      git: { url: "http://127.0.0.1:20000/git/ada/gitops.git" },
      registry: { repository: "127.0.0.1:20001/ada/backend", insecure: true },
      open: {
        name: "lab.example.org",
        ca: "the authority",
        page: "https://lab.example.org:20003",
        apiServer: "https://lab.example.org:20004",
        kubeconfig: "opened",
        gitUrl: "https://lab.example.org:20002/git/ada/gitops.git",
        repository: "lab.example.org:20002/ada/backend",
      },
    });
  });

  test("hides the kubeconfig and nothing else of it", async () => {
    const { kubeconfig, ...shown } = stackOutputs["learners"].ada.open;
    expect(await pulumi.isSecret(kubeconfig)).toBe(true);
    for (const one of Object.values(shown)) expect(await pulumi.isSecret(pulumi.output(one))).toBe(false);
  });

  test("gives the opening and the generations to who makes things, and Git and the cluster the host's own addresses", () => {
    expect(inputs.get("LabHost")).toMatchObject({ opening: { listen: "10.0.0.5", name: "lab.example.org" } });
    expect(inputs.get("EmbeddedCluster")).toMatchObject({ openName: "lab.example.org", generation: 1 });
    expect(inputs.get("GitRepository")).toMatchObject({ baseUrl: "http://127.0.0.1:20000", generation: 2 });
    expect(inputs.get("ImageRepository")).toMatchObject({ registry: "127.0.0.1:20001", generation: 3 });
    expect(JSON.stringify(inputs.get("GitRepository")!["seed"])).not.toContain("lab.example.org");
  });
});
