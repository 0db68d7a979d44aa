import { afterAll, beforeAll, expect, test } from "vitest";
import { fluxDefinitions } from "../../host/drivers/flux-definitions.ts";
import { fluxReady, type FluxReadyInput } from "../../host/drivers/flux-ready.ts";
import { environments } from "../../shared/names.ts";
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
    git: {
      kind: "embedded",
      url: "http://127.0.0.1:1/none.git",
      branch: "main",
      username: "ada",
      password: "hidden-password",
      seedCommit: "0".repeat(40),
    },
    order: environments,
    timeoutSeconds: 0,
  };
}, 120_000);

afterAll(() => plane.remove());

const complaint = () =>
  fluxReady.ensure(input).then(
    () => "it is ready",
    (error: Error) => error.message,
  );

test("waiting for Flux in vain says that its kinds are not there", async () => {
  expect(await complaint()).toMatch(
    /Waited 0 s for Flux to bring up the lab of learner ada, in vain\..*(Kustomization|GitRepository|ImagePolicy).*`\.\/lab up`/s,
  );
});

test("waiting for Flux in vain names what is missing or not ready, with its reason, and the cluster's newest warnings", {
  timeout: 60_000,
}, async () => {
  const { names } = (await fluxDefinitions.ensure({ learner: "ada", clusterId: "x", kubeconfig: input.kubeconfig, version: "v2" })).output;
  expect(names).toContain("imagepolicies.image.toolkit.fluxcd.io");
  await plane.kubectl(["create", "namespace", "flux-system"]);
  const source = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "flux-system", namespace: "flux-system" },
    spec: { interval: "1m", url: input.git.url },
  };
  await plane.kubectl(["apply", "-f", "-"], JSON.stringify(source));
  const status = {
    observedGeneration: 1,
    conditions: [
      {
        type: "Ready",
        status: "False",
        reason: "GitOperationFailed",
        message: "authentication required",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      },
    ],
  };
  await plane.kubectl([
    "patch",
    "gitrepository",
    "flux-system",
    "-n",
    "flux-system",
    "--subresource=status",
    "--type=merge",
    "-p",
    JSON.stringify({ status }),
  ]);
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
