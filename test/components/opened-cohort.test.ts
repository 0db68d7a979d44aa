import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { kubeconfigFor } from "../../shared/kubeconfig.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";

/** Inputs by the end of a resource's type, and by name. */
const inputs = new Map<string, Record<string, unknown>>();
const named = new Map<string, Record<string, unknown>>();
/** A secret input is wrapped for the engine. */
const bare = (input: unknown) => (input as { readonly value?: unknown }).value ?? input;
const digests = ({ releases }: Record<string, unknown>) => ({
  digests: Object.fromEntries((releases as { version: string }[]).map(({ version }) => [version, `sha256:${"0".repeat(64)}`])),
});
const answers: Readonly<Record<string, (inputs: Record<string, unknown>) => object>> = {
  LabHost: () => ({
    httpUrl: "http://127.0.0.1:20000",
    registry: "127.0.0.1:20001",
    open: {
      url: "https://lab.example.org:20002",
      registry: "lab.example.org:20002",
      page: "https://lab.example.org:20003",
      ca: "the authority",
    },
  }),
  EmbeddedCluster: () => ({
    clusterId: "id",
    apiServer: "https://127.0.0.1:20004",
    adminKubeconfig: "admin",
    learnerKubeconfig: "local",
    openApiServer: "https://lab.example.org:20004",
    openKubeconfig: "opened",
  }),
  KindCluster: () => ({
    clusterId: "kim's",
    apiServer: "https://127.0.0.1:20005",
    adminKubeconfig: "kim's admin",
    ingressPort: 20006,
    openApiServer: "https://lab.example.org:20005",
  }),
  LearnerToken: () => ({ learnerKubeconfig: kubeconfigFor("kim", { server: "https://127.0.0.1:20005" }, { token: "kim's" }) }),
  ImageRepository: ({ learner }) => ({
    repository: `127.0.0.1:20001/${learner}/backend`,
    username: "ada",
    password: "p",
    fluxUsername: "f",
    fluxPassword: "p",
    pipelineUsername: "p",
    pipelinePassword: "p",
  }),
  SeedImages: digests,
  SideImages: digests,
  GitRepository: ({ learner }) => ({
    path: "/nowhere",
    url: `http://127.0.0.1:20000/git/${learner}/gitops.git`,
    branch: "main",
    seedCommit: "0".repeat(40),
    learnerUsername: "ada",
    learnerPassword: "p",
    fluxUsername: "f",
    fluxPassword: "p",
  }),
  FluxReady: () => ({
    environments: ["develop", "staging", "production"].map((name) => ({ name, namespace: name, tag: "t", digest: "d" })),
    rollbackSha: "1".repeat(40),
  }),
};

const text = `
config:
  gitops-lab:cohort:
    course: A course
    access: { listen: 10.0.0.5, name: lab.example.org }
    learners:
      - { id: ada, name: Ada, email: ada@example.org }
      - { id: kim, name: Kim, email: kim@example.org, cluster: { kind: kind } }
`;
let ada: LearnerOutputs;
let kim: LearnerOutputs;
let stackOutputs: pulumi.Inputs;

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs: given }) => {
        const end = type.split(":").at(-1) ?? "";
        // Ada's, who is embedded; of the others each has a name.
        if (/^(gitops-lab|pulumi-nodejs):/.test(type) && !name.startsWith("kim")) inputs.set(end, given as Record<string, unknown>);
        named.set(name, given as Record<string, unknown>);
        return { id: `${name}-id`, state: { ...(given as object), ...answers[end]?.(given as Record<string, unknown>) } };
      },
      call: () => ({}),
    },
    "gitops-lab",
    "x",
    false,
  );
  const [{ createCohort }, { planCohort }] = await Promise.all([import("../../stacks/cohort.ts"), import("../../stacks/plan.ts")]);
  stackOutputs = await createCohort(
    planCohort("x", parseCohortFile(text, "x"), { generations: { ada: { kubeconfig: 1, git: 2, registry: 3 } } }),
  );
  const learners: Record<string, LearnerOutputs> = await new Promise((resolve) =>
    pulumi.output(stackOutputs["learners"]).apply((value) => resolve(value as unknown as Record<string, LearnerOutputs>)),
  );
  [ada, kim] = [learners["ada"]!, learners["kim"]!];
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

describe("a learner on kind in an opened cohort", () => {
  const door = "lab.example.org:20002";

  test("has images by the opened address, which the lab's own readers come to over loopback", () => {
    expect(kim.registry).toMatchObject({ repository: `${door}/kim/backend`, insecure: false, local: "127.0.0.1:20001/kim/backend" });
    expect(ada.registry).not.toHaveProperty("local");
    expect(kim.git.url).toBe("http://127.0.0.1:20000/git/kim/gitops.git");
    expect(bare(named.get("kim-pipeline")?.["registry"])).toMatchObject({
      repository: `${door}/kim/backend`,
      local: "127.0.0.1:20001/kim/backend",
      insecure: false,
    });
    expect(named.get("kim-seed-images")).toMatchObject({ repository: "127.0.0.1:20001/kim/backend", insecure: true });
  });

  test("has an API server that is opened, by a name that kind's certificates have", () => {
    expect(kim.open).toMatchObject({
      apiServer: "https://lab.example.org:20005",
      gitUrl: `https://${door}/git/kim/gitops.git`,
      repository: `${door}/kim/backend`,
    });
    expect(kim.open?.kubeconfig).toContain("server: https://lab.example.org:20005\n      tls-server-name: localhost");
  });

  test("has nodes that are told of the registry and its authority", () => {
    expect(named.get("kim-kind")).toMatchObject({ registry: { host: door, ca: "the authority" }, openName: "lab.example.org" });
  });

  test("has Flux that fetches and scans by the opened address and trusts the authority for it", () => {
    expect(named.get("kim-flux-source")).toMatchObject({
      spec: { url: `https://${door}/git/kim/gitops.git`, secretRef: { name: "flux-system" } },
    });
    expect(bare(named.get("kim-flux-git-secret")?.["stringData"])).toEqual({ username: "f", password: "p", "ca.crt": "the authority" });
    expect(named.get("kim-flux-registry-authority")).toMatchObject({ metadata: { name: "backend-registry-ca", namespace: "flux-system" } });
    expect(bare(named.get("kim-flux-registry-authority")?.["stringData"])).toEqual({ "ca.crt": "the authority" });
    const { seed } = named.get("kim-repository") as { seed: { files: Record<string, string> } };
    for (const name of ["image-repository", "policy-lab"]) {
      expect(parseAllDocuments(seed.files[`flux/bootstrap/infrastructure/${name}.yaml`]!)[0]!.toJS()).toMatchObject({
        spec: { image: expect.stringMatching(`^${door}/kim/`), insecure: false, certSecretRef: { name: "backend-registry-ca" } },
      });
    }
    expect(seed.files["flux/apps/backend/production/kustomization.yaml"]).toContain(`newName: ${door}/kim/backend`);
    expect(JSON.stringify(seed)).not.toContain("127.0.0.1:2000");
  });

  test("has pods that pull from the opened address with Flux' credential, which may only pull", () => {
    const stringData = bare(named.get("kim-pull-develop-secret")?.["stringData"]) as { ".dockerconfigjson": string };
    expect(JSON.parse(stringData[".dockerconfigjson"])).toMatchObject({ auths: { [door]: { username: "f" } } });
  });
});
