import { rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { externalCluster, type ExternalClusterInput, type ExternalClusterOutput } from "../../clusters/external/cluster.ts";
import { lookForExternalCluster } from "../../clusters/external/look.ts";
import { readInventory } from "../../ledger/inventory.ts";
import { connect } from "../../shared/kube-api.ts";
import { kubeconfigFor } from "../../shared/kubeconfig.ts";
import { waitUntil } from "../../shared/wait.ts";
import { setupTools } from "../../tools/install.ts";
import { bringCluster, claimInput, fillAsLab, type BroughtCluster } from "../support/brought-cluster.ts";
import { useLabHome } from "../support/lab-home.ts";

/** A lab on a cluster that is somebody else's: whoever has it first has it alone, and it is left as it was. */
const home = useLabHome();
/** On whatever Flux has applied. */
const flux = { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" };
let there: BroughtCluster;
let input: ExternalClusterInput;
let before: Readonly<Record<string, string>>;

beforeAll(async () => {
  await setupTools();
  there = await bringCluster();
  input = await claimInput("sre", "ada", there.kubeconfig);
  // What its controllers give each namespace is there.
  await there.plane.kubectl(["wait", "--for=create", "configmap/kube-root-ca.crt", "-n", "theirs", "--timeout=30s"]);
  before = await settled();
}, 180_000);
afterAll(() => there.remove());

/** Everything in the cluster, once that is the same twice. */
async function settled(): Promise<Readonly<Record<string, string>>> {
  let last = await there.all();
  return waitUntil(
    async () => {
      const now = await there.all();
      const same = JSON.stringify(now) === JSON.stringify(last);
      last = now;
      return same ? { done: true, value: now } : { done: false, because: "it changes." };
    },
    { what: "the cluster to come to rest", timeoutSeconds: 60, intervalMs: 1500, remedy: "" },
  );
}

const refusal = async (given: Promise<unknown>) =>
  given.then(
    () => "taken",
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

/** Lets another lab home do something on the same cluster. */
async function elsewhere<T>(work: () => Promise<T>): Promise<T> {
  vi.stubEnv("GITOPS_LAB_HOME", `${home()}-other`);
  try {
    return await work();
  } finally {
    vi.unstubAllEnvs();
    await rm(`${home()}-other`, { recursive: true, force: true });
  }
}

describe("a cluster is refused, and nothing is made in it,", () => {
  const kubectl = (...args: string[]) => there.plane.kubectl(args);
  const object = (value: object) => there.plane.kubectl(["create", "-f", "-"], JSON.stringify(value));

  test.each([
    [
      "Flux",
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "flux-system" } },
      /it has namespace flux-system already, which this lab did not make\. Nothing was created there\. Every learner takes a whole cluster without Flux/,
    ],
    ["an environment", { apiVersion: "v1", kind: "Namespace", metadata: { name: "production" } }, /it has namespace production already/],
    [
      "a role of the lab's name",
      { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: "gitops-lab-learner" } },
      /it has cluster role gitops-lab-learner already/,
    ],
    [
      "a namespace gitops-lab of nobody's",
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "gitops-lab" } },
      /by which labs take a cluster, and no lab has made that/,
    ],
    [
      "Flux' kinds alone",
      {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "gitrepositories.source.toolkit.fluxcd.io" },
        spec: {
          group: "source.toolkit.fluxcd.io",
          scope: "Namespaced",
          names: { plural: "gitrepositories", singular: "gitrepository", kind: "GitRepository" },
          versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
        },
      },
      /it has CRD gitrepositories\.source\.toolkit\.fluxcd\.io already/,
    ],
  ])("that has %s", async (_, foreign, message) => {
    await object(foreign);
    const said = await refusal(externalCluster.ensure(input));
    expect(said).toMatch(/^external-taken: Learner ada: could not take the cluster https:/);
    expect(said).toMatch(message);
    expect(await readInventory("sre")).toEqual([]);
    await kubectl("delete", foreign.kind.toLowerCase(), foreign.metadata.name);
    expect(await settled()).toEqual(before);
  });

  test("whose kubeconfig may not do everything", async () => {
    const token = (await there.plane.kubectl(["create", "token", "default", "-n", "theirs"])).trim();
    const { cluster } = (JSON.parse(await kubectl("config", "view", "--raw", "-o", "json")) as { clusters: { cluster: object }[] })
      .clusters[0]!;
    const weak = `${there.kubeconfig}.weak`;
    await writeFile(weak, kubeconfigFor("weak", cluster as never, { token }));
    // It may not even see which cluster it is.
    expect(await refusal(externalCluster.ensure({ ...input, kubeconfig: weak }))).toMatch(
      /^external-rights: Learner ada: .*role cluster-admin/,
    );
    await there.plane.kubectl(["create", "clusterrolebinding", "weak", "--clusterrole=view", "--serviceaccount=theirs:default"]);
    expect(await refusal(externalCluster.ensure({ ...input, kubeconfig: weak }))).toMatch(
      /^external-rights: Learner ada: .*may not do everything there, and Flux needs that\. Nothing was created there/,
    );
    await kubectl("delete", "clusterrolebinding", "weak");
    expect(await settled()).toEqual(before);
  });

  test("that nobody reaches, or whose kubeconfig is none", async () => {
    const [dead, none] = [`${there.kubeconfig}.dead`, `${there.kubeconfig}.none`];
    await writeFile(dead, kubeconfigFor("dead", { server: "https://127.0.0.1:1" }, { token: "t" }));
    expect(await refusal(externalCluster.ensure({ ...input, kubeconfig: dead }))).toMatch(
      /^external-unreachable: Learner ada: .*kubectl cluster-info/,
    );
    expect(await refusal(externalCluster.ensure({ ...input, kubeconfig: none }))).toMatch(
      /^kubeconfig-invalid: Learner ada: .*there is no such file/,
    );
  });
});

