import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test } from "vitest";
import type { RoomFinding } from "../../host/room/machine.ts";
import { LearnerOutputs, type CohortOutputs } from "../../shared/outputs.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  readonly provider: string | undefined;
}

const registered: Registered[] = [];
const digestsOf = ({ releases }: Record<string, unknown>) => ({
  digests: Object.fromEntries((releases as { version: string }[]).map(({ version }) => [version, `sha256:${"0".repeat(64)}`])),
});
/** What a dynamic resource would answer, by the end of its type. */
const answers: Readonly<Record<string, (inputs: Record<string, unknown>) => object>> = {
  LabHost: () => ({ httpUrl: "http://127.0.0.1:20000", registry: "127.0.0.1:20001" }),
  EmbeddedCluster: ({ cohort, learner }) => ({
    cohort,
    learner,
    clusterId: `id-of-${learner}`,
    apiServer: "https://127.0.0.1:20002",
    adminKubeconfig: `admin-of-${learner}`,
    learnerKubeconfig: `kubeconfig-of-${learner}`,
  }),
  ImageRepository: ({ learner, registry, name }) => ({
    repository: `${registry}/${learner}/${name}`,
    username: learner,
    password: `registry-password-of-${learner}`,
    fluxUsername: `flux-${learner}`,
    fluxPassword: `registry-flux-password-of-${learner}`,
    pipelineUsername: `pipeline-${learner}`,
    pipelinePassword: `registry-pipeline-password-of-${learner}`,
  }),
  SeedImages: digestsOf,
  SideImages: digestsOf,
  GitRepository: ({ learner, baseUrl, repository, branch }) => ({
    path: "/nowhere",
    url: `${baseUrl}/git/${learner}/${repository}.git`,
    branch,
    seedCommit: "0".repeat(40),
    learnerUsername: learner,
    learnerPassword: `git-password-of-${learner}`,
    fluxUsername: `flux-${learner}`,
    fluxPassword: `git-flux-password-of-${learner}`,
  }),
  FluxReady: () => ({
    environments: ["develop", "staging", "production"].map((name) => ({
      name,
      namespace: name,
      tag: `${name}-v0.2.0-abcdef0-1767225600`,
      digest: `sha256:${"0".repeat(64)}`,
    })),
    rollbackSha: "1".repeat(40),
  }),
};

const text = `
config:
  gitops-lab:cohort:
    course: A course
    learners:
      - { id: ada, name: Ada, email: ada@example.org }
      - { id: ada-b, name: Bob, email: bob@example.org }
`;
let outputs: CohortOutputs;
let stackOutputs: pulumi.Inputs;

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider }) => {
        registered.push({ type, name, inputs: inputs as Record<string, unknown>, provider });
        const answer = answers[type.split(":").at(-1) ?? ""];
        return { id: `${name}-id`, state: { ...(inputs as object), ...answer?.(inputs as Record<string, unknown>) } };
      },
      call: () => ({}),
    },
    "gitops-lab",
    "x",
    false,
  );
  const [{ createCohort }, { planCohort }] = await Promise.all([import("../../stacks/cohort.ts"), import("../../stacks/plan.ts")]);
  stackOutputs = await createCohort(planCohort("x", parseCohortFile(text, "x")));
  outputs = await new Promise((resolve) => pulumi.output(stackOutputs).apply((value) => resolve(value as unknown as CohortOutputs)));
});

const ofType = (end: string) => registered.filter(({ type }) => type.endsWith(end));
const inCluster = () => registered.filter(({ type }) => type.startsWith("kubernetes:"));

describe("the isolation of a cohort", () => {
  const room: RoomFinding = { kind: "root", because: [], conditions: [], triedBy: "lab-room" };

  test("is in each learner's outputs and in the lab host's input, and no room is claimed that nobody looked for", () => {
    expect(Object.values(outputs.learners).map(({ isolation }) => isolation)).toEqual(["none", "none"]);
    // What an older state has not is not in a new one without need: it would be another lab host.
    expect(ofType(":LabHost")[0]?.inputs).not.toHaveProperty("isolation");
  });

  test("is a room where the machine can make them", async () => {
    const [{ createCohort }, { planCohort }] = await Promise.all([import("../../stacks/cohort.ts"), import("../../stacks/plan.ts")]);
    const before = registered.length;
    const made = await createCohort(planCohort("x", parseCohortFile(text, "x"), { room }));
    const told = await new Promise<CohortOutputs>((resolve) =>
      pulumi.output(made).apply((value) => resolve(value as unknown as CohortOutputs)),
    );
    const added = registered.splice(before);
    expect(Object.values(told.learners).map(({ isolation }) => isolation)).toEqual(["room", "room"]);
    expect(added.find(({ type }) => type.endsWith(":LabHost"))?.inputs).toMatchObject({ isolation: "room" });
  });

  test("of outputs that an earlier version wrote is none", () => {
    const [{ isolation: _, ...ada } = { isolation: "none" }] = Object.values(outputs.learners);
    expect(LearnerOutputs.parse(ada).isolation).toBe("none");
    expect(() => LearnerOutputs.parse({ ...ada, isolation: "rooms" })).toThrow(/isolation/);
  });
});

