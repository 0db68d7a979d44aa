import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { messageOf } from "../../shared/errors.ts";
import { backendDeployment } from "../../verification/backend-deployment.ts";
import { promotedBy } from "../../verification/bundle/promoted.ts";
import { kubeReader } from "../../verification/kube-reader.ts";
import { Deployment, getLive, listLive } from "../../verification/live-objects.ts";
import { freePort, startControlPlane, type TestControlPlane } from "../support/control-plane.ts";

let plane: TestControlPlane;
let admin: string;
let nobody: string;
const signal = new AbortController().signal;

beforeAll(async () => {
  plane = await startControlPlane(["etcd", "kube-apiserver"]);
  [admin, nobody] = [plane.kubeconfig("admin"), plane.kubeconfig("learner")];
}, 90_000);

afterAll(() => plane.remove());

test("all that one reader reads goes over one connection", async () => {
  const server = Number(/127\.0\.0\.1:(\d+)/.exec(admin)?.[1]);
  let connections = 0;
  const between = createServer((socket) => {
    connections += 1;
    const onward = connect(server, "127.0.0.1");
    socket.on("error", () => onward.destroy());
    onward.on("error", () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  between.listen(0, "127.0.0.1");
  await once(between, "listening");
  try {
    const kube = kubeReader(admin.replace(String(server), String((between.address() as AddressInfo).port)), signal);
    for (let n = 0; n < 4; n += 1) await kube.list("v1", "Namespace");
    expect(connections).toBe(1);
  } finally {
    between.close();
  }
});

test("reads what is there as the API sends it, and tells what is not", async () => {
  const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "backend", image: "a/b:c" }] } };
  const spec = { selector: { matchLabels: { app: "x" } }, template };
  await plane.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "apps/v1", kind: "Deployment", metadata: { namespace: "default", name: "x" }, spec }),
  );
  const kube = kubeReader(admin, signal);

  const deployment = await getLive(kube, Deployment, "default", "x");
  expect(deployment).toMatchObject({
    metadata: { generation: 1, namespace: "default" },
    spec: { replicas: 1 },
    status: { availableReplicas: 0 },
  });
  expect(await listLive(kube, Deployment, "default")).toEqual([deployment]);
  expect(await listLive(kube, Deployment)).toEqual([deployment]);
  expect(await listLive(kube, Deployment, "kube-system")).toEqual([]);
  expect(await kube.get("apps/v1", "Deployment", "default", "absent")).toBeUndefined();
  expect(await kube.get("apps/v1", "Deployment", "absent", "absent")).toBeUndefined();
  expect(await kube.get("apps/v1", "Deployment", "default", "x")).toMatchObject({ metadata: { creationTimestamp: expect.any(String) } });
});

test("the API server tells an image set by hand from one that Flux applied, until Flux undoes it", async () => {
  const template = { metadata: { labels: { app: "backend" } }, spec: { containers: [{ name: "backend", image: "a/backend:one" }] } };
  const spec = { selector: { matchLabels: { app: "backend" } }, template };
  const manifest = JSON.stringify({ apiVersion: "apps/v1", kind: "Deployment", metadata: { namespace: "develop", name: "backend" }, spec });
  const asFlux = () =>
    plane.kubectl(["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", "-"], manifest);
  const promoted = async () => {
    const found = await backendDeployment(kubeReader(admin, signal), "develop", "a/backend");
    return found && promotedBy(found);
  };
  const byFlux = { how: "git", managers: [{ manager: "kustomize-controller", operation: "Apply", time: expect.any(String) }] };

  await plane.kubectl(["create", "namespace", "develop"]);
  await asFlux();
  expect(await promoted()).toEqual(byFlux);
  await plane.kubectl(["set", "image", "deployment/backend", "backend=a/backend:two", "-n", "develop"]);
  expect(await promoted()).toEqual({
    how: "manual",
    managers: [{ manager: "kubectl-set", operation: "Update", time: expect.any(String) }],
  });
  await asFlux();
  expect(await promoted()).toEqual(byFlux);
});

test.each([
  ["a kind that the cluster does not know", "v1", "Nonsense"],
  ["an API group that it does not serve", "kustomize.toolkit.fluxcd.io/v1", "Kustomization"],
])("throws on %s", async (_, apiVersion, kind) => {
  await expect(kubeReader(admin, signal).list(apiVersion, kind)).rejects.toThrow(kind);
  await expect(kubeReader(admin, signal).get(apiVersion, kind, "default", "x")).rejects.toThrow(kind);
});

test("throws where access is denied, which is not the same as nothing there", async () => {
  const denied = expect.objectContaining({ message: expect.stringMatching(/^The cluster did not give Pod: 403: .*forbidden/) });
  await expect(kubeReader(nobody, signal).list("v1", "Pod", "default")).rejects.toEqual(denied);
  await expect(kubeReader(nobody, signal).get("v1", "Pod", "default", "x")).rejects.toEqual(denied);
});

test("throws when the deadline has passed", async () => {
  await expect(kubeReader(admin, AbortSignal.abort()).list("v1", "Pod")).rejects.toThrow();
});

test("throws when nobody answers, without telling the key", async () => {
  const away = admin.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${await freePort()}`);
  const failure = await kubeReader(away, signal)
    .list("v1", "Pod")
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect(messageOf(failure)).not.toContain("BEGIN");
});
