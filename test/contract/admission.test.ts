import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeAdmission, writeEgress } from "../../clusters/embedded/control-plane/admission.ts";
import { clients } from "../../clusters/embedded/control-plane/pki.ts";
import { findRefusedThings } from "../../clusters/embedded/control-plane/refused-things.ts";
import { connect } from "../../shared/kube-api.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import type { Attempt } from "../support/admission/attempt.ts";
import { applying, before, core, editing, inLax, making, merging } from "../support/admission/objects.ts";
import { refusedOthers } from "../support/admission/refused-others.ts";
import { refusedPods } from "../support/admission/refused-pods.ts";
import { taken } from "../support/admission/taken.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { asker, type Asker, type RawRequest } from "../support/raw-requests.ts";

/*
 * What an API server with a real node refuses, asked of a real one. It starts without the policies on data on which it is
 * then started with them: first every attempt must succeed, so that each row is seen to depend on them; and what was made
 * before, a namespace whose label asks nothing of pods among it, is there when they hold.
 */
let plane: TestControlPlane;
let folder: string;
let admin: Asker;
let flux: Asker;
let learner: Asker;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "admission-"));
  plane = await startControlPlane(["etcd", "kube-apiserver"]);
  admin = asker(plane.kubeconfig("admin"));
  flux = asker(plane.kubeconfig("flux"));
  learner = asker(plane.kubeconfig("learner"));
  // The learner as well: by Flux one can make oneself an administrator.
  for (const request of before([clients.flux.user, clients.learner.user])) {
    const { status, content } = await admin(request);
    expect(status, `${request.path}: ${content}`).toBe(201);
  }
});

afterAll(async () => {
  for (const one of [admin, flux, learner]) one?.close();
  await plane?.remove();
  await rm(folder, { recursive: true, force: true });
});

const attempts: readonly Attempt[] = [...refusedPods, ...refusedOthers];
const rows = attempts.map((attempt) => [attempt.what, attempt] as const);

const isDryRunnable = ({ path }: RawRequest) => !path.includes("/proxy");
const dry = (request: RawRequest): RawRequest =>
  isDryRunnable(request) ? { ...request, path: `${request.path}${request.path.includes("?") ? "&" : "?"}dryRun=All` } : request;

/** The same by server-side apply, which makes what is not there; of what is made by a request to a collection. */
function applied({ method, path, body }: RawRequest): RawRequest | undefined {
  if (method !== "POST" || !/(s|endpoints)$/.test(path) || path.endsWith("/bindings")) return undefined;
  return applying(`${path}/${(body as { metadata: { name: string } }).metadata.name}`, body!);
}

async function lookAdmitted(ask: Asker): Promise<Look<undefined>> {
  const { status, content } = await ask({ method: "GET", path: `${inLax}/pods` });
  return status === 200 ? { done: true, value: undefined } : { done: false, because: content };
}

describe("without the policies", () => {
  test.each(rows)("%s is no policy's business", async (_, { request, otherwise, itself }) => {
    const { status, content } = await admin(dry(request));
    expect(content).not.toContain("static.k8s.io");
    const expected = otherwise ?? itself;
    if (expected === undefined) expect(status, content).toBeLessThan(300);
    else expect(content).toMatch(expected);
  });
});

