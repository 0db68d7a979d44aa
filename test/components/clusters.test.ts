import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { namesOfLab } from "../../clusters/external/claim.ts";
import { clusterKinds, clusterProvider } from "../../clusters/providers.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort, type CohortPlan } from "../../stacks/plan.ts";
import { setupTools } from "../../tools/install.ts";
import cloudInputs from "../support/cloud-inputs.json" with { type: "json" };
import { previewCohort as previewAnew, type PreviewedCohort, type Registered } from "../support/mocked-cohort.ts";

const office = "203.0.113.0/24";
const clusters: Readonly<Record<string, object>> = {
  embedded: { kind: "embedded" },
  kind: { kind: "kind" },
  gke: { kind: "gke", project: "lab-course", zone: "europe-west1-b", allowedNetworks: [office] },
  eks: { kind: "eks", region: "eu-central-1", allowedNetworks: [office] },
  doks: { kind: "doks", region: "fra1", allowedNetworks: [office] },
  shared: { kind: "shared", kubeconfig: "/nowhere/kubeconfig", expose: { kind: "ingress", domain: "labs.example.org" } },
  external: { kind: "external", kubeconfig: "/nowhere/{learner}.yaml" },
};
const beginnings = {
  cohort: new Date("2026-11-01T08:30:00Z"),
  learners: { ada: new Date("2026-11-01T08:30:00Z"), bob: new Date("2026-11-02T08:30:00Z") },
};

function plan(kind: string, change: object = {}) {
  const spec = parseCohort(
    {
      course: "x",
      cluster: { ...clusters[kind], ...change },
      learners: [
        { id: "ada", name: "Ada", email: "ada@example.org" },
        { id: "bob", name: "Bob", email: "bob@example.org", ttl: "12h" },
      ],
    },
    "x",
  );
  return planCohort("sre", spec, { beginnings });
}

const previews = new Map<string, Promise<PreviewedCohort>>();

/** One preview per plan, however many tests look at it. */
function previewCohort(planned: CohortPlan): Promise<PreviewedCohort> {
  const key = JSON.stringify(planned.learners.map(({ cluster }) => cluster));
  const made = previews.get(key) ?? previewAnew(planned);
  previews.set(key, made);
  return made;
}

const ofCloud = ({ resources }: PreviewedCohort) => resources.filter(({ type }) => /^(gcp|aws|digitalocean):/.test(type));
const text = ({ inputs }: Registered) => JSON.stringify(inputs);

test("every kind of the schema is tried here", () => expect(Object.keys(clusters)).toEqual(clusterKinds));

describe.each(Object.keys(clusters))("a cohort on %s", (kind) => {
  test("gives every learner a cluster behind the same port", async () => {
    const { outputs, raw, ofType } = await previewCohort(plan(kind));
    expect(Object.keys(outputs.learners)).toEqual(["ada", "bob"]);
    expect(ofType(clusterProvider(kind).type).map(({ name }) => name)).toEqual(["ada", "bob"]);
    for (const [id, { cluster, flux }] of Object.entries(outputs.learners)) {
      expect(cluster).toMatchObject({
        kind,
        id: `id-of-${id}`,
        nodes: kind === "embedded" ? "simulated" : "real",
        kubeconfig: `kubeconfig-of-${id}`,
      });
      expect(flux.controllers).toBe(kind === "embedded" ? "host-process" : "deployment");
      const { kubeconfig, adminKubeconfig, apiServer } = raw["learners"][id].cluster;
      expect(await Promise.all([kubeconfig, adminKubeconfig, apiServer].map(pulumi.isSecret))).toEqual([true, true, false]);
    }
    expect(outputs.simulated).toHaveLength(kind === "embedded" ? 1 : 0);
    const providers = ofType("providers:kubernetes").filter(({ name }) => name.endsWith("-kubernetes"));
    expect(providers.map(({ inputs }) => inputs["clusterIdentifier"])).toEqual(["ada", "bob"].map((id) => `${kind}/sre/${id}`));
  });

  test("makes every object of a cluster through that cluster's own provider", async () => {
    const { resources } = await previewCohort(plan(kind));
    const objects = resources.filter(({ type }) => type.startsWith("kubernetes:"));
    expect(objects.length).toBeGreaterThan(15);
    for (const { name, provider } of objects) expect(provider, name).toMatch(/::(ada|bob)-kubernetes::|::foundation-shared-\w+-provider::/);
  });
});

