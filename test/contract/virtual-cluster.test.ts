import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseAllDocuments } from "yaml";
import { virtualCluster, type VirtualClusterInput } from "../../clusters/vcluster/cluster.ts";
import { virtualClusterNamespace, type VirtualClusterNamespaceInput } from "../../clusters/vcluster/namespace.ts";
import { renderVcluster } from "../../clusters/vcluster/helm.ts";
import { readInventory, recordCreation, recordGone, type Thing } from "../../ledger/inventory.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { lookForVirtualCluster } from "../../clusters/vcluster/look.ts";
import type { Properties } from "../../shared/json.ts";
import { activeContext } from "../../shared/kube-api.ts";
import { kubeconfigFor } from "../../shared/kubeconfig.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { setupTools } from "../../tools/install.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { useLabHome } from "../support/lab-home.ts";
import { previewCohort, type Registered } from "../support/mocked-cohort.ts";

/** vcluster's own chart, rendered and installed by Helm on a real API server; its pods do not run here, and are played. */
const ingress = { kind: "ingress", domain: "labs.example.org" };
const balancer = { kind: "load-balancer", allowedNetworks: ["203.0.113.0/24"] };
const doing = { learner: "ada", step: "render" };

interface Shared {
  readonly name: string;
  readonly input: VirtualClusterInput;
  readonly claim: VirtualClusterNamespaceInput;
  /** Namespace, quota, limits and policies. */
  readonly objects: readonly Registered["inputs"][];
}

/** What the program makes for a learner on a shared cluster. */
async function program(expose: object, more: object = {}): Promise<Shared> {
  const spec = parseCohort(
    {
      course: "x",
      cluster: { kind: "shared", kubeconfig: "/nowhere", expose, ...more },
      learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }],
    },
    "x",
  );
  const { resources } = await previewCohort(planCohort("sre", spec));
  const objects = resources
    .filter(({ name, type }) => name.startsWith("ada-shared-") && type.startsWith("kubernetes:"))
    .map(({ inputs }) => inputs);
  const input = resources.find(({ name }) => name === "ada-vcluster")!.inputs as unknown as VirtualClusterInput;
  const claim = resources.find(({ name }) => name === "ada-namespace")!.inputs as unknown as VirtualClusterNamespaceInput;
  return { name: input.name, input, claim, objects };
}

type Rendered = Properties & {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: any;
};

async function render({ name, input: { values } }: Shared): Promise<Rendered[]> {
  const text = await renderVcluster(name, name, values, doing);
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as Rendered | null) ?? []);
}

beforeAll(() => setupTools({ purposes: new Set(["shared"]), plugins: [] }), 900_000);

