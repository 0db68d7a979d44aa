import { afterAll, beforeAll, expect, test } from "vitest";
import { fluxReady, type FluxReadyInput } from "../../host/drivers/flux-ready.ts";
import { readFluxCrds } from "../../components/flux/crds.ts";
import { environments } from "../../shared/names.ts";
import { waitUntil } from "../../shared/wait.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";

let plane: TestControlPlane;
let input: FluxReadyInput;

beforeAll(async () => {
  plane = await startControlPlane(["etcd", "kube-apiserver"]);
  input = {
    learner: "ada",
    clusterId: "x",
    seedCommit: "0".repeat(40),
    kubeconfig: plane.kubeconfig("admin"),
    git: { kind: "embedded", url: "http://127.0.0.1:1/none.git", branch: "main", username: "ada", password: "hidden-password", seedCommit: "0".repeat(40) },
    order: environments,
    timeoutSeconds: 0,
  };
}, 120_000);

afterAll(() => plane.remove());

const complaint = () => fluxReady.ensure(input).then(() => "it is ready", (error: Error) => error.message);

test("waiting for Flux in vain says that its kinds are not there", async () => {
  expect(await complaint()).toMatch(/Waited 0 s for Flux to bring up the lab of learner ada, in vain\..*(Kustomization|GitRepository|ImagePolicy).*`\.\/lab up`/s);
});

test("waiting for Flux in vain names what is missing or not ready, with its reason, and the cluster's newest warnings", { timeout: 60_000 }, async () => {
  await plane.kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: await readFluxCrds() }));
  await plane.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
  // Established is not yet served: the storage of a new kind comes up a moment later.
  await waitUntil(
    () =>
      plane.kubectl(["get", "gitrepositories,kustomizations,imagepolicies", "--all-namespaces"]).then(
        () => ({ done: true as const, value: undefined }),
        (error: Error) => ({ done: false as const, because: error.message }),
      ),
    { what: "the Flux kinds to be served", timeoutSeconds: 30, remedy: "" },
  );
  await plane.kubectl(["create", "namespace", "flux-system"]);
  const source = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "flux-system", namespace: "flux-system" },
    spec: { interval: "1m", url: input.git.url },
  };
  await plane.kubectl(["apply", "-f", "-"], JSON.stringify(source));
  const status = { observedGeneration: 1, conditions: [{ type: "Ready", status: "False", reason: "GitOperationFailed", message: "authentication required", lastTransitionTime: "2026-01-01T00:00:00Z" }] };
  await plane.kubectl(["patch", "gitrepository", "flux-system", "-n", "flux-system", "--subresource=status", "--type=merge", "-p", JSON.stringify({ status })]);
  const event = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "warning", namespace: "flux-system" },
    type: "Warning",
    reason: "GitOperationFailed",
    message: "the server says no",
    involvedObject: { kind: "GitRepository", name: "flux-system", namespace: "flux-system" },
    lastTimestamp: "2026-01-01T00:00:00Z",
  };
  await plane.kubectl(["apply", "-f", "-"], JSON.stringify(event));

  const message = await complaint();
  expect(message).toContain("GitRepository flux-system/flux-system is not ready: GitOperationFailed: authentication required.");
  expect(message).toContain("Kustomization flux-system/apps-production does not exist yet.");
  expect(message).toContain("ImagePolicy develop/backend does not exist yet.");
  expect(message).toContain("newest warnings: GitRepository flux-system: GitOperationFailed: the server says no");
  expect(message).not.toContain("hidden-password");
});