const clouds = {
  gke: {
    "gcp:compute/network:Network": 1,
    "gcp:compute/subnetwork:Subnetwork": 1,
    "gcp:compute/router:Router": 1,
    "gcp:compute/routerNat:RouterNat": 1,
    "gcp:container/cluster:Cluster": 2,
    "gcp:container/nodePool:NodePool": 2,
  },
  eks: {
    "aws:ec2/vpc:Vpc": 1,
    "aws:ec2/internetGateway:InternetGateway": 1,
    "aws:ec2/subnet:Subnet": 3,
    "aws:ec2/routeTable:RouteTable": 2,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": 3,
    "aws:ec2/eip:Eip": 1,
    "aws:ec2/natGateway:NatGateway": 1,
    "aws:iam/role:Role": 2,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": 4,
    "aws:eks/cluster:Cluster": 2,
    "aws:ec2/launchTemplate:LaunchTemplate": 2,
    "aws:eks/nodeGroup:NodeGroup": 2,
  },
  doks: { "digitalocean:index/vpc:Vpc": 1, "digitalocean:index/kubernetesCluster:KubernetesCluster": 2 },
} as const;

/** What a cloud gives neither labels nor tags nor a description: it goes with what it belongs to. */
const unmarkable = /:(RouteTableAssociation|RolePolicyAttachment|RouterNat)$/;

