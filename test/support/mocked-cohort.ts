import { setTimeout as delay } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import type { CohortOutputs } from "../../shared/outputs.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

export interface Registered {
  /** Pulumi type token. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** URN and id of the provider; undefined for what has none. */
  readonly provider: string | undefined;
}

export interface PreviewedCohort {
  readonly resources: readonly Registered[];
  /** As they come out of the program: inputs and outputs of Pulumi, secrets among them. */
  readonly raw: pulumi.Inputs;
  readonly outputs: CohortOutputs;
  ofType(end: string): readonly Registered[];
}

type Inputs = Readonly<Record<string, unknown>>;

const zeros = (length: number) => "0".repeat(length);
const digestsOf = ({ releases }: Inputs) => ({
  digests: Object.fromEntries((releases as { version: string }[]).map(({ version }) => [version, `sha256:${zeros(64)}`])),
});
/** What a resource would answer, by the end of its type. */
const answers: Readonly<Record<string, (inputs: Inputs) => object>> = {
  LabHost: () => ({ httpUrl: "http://127.0.0.1:20000", registry: "127.0.0.1:20001" }),
  EmbeddedCluster: ({ learner }) => ({
    clusterId: `id-of-${learner}`,
    apiServer: "https://127.0.0.1:20002",
    adminKubeconfig: `admin-of-${learner}`,
    learnerKubeconfig: `kubeconfig-of-${learner}`,
  }),
  KindCluster: ({ learner }) => ({
    clusterId: `id-of-${learner}`,
    apiServer: "https://127.0.0.1:20003",
    adminKubeconfig: `admin-of-${learner}`,
    ingressPort: 20004,
  }),
  ClusterReady: ({ learner }) => ({ clusterId: `id-of-${learner}` }),
  LearnerToken: ({ learner }) => ({ learnerKubeconfig: `kubeconfig-of-${learner}` }),
  ImageRepository: ({ learner, registry, name }) => ({
    repository: `${registry}/${learner}/${name}`,
    ...Object.fromEntries(
      ["username", "password", "fluxUsername", "fluxPassword", "pipelineUsername", "pipelinePassword"].map((key) => [
        key,
        `${key}-of-${learner}`,
      ]),
    ),
  }),
  SeedImages: digestsOf,
  SideImages: digestsOf,
  GitRepository: ({ learner, baseUrl, repository, branch }) => ({
    path: "/nowhere",
    url: `${baseUrl}/git/${learner}/${repository}.git`,
    branch,
    seedCommit: zeros(40),
    ...Object.fromEntries(
      ["learnerUsername", "learnerPassword", "fluxUsername", "fluxPassword"].map((key) => [key, `${key}-of-${learner}`]),
    ),
  }),
  GithubCohort: () => ({ topic: "gitops-lab-x-00000000", sshHostKeys: ["ssh-ed25519 HOSTKEY"] }),
  GithubRepository: ({ name }) => ({
    repositoryId: 1,
    fullName: `course/${name}`,
    url: `https://github.com/course/${name}.git`,
    sshUrl: `ssh://git@github.com/course/${name}.git`,
    description: "",
  }),
  GithubSeed: () => ({ seedCommit: zeros(40) }),
  SshKey: () => ({ privateKey: "private", publicKey: "public" }),
  FluxDefinitions: () => ({ names: [] }),
  FluxReady: () => ({
    environments: ["develop", "staging", "production"].map((name) => ({
      name,
      namespace: name,
      tag: `${name}-v0.2.0-abcdef0-1767225600`,
      digest: `sha256:${zeros(64)}`,
    })),
    rollbackSha: "1".repeat(40),
  }),
  // Amazon's has the scheme, Google's has not.
  Cluster: ({ name, vpcConfig }) => ({
    endpoint: `${vpcConfig === undefined ? "" : "https://"}${name}.example.org`,
    masterAuth: { clusterCaCertificate: "Y2E=" },
    certificateAuthority: { data: "Y2E=" },
  }),
  KubernetesCluster: ({ name }) => ({ endpoint: `https://${name}.example.org`, kubeConfigs: [{ clusterCaCertificate: "Y2E=" }] }),
  Role: ({ name }) => ({ arn: `arn:aws:iam::123456789012:role/${name}` }),
  ExternalCluster: ({ learner }) => ({
    mark: "0a1b2c3d",
    since: "2026-11-01T08:30:00Z",
    clusterId: `id-of-${learner}`,
    apiServer: `https://${learner}.example.org`,
    adminKubeconfig: `admin-of-${learner}`,
  }),
  VirtualClusterNamespace: () => ({ mark: "0a1b2c3d" }),
  VirtualCluster: ({ learner, server }) => ({ apiServer: server ?? "https://198.51.100.7", adminKubeconfig: `admin-of-${learner}` }),
};

const calls: Readonly<Record<string, object>> = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": { names: ["eu-central-1a", "eu-central-1b", "eu-central-1c"] },
  "digitalocean:index/getKubernetesVersions:getKubernetesVersions": { latestVersion: "1.36.1-do.0" },
};

let registered: Registered[] = [];

/**
 * Runs the program for a plan against mocks: every resource that an `up` would make is registered, and none is made.
 *
 * @param late end of the type of what takes a moment to be made, so that only what waits for it comes after it
 */
export async function previewCohort(plan: CohortPlan, late?: string): Promise<PreviewedCohort> {
  registered = [];
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ type, name, inputs, provider, id }) => {
        if (late !== undefined && type.endsWith(late)) await delay(500);
        registered.push({ type, name, inputs: inputs as Inputs, provider: provider === "" ? undefined : provider });
        return {
          id: id === undefined || id === "" ? `${name}-id` : id,
          state: { ...(inputs as object), ...answers[type.split(":").at(-1) ?? ""]?.(inputs as Inputs) },
        };
      },
      call: ({ token }) => calls[token] ?? {},
    },
    "gitops-lab",
    plan.cohort,
    false,
  );
  const { createCohort } = await import("../../stacks/cohort.ts");
  const raw = await createCohort(plan);
  const outputs = await new Promise<CohortOutputs>((resolve) =>
    pulumi.output(raw).apply((value) => resolve(value as unknown as CohortOutputs)),
  );
  const resources = registered;
  return { resources, raw, outputs, ofType: (end) => resources.filter(({ type }) => type.endsWith(end)) };
}

const isBelow = (type: string) => /:VirtualCluster(Namespace)?$/.test(type);

/** Objects that go to the API servers: the learners' own, and the shared one below, a release of Helm's as one of them. */
export function countWrites(resources: readonly Registered[]): { readonly virtual: number; readonly host: number } {
  const objects = resources.filter(
    ({ type, inputs }) => (type.startsWith("kubernetes:") && inputs["metadata"] !== undefined) || isBelow(type),
  );
  const host = objects.filter(({ type, provider }) => isBelow(type) || provider?.includes("::foundation-shared-"));
  return { virtual: objects.length - host.length, host: host.length };
}