describe("the resources of a cohort", () => {
  test("are one daemon and a lab per learner", () => {
    expect(ofType(":LabHost")).toHaveLength(1);
    for (const type of [
      "EmbeddedCluster",
      "GitRepository",
      "ImageRepository",
      "SeedImages",
      "SideImages",
      "FluxDefinitions",
      "FluxControllers",
      "FluxReady",
    ]) {
      expect(ofType(`gitops-lab:${type}`)).toHaveLength(2);
    }
  });

  test("have names that begin with the learner's id, so that one learner's change touches no other", () => {
    const others = registered.filter(
      ({ name, type }) => !/^(ada|ada-b)(-|$)/.test(name) && !type.endsWith(":LabHost") && type !== "pulumi:pulumi:Stack",
    );
    expect(others).toEqual([]);
  });

  test("in a cluster use that learner's own provider", () => {
    expect(inCluster().length).toBeGreaterThan(20);
    for (const { name, provider } of inCluster()) {
      const learner = name.startsWith("ada-b-") ? "ada-b" : "ada";
      expect(provider, name).toMatch(new RegExp(`::${learner}-kubernetes::`));
    }
  });

  test("keep the cluster's identity apart from its kubeconfig", () => {
    // The official plugin would give up a cluster whose credentials are refused.
    const givesUp = String(pluginChoice("kubernetes").implementation === "fallback");
    expect(ofType("providers:kubernetes").map(({ inputs }) => [inputs["clusterIdentifier"], inputs["deleteUnreachable"]])).toEqual([
      ["embedded/x/ada", givesUp],
      ["embedded/x/ada-b", givesUp],
    ]);
  });

  test("stop at the Flux sync objects: what they bring in belongs to Git", () => {
    const kinds = new Set(inCluster().map(({ inputs }) => inputs["kind"]));
    expect(kinds).toEqual(
      new Set(["Namespace", "ClusterRole", "ClusterRoleBinding", "RoleBinding", "Secret", "GitRepository", "Kustomization"]),
    );
    expect(ofType(":Kustomization").map(({ inputs }) => (inputs["metadata"] as { name: string }).name)).toEqual([
      "flux-system",
      "flux-system",
    ]);
  });

  test("give the learner no right on the secrets of flux-system", () => {
    const rules = ofType(":ClusterRole").flatMap(({ inputs }) => inputs["rules"] as { resources: string[]; verbs: string[] }[]);
    expect(rules.flatMap(({ resources }) => resources)).not.toContain("secrets");
    expect(rules.flatMap(({ verbs }) => verbs)).not.toContain("*");
    const bound = ofType(":RoleBinding").map(({ inputs }) => (inputs["metadata"] as { namespace: string }).namespace);
    expect(bound).not.toContain("flux-system");
  });

  test("seed each repository with its own learner's URLs", () => {
    for (const { inputs } of ofType("gitops-lab:GitRepository")) {
      const { files } = inputs["seed"] as { files: Record<string, string> };
      expect(Object.values(files).join("\n")).toContain(`127.0.0.1:20001/${inputs["learner"]}/backend`);
    }
  });
});

describe("the outputs of a cohort", () => {
  test("tell each learner's lab", () => {
    expect(Object.keys(outputs.learners)).toEqual(["ada", "ada-b"]);
    expect(outputs.learners["ada-b"]).toMatchObject({
      cluster: { kind: "embedded", nodes: "simulated", id: "id-of-ada-b" },
      git: { url: "http://127.0.0.1:20000/git/ada-b/gitops.git" },
      registry: { repository: "127.0.0.1:20001/ada-b/backend" },
      rollbackSha: "1".repeat(40),
    });
  });

  test("say what is simulated", () => expect(outputs.simulated).toEqual([expect.stringContaining("kwok")]));

  test("name an evidence command per item", () => expect(outputs.learners["ada"]?.evidenceCommands).toHaveLength(4));

  test("hide the credentials and nothing else", async () => {
    const { cluster, git, registry } = stackOutputs["learners"].ada;
    const hidden = [cluster.kubeconfig, cluster.adminKubeconfig, git.password, registry.password];
    const shown = [cluster.apiServer, cluster.id, git.url, git.username, git.seedCommit, registry.repository];
    expect(await Promise.all(hidden.map(pulumi.isSecret))).toEqual(hidden.map(() => true));
    expect(await Promise.all(shown.map(pulumi.isSecret))).toEqual(shown.map(() => false));
  });
});