describe("with the policies", () => {
  beforeAll(async () => {
    await plane.stop("kube-apiserver");
    await plane.useNode(
      { doors: folder, egressConfiguration: await writeEgress(folder, "nobody.sock") },
      { folder: join(folder, "admission"), configuration: await writeAdmission(join(folder, "admission")) },
    );
    await plane.start("kube-apiserver");
    // It is ready a little before it has read who may do what.
    for (const ask of [flux, learner]) await waitUntil(() => lookAdmitted(ask), { what: "the roles", timeoutSeconds: 30, remedy: "" });
  });

  test.each(rows)("%s is refused to everybody, by every way", async (_, { policy, word, request, itself }) => {
    const byApply = applied(request);
    const ways: readonly (readonly [string, Asker, RawRequest])[] = [
      ["the administrator", admin, request],
      ["the administrator, dry", admin, dry(request)],
      ["Flux", flux, request],
      ["the learner", learner, dry(request)],
      ...(byApply === undefined ? [] : ([["Flux, applied", flux, byApply]] as const)),
    ];
    for (const [who, ask, one] of ways) {
      const { status, content } = await ask(one);
      if (itself?.test(content)) continue;
      expect(status, `${who}: ${content}`).toBe(403);
      expect(content, who).toContain(`ValidatingAdmissionPolicy '${policy}.static.k8s.io'`);
      expect(content, who).toContain(word);
    }
  });

  test("nothing of all that was made", async () => {
    const names = async (path: string) =>
      (JSON.parse((await admin({ method: "GET", path })).content) as { items: { metadata: { name: string } }[] }).items.map(
        ({ metadata }) => metadata.name,
      );
    expect(await names(`${inLax}/pods`)).toEqual(["calm", "old"]);
    expect(await names(`${core}/persistentvolumes`)).toEqual(["leaving", "old"]);
    expect(await names(`${core}/nodes`)).toEqual(["calm"]);
    expect(await names("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")).toEqual([]);
  });

  test.each(taken.map(({ what, request }) => [what, request] as const))("%s is taken as ever", async (_, request) => {
    for (const ask of [admin, flux]) {
      const { status, content } = await ask(dry(request));
      expect(status, content).toBeLessThan(300);
    }
  });

  test("where Pod Security holds as well, it tells what it knows first", async () => {
    const path = `${core}/namespaces/flux-system/pods`;
    const { body } = refusedPods.find(({ what }) => what === "a pod with hostPID")!.request as { body: { metadata: object } };
    const { status, content } = await flux(making(path, { ...body, metadata: { name: "attempt", namespace: "flux-system" } }));
    expect(status).toBe(403);
    expect(content).toContain('violates PodSecurity \\"baseline:latest\\"');
  });

  test("the API server's own requests are taken: its Service leads to it", async () => {
    const { content } = await admin({ method: "GET", path: "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes" });
    expect(content).toContain('"10.245.0.1"');
  });

  test("what is there of before is found, and nothing else", async () => {
    const found = await findRefusedThings(connect(plane.kubeconfig("admin")));
    expect(found.map(({ name }) => name)).toEqual([
      "pods lax/old",
      "namespaces lax",
      "namespaces leaving",
      "persistentvolumes leaving",
      "persistentvolumes old",
      "apiservices v1.before.example.org",
    ]);
    expect(found[0]!.told).toMatch(/^In this lab a volume is one of [^\n]+$/);
  });

  test("no request sees, makes or deletes a policy of the file", async () => {
    const path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    expect(JSON.parse((await admin({ method: "GET", path })).content)).toMatchObject({ items: [] });
    expect((await admin({ method: "DELETE", path: `${path}/pods.static.k8s.io` })).status).toBe(404);
    expect((await admin({ method: "DELETE", path })).status).toBe(200);
    const own = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicy",
      metadata: { name: "pods.static.k8s.io" },
      spec: {
        matchConstraints: { resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }] },
        validations: [{ expression: "true" }],
      },
    };
    expect((await admin(making(path, own))).content).toContain("static.k8s.io");
    const [{ request }] = refusedPods as readonly [Attempt];
    expect((await admin(request)).status).toBe(403);
  });

  test("what is left of before can go", async () => {
    const volume = `${core}/persistentvolumes/leaving`;
    const removed: readonly RawRequest[] = [
      { method: "DELETE", path: volume },
      merging(volume, { metadata: { finalizers: null } }),
      { method: "DELETE", path: `${core}/namespaces/leaving` },
      editing(`${core}/namespaces/leaving`, [{ op: "add", path: "/metadata/annotations", value: { touched: "yes" } }]),
      { method: "DELETE", path: `${inLax}/pods` },
    ];
    for (const request of removed) {
      const { status, content } = await admin(request);
      expect(status, `${request.path}: ${content}`).toBe(200);
    }
    const leaving = JSON.parse((await admin({ method: "GET", path: `${core}/namespaces/leaving` })).content) as object;
    const finalized = await admin({ method: "PUT", path: `${core}/namespaces/leaving/finalize`, body: { ...leaving, spec: {} } });
    expect(finalized.status, finalized.content).toBe(200);
    for (const path of [volume, `${core}/namespaces/leaving`, `${inLax}/pods/old`])
      expect((await admin({ method: "GET", path })).status).toBe(404);
  });
});