describe("the chart", () => {
  test("takes every value that the program gives, by name and type", { timeout: 240_000 }, async () => {
    for (const expose of [ingress, balancer]) await render(await program(expose, { controlPlaneImages: "mirror.example.org/course" }));
    const given = await program(ingress);
    const refused = async (values: object) =>
      expect(renderVcluster("x", "x", { ...given.input.values, ...values }, doing)).rejects.toMatchObject({ code: "chart-values" });
    await refused({ telemetry: { enable: false } });
    await refused({ exportKubeConfig: { server: 1 } });
  });

  test("makes nothing outside of the learner's namespace", async () => {
    for (const expose of [ingress, balancer]) {
      const shared = await program(expose);
      const objects = await render(shared);
      expect(objects.map(({ kind }) => kind).sort()).toEqual(
        [
          "Role",
          "RoleBinding",
          "Secret",
          "Service",
          "Service",
          "ServiceAccount",
          "ServiceAccount",
          "StatefulSet",
          ...(expose === ingress ? ["Ingress"] : []),
        ].sort(),
      );
      for (const { kind, metadata } of objects) expect(metadata.namespace, kind).toBe(shared.name);
    }
  });

  test("exposes the virtual API server as the cohort file says", async () => {
    const byIngress = await program(ingress);
    const routed = (await render(byIngress)).find(({ kind }) => kind === "Ingress")!;
    expect(routed.spec).toMatchObject({ ingressClassName: "nginx", rules: [{ host: "ada.sre.labs.example.org" }] });
    const service = async (shared: Shared) =>
      (await render(shared)).find(({ kind, metadata }) => kind === "Service" && metadata.name === shared.name)!;
    expect((await service(byIngress)).spec).toMatchObject({ type: "ClusterIP", selector: { app: "vcluster", release: byIngress.name } });
    const balanced = (await service(await program(balancer))).spec;
    expect(balanced).toMatchObject({ type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/24"] });
    // As many node ports as the quota allows.
    expect(balanced.ports).toHaveLength(1);
  });

  test("runs what the policy for the control plane means, and takes its volume along when it goes", async () => {
    const shared = await program(ingress, { controlPlaneImages: "mirror.example.org/course/" });
    const { spec } = (await render(shared)).find(({ kind }) => kind === "StatefulSet")!;
    const policy = shared.objects.find(({ metadata }) => (metadata as { name: string }).name === "control-plane")!["spec"] as {
      podSelector: { matchLabels: object };
    };
    expect(spec.template.metadata.labels).toMatchObject(policy.podSelector.matchLabels);
    expect(spec.template.spec.containers[0].readinessProbe.httpGet.port).toBe(8443);
    expect(spec.persistentVolumeClaimRetentionPolicy).toMatchObject({ whenDeleted: "Delete" });
    expect(spec.template.spec.containers[0].image).toBe("mirror.example.org/course/loft-sh/vcluster-oss:0.30.0");
    expect(spec.template.spec.initContainers[0].image).toMatch(/^mirror\.example\.org\/course\/loft-sh\/kubernetes:v1\./);
  });
});

describe("on a real API server", () => {
  useLabHome();
  let plane: TestControlPlane;
  let shared: Shared;
  let input: VirtualClusterInput;
  let claim: VirtualClusterNamespaceInput;
  let folder: string;
  const ended = new AbortController();
  let kubelet: Promise<void> | undefined;

  beforeAll(async () => {
    plane = await startControlPlane(["etcd", "kube-apiserver", "kube-controller-manager"]);
    shared = await program(balancer);
    folder = await mkdtemp(join(tmpdir(), "virtual-cluster-"));
    const kubeconfig = join(folder, "below.yaml");
    await writeFile(kubeconfig, plane.kubeconfig("admin"));
    claim = { ...shared.claim, kubeconfig };
    const { mark } = (await virtualClusterNamespace.ensure(claim)).output;
    input = { ...shared.input, kubeconfig, mark };
    for (const object of shared.objects.filter(({ kind }) => kind !== "Namespace"))
      await plane.kubectl(["apply", "--server-side", "--validate=strict", "-f", "-"], JSON.stringify(object));
  }, 180_000);
  afterAll(async () => {
    ended.abort();
    await kubelet;
    await plane.remove();
    await rm(folder, { recursive: true, force: true });
  });

  const inNamespace = (...args: string[]) => plane.kubectl([...args, "-n", shared.name]);
  const patchStatus = (what: readonly string[], status: object) =>
    inNamespace("patch", ...what, "--subresource=status", "--type=merge", "-p", JSON.stringify({ status }));

  /** What the pod and the load balancer would do. */
  async function play(): Promise<void> {
    await inNamespace("wait", "--for=create", `pod/${shared.name}-0`, "--timeout=60s");
    const { cluster, user } = activeContext(plane.kubeconfig("admin"));
    const exported = kubeconfigFor("virtual", { ...cluster, server: "https://localhost:8443" }, user);
    await inNamespace("create", "secret", "generic", `vc-${shared.name}`, `--from-literal=config=${exported}`);
    await patchStatus(["service", shared.name], { loadBalancer: { ingress: [{ ip: "198.51.100.7" }] } });
    kubelet = playKubelet();
  }

  /** Has every pod ready and lets go of those that are to end, and of their volume, until the tests have ended. */
  async function playKubelet(): Promise<void> {
    while (!ended.signal.aborted) {
      const { items } = JSON.parse(await inNamespace("get", "pods", "-o", "json")) as {
        items: { metadata: { name: string; deletionTimestamp?: string }; status: { phase: string } }[];
      };
      for (const { metadata, status } of items) {
        const { name, deletionTimestamp } = metadata;
        // It may be gone meanwhile, as pods go.
        if (deletionTimestamp !== undefined) await inNamespace("delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found");
        else if (status.phase !== "Running")
          await patchStatus(["pod", name], { phase: "Running", conditions: [{ type: "Ready", status: "True" }] }).catch(() => undefined);
      }
      const claim = ["pvc", `data-${shared.name}-0`];
      // The lab's control plane has no controller for volumes.
      if ((await inNamespace("get", ...claim, "--ignore-not-found", "-o", "jsonpath={.metadata.deletionTimestamp}")) !== "")
        await inNamespace("patch", ...claim, "--type=merge", "-p", '{"metadata":{"finalizers":null}}').catch(() => undefined);
      await delay(300);
    }
  }

  const place = () => `${claim.kubeconfig}#${claim.name}`;
  const live = async (name: string) =>
    JSON.parse(await plane.kubectl(["get", "namespace", name, "-o", "json"])) as { metadata: Properties };

  /** Lets another lab home of this user, or of another's, do something on the same Kubernetes. */
  async function elsewhere<T>(work: () => Promise<T>): Promise<T> {
    vi.stubEnv("GITOPS_LAB_HOME", join(folder, "other-lab"));
    try {
      return await work();
    } finally {
      vi.unstubAllEnvs();
    }
  }

  test("the namespace carries the lab's mark, and an interrupted run goes on with it", async () => {
    const before = await live(shared.name);
    expect(before.metadata["labels"]).toMatchObject({ ...claim.labels, "gitops-lab-mark": input.mark });
    expect((await virtualClusterNamespace.ensure(claim)).output).toMatchObject({ name: shared.name, mark: input.mark });
    expect(await live(shared.name)).toEqual(before);
    expect(await readInventory(claim.cohort)).toMatchObject([{ kind: "virtual-cluster", id: place(), mark: input.mark, learner: "ada" }]);
  });

  test("another lab with a cohort and a learner of these names is refused, and neither changes nor removes it", async () => {
    const before = await live(shared.name);
    await elsewhere(async () => {
      const refused = {
        code: "namespace-taken",
        message: expect.stringMatching(
          new RegExp(
            `Learner ada: the namespace ${shared.name} of .* another lab made it \\(cohort sre, learner ada, mark ${input.mark}, .*\`./lab down sre\` where`,
          ),
        ),
      };
      await expect(virtualClusterNamespace.ensure({ ...claim, labels: { ...claim.labels, x: "y" } })).rejects.toMatchObject(refused);
      // Nothing of it is the other lab's to look for.
      expect(await readInventory(claim.cohort)).toEqual([]);
      const theirs = { learner: "ada", kubeconfig: claim.kubeconfig, name: shared.name, mark: "00000000" };
      await expect(virtualCluster.ensure({ ...input, mark: theirs.mark })).rejects.toMatchObject(refused);
      expect(await virtualClusterNamespace.read("x", theirs)).toBeUndefined();
      await virtualClusterNamespace.remove("x", theirs);
      await virtualCluster.remove("x", { ...theirs, apiServer: "", adminKubeconfig: "" });
      // Its own was there, was deleted by somebody, and this one came into its place.
      expect(await lookForVirtualCluster({ kind: "virtual-cluster", id: place(), mark: theirs.mark })).toMatchObject({
        state: "foreign",
        says: expect.stringContaining(`mark ${input.mark}`),
      });
    });
    expect(await live(shared.name)).toEqual(before);
  });

  test("a namespace that no lab made is refused as well", async () => {
    await plane.kubectl(["create", "namespace", "theirs"]);
    await expect(virtualClusterNamespace.ensure({ ...claim, name: "theirs" })).rejects.toMatchObject({
      code: "namespace-taken",
      message: expect.stringContaining("something other than a lab made it"),
    });
    expect((await live("theirs")).metadata["labels"]).toEqual({ "kubernetes.io/metadata.name": "theirs" });
  });

  test("one that an earlier version made without a mark is known by the inventory, and marked", async () => {
    const old = { ...claim, name: "of-old" };
    const thing: Thing = { kind: "virtual-cluster", id: `${claim.kubeconfig}#of-old`, learner: "ada", name: "of-old" };
    const manifest = { apiVersion: "v1", kind: "Namespace", metadata: { name: "of-old", labels: old.labels } };
    await plane.kubectl(["create", "-f", "-"], JSON.stringify(manifest));
    await expect(virtualClusterNamespace.ensure(old)).rejects.toMatchObject({ code: "namespace-taken" });
    await recordCreation("other", thing);
    await expect(virtualClusterNamespace.ensure({ ...old, cohort: "other" })).rejects.toMatchObject({ code: "namespace-taken" });
    expect(await lookForVirtualCluster(thing)).toMatchObject({ state: "left" });
    await recordCreation(claim.cohort, thing);
    const { output } = await virtualClusterNamespace.ensure(old);
    expect((await live("of-old")).metadata["labels"]).toMatchObject({ "gitops-lab-mark": input.mark });
    // One that is being deleted is waited out, and made anew.
    const { uid } = (await live("of-old")).metadata;
    await plane.kubectl(["delete", "namespace", "of-old", "--wait=false"]);
    await virtualClusterNamespace.ensure(old);
    expect((await live("of-old")).metadata["uid"]).not.toBe(uid);
    await virtualClusterNamespace.remove("x", output);
    expect(await lookForVirtualCluster(thing)).toEqual({ state: "gone" });
    await recordGone(claim.cohort, [thing]);
  });

  test("the confinement lets the control plane in, and the driver waits until it runs", { timeout: 120_000 }, async () => {
    let ended = false;
    const made = virtualCluster.ensure(input).finally(() => (ended = true));
    await inNamespace("wait", "--for=create", `pod/${shared.name}-0`, "--timeout=60s");
    expect(ended).toBe(false);
    await play();
    const { output } = await made;
    // The pods of the learner's own are none that it waits for.
    const pods = clusterClient(input.kubeconfig);
    expect(await pods.lookPodsReady(shared.name, `app=vcluster,release=${shared.name}`)).toMatchObject({ done: true });
    expect(await pods.lookPodsReady(shared.name, "app=other")).toMatchObject({ done: false });
    expect(output).toMatchObject({ name: shared.name, apiServer: "https://198.51.100.7" });
    expect(activeContext(output.adminKubeconfig).cluster["server"]).toBe("https://198.51.100.7");
    expect(await readInventory(input.cohort)).toMatchObject([{ kind: "virtual-cluster", learner: "ada", name: shared.name }]);
  });

  test("a second run changes nothing, and a changed value the release", { timeout: 120_000 }, async () => {
    const generation = () => inNamespace("get", "statefulset", shared.name, "-o", "jsonpath={.metadata.generation}");
    const before = await generation();
    await virtualCluster.ensure(input);
    expect(await generation()).toBe(before);
    const service = { spec: { type: "LoadBalancer", loadBalancerSourceRanges: ["198.51.100.0/24"] } };
    await virtualCluster.ensure({
      ...input,
      values: { ...input.values, controlPlane: { ...(input.values["controlPlane"] as Properties), service } },
    });
    expect(await inNamespace("get", "service", shared.name, "-o", "jsonpath={.spec.loadBalancerSourceRanges}")).toBe('["198.51.100.0/24"]');
  });

  test("what a killed Helm left unfinished does not stand in the way", { timeout: 120_000 }, async () => {
    const release = (
      JSON.parse(await inNamespace("get", "secrets", "-l", "owner=helm,status=deployed", "-o", "json")) as {
        items: { metadata: { name: string }; data: { release: string } }[];
      }
    ).items.at(-1)!;
    // Helm's own format: JSON, gzipped, in base64 within the secret's base64.
    const content = JSON.parse(gunzipSync(Buffer.from(Buffer.from(release.data.release, "base64").toString(), "base64")).toString()) as {
      info: { status: string };
    };
    content.info.status = "pending-upgrade";
    const packed = Buffer.from(gzipSync(JSON.stringify(content)).toString("base64")).toString("base64");
    const patch = join(folder, "patch.json");
    await writeFile(patch, JSON.stringify({ metadata: { labels: { status: "pending-upgrade" } }, data: { release: packed } }));
    await inNamespace("patch", "secret", release.metadata.name, "--type=merge", `--patch-file=${patch}`);
    await virtualCluster.ensure(input);
    expect(await inNamespace("get", "service", shared.name, "-o", "jsonpath={.spec.loadBalancerSourceRanges}")).toBe('["203.0.113.0/24"]');
  });

  test("an API server that does not answer is not a virtual cluster that is gone, unless the run says so", async () => {
    const away = join(folder, "away.yaml");
    await writeFile(away, kubeconfigFor("x", { server: "https://127.0.0.1:1" }, { token: "t" }));
    const output = { learner: "ada", kubeconfig: away, name: shared.name, apiServer: "", adminKubeconfig: "" };
    await expect(virtualCluster.read("x", output)).rejects.toThrow();
    await expect(virtualCluster.remove("x", output)).rejects.toMatchObject({
      code: "shared-unreachable",
      message: expect.stringContaining("Learner ada: could not remove"),
    });
    vi.stubEnv("PULUMI_K8S_DELETE_UNREACHABLE", "true");
    expect(await virtualCluster.read("x", output)).toBeUndefined();
    await virtualCluster.remove("x", output);
    vi.unstubAllEnvs();
    expect(await lookForVirtualCluster({ kind: "virtual-cluster", id: `${away}#${shared.name}` })).toMatchObject({
      state: "unknown",
      remove: expect.stringContaining(`delete namespace ${shared.name}`),
    });
  });

  test("is gone when it was removed, however often; the namespace is told of as long as it is there", { timeout: 120_000 }, async () => {
    const { output } = await virtualCluster.ensure(input);
    expect(await virtualCluster.read("x", output)).toEqual(output);
    const [item] = await readInventory(input.cohort);
    expect(await lookForVirtualCluster(item!)).toMatchObject({ state: "left" });
    await virtualCluster.remove("x", output);
    // Helm takes for gone what the API server lets go of a moment later.
    await expect.poll(() => virtualCluster.read("x", output), { timeout: 30_000 }).toBeUndefined();
    await virtualCluster.remove("x", output);
    const { output: claimed } = await virtualClusterNamespace.ensure(claim);
    await virtualClusterNamespace.remove("x", claimed);
    expect(await lookForVirtualCluster(item!)).toEqual({ state: "gone" });
    expect(await virtualClusterNamespace.read("x", claimed)).toBeUndefined();
    await virtualClusterNamespace.remove("x", claimed);
    await rm(input.kubeconfig);
    expect(await lookForVirtualCluster(item!)).toMatchObject({ state: "unknown" });
  });
});