describe.each(Object.entries(clouds))("in the cloud, %s", (kind, graph) => {
  test("makes these resources and no other", async () => {
    const counts: Record<string, number> = {};
    for (const { type } of ofCloud(await previewCohort(plan(kind)))) counts[type] = (counts[type] ?? 0) + 1;
    expect(counts).toEqual(graph);
  });

  test("goes through a provider of its own, never a default one, and gives no credential to it", async () => {
    const previewed = await previewCohort(plan(kind));
    for (const { name, provider } of ofCloud(previewed)) expect(provider, name).toMatch(/::foundation-\S+-provider::/);
    const [provider, ...others] = previewed.resources.filter(({ type }) => /^pulumi:providers:(gcp|aws|digitalocean)$/.test(type));
    expect(others).toEqual([]);
    expect(Object.keys(provider!.inputs)).not.toEqual(expect.arrayContaining([expect.stringMatching(/token|secret|key|credential/i)]));
  });

  test("knows every input by the name that the plugin has", async () => {
    const known = cloudInputs as Readonly<Record<string, readonly string[]>>;
    for (const { type, inputs } of ofCloud(await previewCohort(plan(kind)))) {
      const given = Object.entries(inputs).flatMap(([key, value]) => (value === undefined ? [] : paths(key, value)));
      expect(
        given.filter((path) => !isKnown(path, known[type] ?? [])),
        type,
      ).toEqual([]);
    }
  });

  test("marks everything with cohort, learner and end, so that nothing outlives its lab unnoticed", async () => {
    const resources = ofCloud(await previewCohort(plan(kind))).filter(({ type }) => !unmarkable.test(type));
    for (const resource of resources) {
      const marked = text(resource);
      expect(marked, resource.name).toMatch(/gitops-lab-cohort["=:]+sre/);
      const learner = /^(ada|bob)-/.exec(resource.name)?.[1];
      if (learner === undefined) expect(marked, resource.name).toMatch(/gitops-lab-expires["=:]+2026-11-15-0830/);
      else {
        expect(marked, resource.name).toMatch(new RegExp(`gitops-lab-learner["=:]+${learner}`));
        expect(marked, resource.name).toMatch(
          learner === "ada" ? /gitops-lab-expires["=:]+2026-11-15-0830/ : /gitops-lab-expires["=:]+2026-11-02-2030/,
        );
      }
    }
  });

  test("opens the API server to the named networks, gives no node a public address, and refuses the whole world", async () => {
    const resources = ofCloud(await previewCohort(plan(kind)));
    const opened = resources.filter((resource) => text(resource).includes(office)).map(({ name }) => name);
    expect(opened).toEqual([expect.stringMatching(/^ada-/), expect.stringMatching(/^bob-/)]);
    for (const { inputs, type } of resources) {
      expect(inputs["mapPublicIpOnLaunch"] ?? false, type).toBe(false);
      // The ways out of the network, and nothing else, name every address.
      if (!type.endsWith(":RouteTable")) expect(JSON.stringify(inputs), type).not.toContain("0.0.0.0/0");
    }
    const [cluster] = resources.filter(({ name }) => name === `ada-${kind}`);
    const closed = {
      gke: {
        privateClusterConfig: { enablePrivateNodes: true },
        masterAuthorizedNetworksConfig: { gcpPublicCidrsAccessEnabled: false, cidrBlocks: [{ cidrBlock: office }] },
      },
      eks: {
        vpcConfig: {
          publicAccessCidrs: [office],
          subnetIds: ["foundation-eks-eu-central-1-inner-0-id", "foundation-eks-eu-central-1-inner-1-id"],
        },
      },
      doks: { controlPlaneFirewall: { enabled: true, allowedAddresses: [office] } },
    };
    expect(cluster?.inputs).toMatchObject(closed[kind as keyof typeof closed]);
    for (const everybody of ["0.0.0.0/0", "128.0.0.0/0"])
      expect(() => plan(kind, { allowedNetworks: [everybody] })).toThrow(/open to everybody/);
    expect(() => plan(kind, { allowedNetworks: [] })).toThrow(/at least one network/);
  });

  test("makes no cluster anew for a cosmetic change", async () => {
    const cluster = async (change: object) =>
      ofCloud(await previewCohort(plan(kind, change))).find(({ name }) => name === `ada-${kind}`)!.inputs;
    const [before, after] = [await cluster({}), await cluster({ allowedNetworks: ["198.51.100.0/24"], nodes: 2 })];
    const changed = Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
    expect(changed).toEqual(
      { gke: ["masterAuthorizedNetworksConfig"], eks: ["vpcConfig"], doks: ["controlPlaneFirewall", "nodePool"] }[kind],
    );
  });

  test("logs in by the cloud's own program, whenever somebody does", async () => {
    const { outputs } = await previewCohort(plan(kind));
    const { adminKubeconfig } = outputs.learners["ada"]!.cluster;
    expect(adminKubeconfig).toMatch(/exec:\n/);
    expect(adminKubeconfig).toMatch(/installHint: /);
    expect(adminKubeconfig).not.toMatch(/token:|client-key|password/);
  });
});

/** Every input by its path: `a`, `a.b`, and `a.b` for what is in a list `a` as well. What a map's keys are is the user's. */
function paths(prefix: string, value: unknown): string[] {
  if (Array.isArray(value))
    return [prefix, ...value.flatMap((item) => (typeof item === "object" && item !== null ? paths(prefix, item).slice(1) : []))];
  if (typeof value !== "object" || value === null) return [prefix];
  return [prefix, ...Object.entries(value).flatMap(([key, inner]) => paths(`${prefix}.${key}`, inner))];
}

/** A path that ends in `.*` in the list is a map with keys of the user's. */
function isKnown(path: string, known: readonly string[]): boolean {
  return known.some((name) => name === path || (name.endsWith(".*") && path.startsWith(name.slice(0, -1))));
}

describe("on a shared cluster", () => {
  const previewed = (change: object = {}) => previewCohort(plan("shared", change));
  const named = (resources: readonly Registered[], name: string) =>
    resources.find((one) => one.name === name)!.inputs as Record<string, unknown>;

  test("every learner has a namespace with a quota, limits, Pod Security and a network of their own", async () => {
    const { resources } = await previewed();
    const namespace = named(resources, "ada-shared-namespace")["metadata"] as { name: string; labels: Record<string, string> };
    expect(namespace.name).toMatch(/^ada-[0-9a-f]{8}$/);
    expect(namespace.labels).toMatchObject({
      "pod-security.kubernetes.io/enforce": "baseline",
      "gitops-lab-learner": "ada",
      "gitops-lab-expires": "2026-11-15-0830",
    });
    expect(named(resources, "ada-shared-quota")["spec"]).toMatchObject({
      hard: { "requests.cpu": "2", "requests.memory": "4Gi", pods: "40", "services.loadbalancers": "0", "services.nodeports": "0" },
    });
    expect(named(resources, "ada-shared-limits")["spec"]).toMatchObject({ limits: [{ type: "Container", max: { memory: "2Gi" } }] });
    expect(named(resources, "ada-shared-deny-all")["spec"]).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    const { ingress, egress } = named(resources, "ada-shared-lab")["spec"] as {
      ingress: unknown;
      egress: { to: { ipBlock?: { except: string[] } }[] }[];
    };
    expect(ingress).toEqual([{ from: [{ podSelector: {} }] }]);
    expect(egress[2]?.to[0]?.ipBlock?.except).toEqual(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
  });

  test("the namespace is the lab's before anything of its learner is made, and goes by its mark alone", async () => {
    pulumi.runtime.setAllConfig({ "gitops-lab:registryPassword": "push", "gitops-lab:githubToken": "token" });
    const elsewhere = {
      git: { kind: "github", organization: "course" },
      registry: { kind: "oci", url: "https://registry.example.org/course", username: "bot" },
    };
    for (const more of [{}, elsewhere]) {
      const learners = [{ id: "ada", name: "Ada", email: "ada@example.org", github: "ada-l" }];
      const spec = parseCohort({ course: "x", cluster: clusters["shared"], ...more, learners }, "x");
      const { resources } = await previewAnew(planCohort("sre", spec, { beginnings }), ":VirtualClusterNamespace");
      const ofAda = resources.filter(({ name, type }) => name.startsWith("ada-") && !type.startsWith("gitops-lab:"));
      // A pair of keys is nobody's until it is put into a repository.
      const made = ofAda.filter(({ type }) => !type.endsWith(":SshKey")).map(({ name }) => name);
      expect(made[0]).toBe("ada-namespace");
      expect(named(resources, "ada-namespace")).toMatchObject({ cohort: "sre", learner: "ada", kubeconfig: "/nowhere/kubeconfig" });
      expect(named(resources, "ada-shared-namespace")["metadata"]).toMatchObject({ labels: { "gitops-lab-mark": "0a1b2c3d" } });
      expect(named(resources, "ada-vcluster")).toMatchObject({ mark: "0a1b2c3d" });
    }
  });

  test("the virtual cluster is the pinned chart, reached at the address from outside", async () => {
    const { resources, outputs } = await previewed();
    expect(named(resources, "ada-vcluster")).toMatchObject({
      chart: "0.30.0",
      kubeconfig: "/nowhere/kubeconfig",
      server: "https://ada.sre.labs.example.org",
      values: { exportKubeConfig: { server: "https://ada.sre.labs.example.org" }, telemetry: { enabled: false } },
    });
    expect(outputs.learners["ada"]?.cluster).toMatchObject({
      apiServer: "https://ada.sre.labs.example.org",
      adminKubeconfig: "admin-of-ada",
    });
  });

  test("a load balancer is open to the named networks alone", async () => {
    const { resources, outputs } = await previewed({ expose: { kind: "load-balancer", allowedNetworks: [office] } });
    expect(named(resources, "ada-vcluster")).toMatchObject({
      values: { controlPlane: { service: { spec: { type: "LoadBalancer", loadBalancerSourceRanges: [office] } } } },
    });
    expect(named(resources, "ada-vcluster")).not.toHaveProperty("server");
    expect(named(resources, "ada-shared-quota")["spec"]).toMatchObject({
      hard: { "services.loadbalancers": "1", "services.nodeports": "1" },
    });
    expect(outputs.learners["ada"]?.cluster.apiServer).toBe("https://198.51.100.7");
  });

  test("a longer time gives the control plane no other values, which would start it anew", async () => {
    const longer = parseCohort(
      { course: "x", ttl: "28d", cluster: clusters["shared"], learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }] },
      "x",
    );
    const { resources } = await previewAnew(planCohort("sre", longer, { beginnings }));
    const before = named((await previewed()).resources, "ada-vcluster");
    expect(named(resources, "ada-shared-namespace")["metadata"]).toMatchObject({ labels: { "gitops-lab-expires": "2026-11-29-0830" } });
    expect(named(resources, "ada-vcluster")["values"]).toEqual(before["values"]);
  });

  test("the control plane's way out is not for pods that a learner labels like it", async () => {
    const { resources } = await previewed();
    const { name } = named(resources, "ada-shared-namespace")["metadata"] as { name: string };
    expect(named(resources, "ada-shared-control-plane")["spec"]).toMatchObject({ podSelector: { matchLabels: { release: name } } });
  });

  test("the kubeconfig of the cluster below is named by its path and not read", async () => {
    const { resources } = await previewed();
    const [provider] = resources.filter(({ name, type }) => type.endsWith("providers:kubernetes") && name.startsWith("foundation-"));
    expect(provider?.inputs["kubeconfig"]).toBe("/nowhere/kubeconfig");
  });
});

describe("on clusters that are brought", () => {
  test("each learner has the kubeconfig, and the context, with their id in the place of {learner}", async () => {
    const { ofType } = await previewCohort(plan("external", { context: "lab-{learner}" }));
    expect(ofType(":ExternalCluster").map(({ inputs }) => [inputs["kubeconfig"], inputs["context"]])).toEqual([
      ["/nowhere/ada.yaml", "lab-ada"],
      ["/nowhere/bob.yaml", "lab-bob"],
    ]);
    expect(() => plan("external", { kubeconfig: "{id}.yaml" })).toThrow(/may have \{learner\} in it, and no other braces/);
  });

  test("whatever is made outside of namespaces carries the lab's marks, and the claim looks for it beforehand", async () => {
    await setupTools();
    const { resources } = await previewCohort(plan("external"));
    const collectionOf: Readonly<Record<string, keyof Awaited<ReturnType<typeof namesOfLab>>>> = {
      Namespace: "namespaces",
      ClusterRole: "clusterroles",
      ClusterRoleBinding: "clusterrolebindings",
    };
    const names = await namesOfLab();
    const found = new Map(Object.keys(names).map((collection) => [collection, new Set<string>()]));
    for (const { name, type, inputs } of resources.filter((one) => one.type.startsWith("kubernetes:") && one.name.startsWith("ada-"))) {
      const metadata = inputs["metadata"] as { name: string; namespace?: string; labels?: object };
      if (metadata.namespace !== undefined) continue;
      expect(metadata.labels, name).toMatchObject({
        "gitops-lab-mark": "0a1b2c3d",
        "gitops-lab-cohort": "sre",
        "gitops-lab-learner": "ada",
      });
      found.get(collectionOf[type.split(":").at(-1) ?? ""] ?? type)!.add(metadata.name);
    }
    expect(Object.fromEntries([...found].map(([collection, each]) => [collection, [...each].toSorted()]))).toEqual({
      ...Object.fromEntries(Object.entries(names).map(([collection, each]) => [collection, each.toSorted()])),
      customresourcedefinitions: [],
    });
    const [definitions] = resources.filter(({ type }) => type.endsWith(":FluxDefinitions"));
    expect(definitions?.inputs["labels"]).toMatchObject({ "gitops-lab-mark": "0a1b2c3d", "gitops-lab-learner": "ada" });
  });

  test("nothing of a learner is made before the cluster is theirs", async () => {
    const spec = parseCohort(
      { course: "x", cluster: clusters["external"], learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }] },
      "x",
    );
    const { resources } = await previewAnew(planCohort("sre", spec, { beginnings }), ":ExternalCluster");
    const ofAda = resources.filter(({ name, type }) => name.startsWith("ada-") && !type.startsWith("gitops-lab:"));
    expect(ofAda[0]?.name).toBe("ada-external");
  });

  test("other clusters get no marks, which they go with", async () => {
    for (const kind of ["embedded", "kind", "gke"]) {
      const { resources } = await previewCohort(plan(kind));
      const marked = resources.filter((one) => one.type.startsWith("kubernetes:") && text(one).includes("gitops-lab-mark"));
      expect(
        marked.map(({ name }) => name),
        kind,
      ).toEqual([]);
    }
  });
});

describe("a mixed cohort", () => {
  const mixed = (bob: object | undefined) => {
    const spec = parseCohort(
      {
        course: "x",
        learners: [
          { id: "ada", name: "Ada", email: "ada@example.org" },
          { id: "bob", name: "Bob", email: "bob@example.org", ...(bob && { cluster: bob }) },
        ],
      },
      "x",
    );
    return planCohort("sre", spec, { beginnings });
  };

  test("has one learner on kind and another embedded", async () => {
    const { outputs, ofType } = await previewCohort(mixed({ kind: "kind" }));
    expect(Object.values(outputs.learners).map(({ cluster }) => [cluster.kind, cluster.nodes])).toEqual([
      ["embedded", "simulated"],
      ["kind", "real"],
    ]);
    expect([ofType(":EmbeddedCluster").length, ofType(":KindCluster").length, ofType(":LabHost").length]).toEqual([1, 1, 1]);
    expect(outputs.simulated).toEqual([expect.stringContaining("kwok")]);
  });

  test("keeps repository and images of a learner who moves, and everything of who stays", async () => {
    const [before, after] = [await previewCohort(mixed(undefined)), await previewCohort(mixed({ kind: "kind" }))];
    // In which order resources are registered is left to chance.
    const same = ({ resources }: PreviewedCohort, pattern: RegExp) =>
      resources
        .filter(({ type }) => pattern.test(type))
        .map(({ name, type, inputs }) => [type, name, JSON.stringify(inputs)].join(" "))
        .sort();
    const kept = /gitops-lab:(GitRepository|ImageRepository|SeedImages)$/;
    expect(same(after, kept)).toEqual(same(before, kept));
    const ofAda = ({ resources }: PreviewedCohort) =>
      resources
        .filter(({ name }) => name.startsWith("ada"))
        .map(({ name, type, inputs }) => [type, name, JSON.stringify(inputs)].join(" "))
        .sort();
    expect(ofAda(after)).toEqual(ofAda(before));
  });
});
