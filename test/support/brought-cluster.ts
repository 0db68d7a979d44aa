import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExternalClusterInput, ExternalClusterOutput } from "../../clusters/external/cluster.ts";
import { fluxDefinitions } from "../../host/drivers/flux-definitions.ts";
import { learnerToken } from "../../host/drivers/learner-token.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { startControlPlane, type TestControlPlane } from "./control-plane.ts";
import { previewCohort } from "./mocked-cohort.ts";

/** A cluster that is somebody else's, with things of theirs in it, and a kubeconfig of it. */
export interface BroughtCluster {
  readonly plane: TestControlPlane;
  /** Path of its administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** Everything in it by path, with uid and labels; without what comes and goes by itself. */
  all(): Promise<Readonly<Record<string, string>>>;
  remove(): Promise<void>;
}

/** An earlier Flux has left it there. */
const leftOfFlux = { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" };

const theirs = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "theirs", labels: { team: "platform" } } },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "theirs" }, data: { a: "b" } },
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "of-all", namespace: "default", labels: leftOfFlux }, data: { a: "b" } },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "theirs" },
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
  },
  {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.org" },
    spec: {
      group: "example.org",
      scope: "Namespaced",
      names: { plural: "widgets", singular: "widget", kind: "Widget" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  },
];

export async function bringCluster(): Promise<BroughtCluster> {
  const plane = await startControlPlane(["etcd", "kube-apiserver", "kube-controller-manager"]);
  const folder = await mkdtemp(join(tmpdir(), "brought-cluster-"));
  const kubeconfig = join(folder, "admin.yaml");
  await writeFile(kubeconfig, plane.kubeconfig("admin"), { mode: 0o600 });
  for (const object of theirs) await plane.kubectl(["create", "-f", "-"], JSON.stringify(object));
  await plane.kubectl(["wait", "--for=condition=Established", "crd/widgets.example.org", "--timeout=30s"]);
  await plane.kubectl(
    ["create", "-f", "-"],
    JSON.stringify({ apiVersion: "example.org/v1", kind: "Widget", metadata: { name: "one", namespace: "theirs" } }),
  );
  const passing = /^(events|leases|endpoints|endpointslices|bindings|componentstatuses|apiservices|podmetrics|nodemetrics)\b/;
  return {
    plane,
    kubeconfig,
    async all() {
      const names = (await plane.kubectl(["api-resources", "--verbs=list", "-o", "name"]))
        .split("\n")
        .filter((one) => one && !passing.test(one));
      const { items } = JSON.parse(await plane.kubectl(["get", [...new Set(names)].join(","), "-A", "-o", "json"])) as {
        items: { kind: string; metadata: { namespace?: string; name: string; uid: string; labels?: object } }[];
      };
      return Object.fromEntries(
        items.map(({ kind, metadata: { namespace = "", name, uid, labels = {} } }) => [
          `${kind} ${namespace}/${name}`,
          `${uid} ${JSON.stringify(labels)}`,
        ]),
      );
    },
    async remove() {
      await plane.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the program has the driver take for a learner. */
export async function claimInput(cohort: string, learner: string, kubeconfig: string): Promise<ExternalClusterInput> {
  return (await preview(cohort, learner, kubeconfig)).find(({ type }) => type.endsWith(":ExternalCluster"))!
    .inputs as unknown as ExternalClusterInput;
}

/** Makes in a cluster what the lab makes there, by its own program and drivers; its credentials in Secrets apart. */
export async function fillAsLab(
  { plane, kubeconfig }: BroughtCluster,
  { cohort, learner, mark, clusterId, adminKubeconfig }: ExternalClusterOutput,
): Promise<{ readonly learnerKubeconfig: string }> {
  const resources = await preview(cohort, learner, kubeconfig);
  const own = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll("0a1b2c3d", mark)) as Record<string, any>;
  const { labels, version } = own(resources.find(({ type }) => type.endsWith(":FluxDefinitions"))!.inputs);
  await fluxDefinitions.ensure({ learner, clusterId, kubeconfig: adminKubeconfig, version, labels });
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const { output } = await learnerToken.ensure({ learner, clusterId, kubeconfig: adminKubeconfig, namespace: "gitops-lab", until });
  const objects = resources
    .filter(({ type, name, inputs }) => type.startsWith("kubernetes:") && name.startsWith(`${learner}-`) && inputs["kind"] !== "Secret")
    .map(({ inputs }) => own(inputs))
    .toSorted((a, b) => Number(b["kind"] === "Namespace") - Number(a["kind"] === "Namespace"));
  await plane.kubectl(
    ["apply", "--server-side", "--force-conflicts", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  );
  return output;
}

async function preview(cohort: string, learner: string, kubeconfig: string) {
  const learners = [{ id: learner, name: learner, email: `${learner}@example.org` }];
  const spec = parseCohort({ course: "x", cluster: { kind: "external", kubeconfig }, learners }, "x");
  return (await previewCohort(planCohort(cohort, spec))).resources;
}