describe("a lab on it", () => {
  let made: ExternalClusterOutput;
  const thing = async () => (await readInventory("sre"))[0]!;

  beforeAll(async () => {
    made = (await externalCluster.ensure(input)).output;
  });

  test("is told by its mark, and keeps everybody else out: a learner, a cohort, a lab", async () => {
    expect(await there.all()).toMatchObject({
      "Namespace /gitops-lab": expect.stringMatching(
        `"gitops-lab-cohort":"sre".*"gitops-lab-learner":"ada","gitops-lab-mark":"${made.mark}"`,
      ),
    });
    const taken = await settled();
    const bob = await claimInput("sre", "bob", there.kubeconfig);
    expect(await refusal(externalCluster.ensure(bob))).toMatch(
      /^external-taken: Learner bob: .*: learner ada of cohort sre has it\. .*name the kubeconfig of another, or end the other one with `\.\/lab down sre`/,
    );
    expect(await refusal(externalCluster.ensure({ ...input, cohort: "other" }))).toMatch(/learner ada of cohort sre has it/);
    await elsewhere(async () => {
      expect(await refusal(externalCluster.ensure(input))).toMatch(
        new RegExp(`another lab \\(mark ${made.mark}\\) has it, for learner ada of cohort sre.*\`\\./lab down sre\` where it was made`),
      );
      expect(await readInventory("sre")).toEqual([]);
      const foreign = { ...made, mark: "00000000" };
      expect(await externalCluster.read("x", foreign)).toBeUndefined();
      await externalCluster.remove("x", foreign);
    });
    expect(await settled()).toEqual(taken);
  });

  test("gives the learner a credential of their own, which is not the instructor's", { timeout: 60_000 }, async () => {
    const { learnerKubeconfig } = await fillAsLab(there, made);
    expect(learnerKubeconfig).not.toMatch(/client-key|client-certificate/);
    const learner = connect(learnerKubeconfig);
    expect(await learner.send({ method: "GET", path: "/api/v1/namespaces/develop/pods" })).toMatchObject({ kind: "PodList" });
    await expect(learner.send({ method: "GET", path: "/api/v1/namespaces/theirs/secrets" })).rejects.toMatchObject({ status: 403 });
    await expect(learner.send({ method: "DELETE", path: "/api/v1/namespaces/gitops-lab" })).rejects.toMatchObject({ status: 403 });
  });

  test("is found again, and made again it is the same", async () => {
    const [look, again] = [await lookForExternalCluster(await thing(), "sre"), await externalCluster.ensure(input)];
    expect(look).toMatchObject({
      state: "left",
      says: expect.stringMatching(/ and \d+ more on the cluster https:/),
      remove: expect.stringMatching(
        new RegExp(
          `^kubectl --kubeconfig \\S+ delete clusterrolebindings,clusterroles,customresourcedefinitions,namespaces --selector gitops-lab-mark=${made.mark},gitops-lab-cohort=sre,gitops-lab-learner=ada$`,
        ),
      ),
    });
    expect(again.output).toEqual(made);
    expect(await externalCluster.read("x", made)).toEqual(made);
  });

  test("takes other labels, and a kubeconfig of the same cluster that says something else", async () => {
    const labels = { ...input.labels, "gitops-lab-expires": "2030-01-01-0000" };
    expect((await externalCluster.ensure({ ...input, labels, version: "other" })).output).toEqual(made);
    expect((await there.all())["Namespace /gitops-lab"]).toContain("2030-01-01-0000");
  });

  test("goes on where Flux has made a namespace anew, which knows nothing of marks", { timeout: 60_000 }, async () => {
    await there.plane.kubectl(["delete", "namespace", "staging"]);
    await there.plane.kubectl(["create", "namespace", "staging"]);
    expect((await externalCluster.ensure({ ...input, version: "again" })).output).toEqual(made);
    await there.plane.kubectl(["label", "namespace", "staging", ...Object.entries(flux).map(([key, value]) => `${key}=${value}`)]);
  });

  test("on a cluster that does not answer is gone for a teardown alone, which tells what it could not look at", async () => {
    const gone = { ...made, adminKubeconfig: kubeconfigFor("dead", { server: "https://127.0.0.1:1" }, { token: "t" }) };
    await expect(externalCluster.read("x", gone)).rejects.toThrow();
    expect(await refusal(externalCluster.remove("x", gone))).toMatch(
      /^external-unreachable: Learner ada: could not leave the cluster https:/,
    );
    vi.stubEnv("PULUMI_K8S_DELETE_UNREACHABLE", "true");
    await externalCluster.remove("x", gone);
    expect(await externalCluster.read("x", gone)).toBeUndefined();
    vi.unstubAllEnvs();
    expect(await lookForExternalCluster(await thing(), "sre")).toMatchObject({ state: "left" });
  });

  test("stays the only one of its kubeconfig: one that leads elsewhere by now is refused", { timeout: 120_000 }, async () => {
    const other = await bringCluster();
    try {
      const text = there.plane.kubeconfig("admin");
      await writeFile(there.kubeconfig, other.plane.kubeconfig("admin"));
      const untouched = await other.all();
      expect(await refusal(externalCluster.ensure({ ...input, version: "moved" }))).toMatch(
        /^external-moved: Learner ada: .*leads to another cluster than the one where the learner's lab is \(https:.*would be left behind\. Put the old kubeconfig back/,
      );
      expect(Object.keys(await other.all()).filter((one) => !(one in untouched) && /gitops-lab|flux/.test(one))).toEqual([]);
      expect(await lookForExternalCluster(await thing(), "sre")).toMatchObject({
        state: "unknown",
        says: expect.stringContaining("another cluster"),
      });
      await writeFile(there.kubeconfig, text);
    } finally {
      await other.remove();
    }
  });

  test("goes without a trace, with what the learner's Git brought in, and what was there before stays as it was", {
    timeout: 120_000,
  }, async () => {
    await playFlux();
    // Somebody else goes on using the cluster.
    await there.plane.kubectl(["create", "configmap", "later", "-n", "default"]);
    await externalCluster.remove("x", made);
    await there.plane.kubectl(["delete", "configmap", "later", "-n", "default"]);
    expect(await settled()).toEqual(before);
    expect(await externalCluster.read("x", made)).toBeUndefined();
    expect(await lookForExternalCluster(await thing(), "sre")).toEqual({ state: "gone" });
    await externalCluster.remove("x", made);
    await rm(there.kubeconfig);
    expect(await lookForExternalCluster(await thing(), "sre")).toMatchObject({
      state: "unknown",
      says: expect.stringContaining("no such file"),
    });
  });

  /**
   * What Flux does with a learner's manifests, written down as it writes it down: they make a namespace, a role and something in a
   * namespace of others, and they name two things that were there. Flux' finalizer holds the Kustomization.
   */
  async function playFlux(): Promise<void> {
    const labels = flux;
    const rbac = "rbac.authorization.k8s.io";
    const items = [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "extra", labels } },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "inside", namespace: "extra", labels } },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "beside", namespace: "default", labels } },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name: "learner:extra", labels }, rules: [] },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "inside", namespace: "develop", labels } },
    ];
    for (const item of items) await there.plane.kubectl(["create", "-f", "-"], JSON.stringify(item));
    const entries = [
      { id: "_extra__Namespace", v: "v1" },
      { id: "extra_inside__ConfigMap", v: "v1" },
      { id: "default_beside__ConfigMap", v: "v1" },
      { id: `_learner__extra_${rbac}_ClusterRole`, v: "v1" },
      { id: "develop_inside__ConfigMap", v: "v1" },
      { id: "_develop__Namespace", v: "v1" },
      { id: "_staging__Namespace", v: "v1" },
      // Were there before.
      { id: "default_of-all__ConfigMap", v: "v1" },
      { id: "_theirs__Namespace", v: "v1" },
      { id: "theirs_one_example.org_Widget", v: "v1" },
      // Came in its place.
      { id: "default_later__ConfigMap", v: "v1" },
      // Is there no more, and of a kind that is none.
      { id: "default_gone__ConfigMap", v: "v1" },
      { id: "default_gone_nobody.example.org_Nothing", v: "v1" },
    ];
    const kustomization = ["kustomization.kustomize.toolkit.fluxcd.io", "flux-system", "-n", "flux-system", "--type=merge", "-p"];
    await there.plane.kubectl(["patch", ...kustomization, JSON.stringify({ metadata: { finalizers: ["finalizers.fluxcd.io"] } })]);
    await there.plane.kubectl(["patch", ...kustomization, JSON.stringify({ status: { inventory: { entries } } }), "--subresource=status"]);
  }
});
