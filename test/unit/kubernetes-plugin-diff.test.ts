import fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { diffManifests, observedInputs, type DiffOptions } from "../../tools/kubernetes-plugin/diff.ts";
import type { Properties } from "../../shared/json.ts";

const options: DiffOptions = { defaultNamespace: "default", mutableSecrets: false, mutableConfigMaps: false };
const manifest = (fields: Properties): Properties => ({ apiVersion: "v1", kind: "Service", metadata: { name: "web" }, ...fields });
const changes = (old: Properties, next: Properties, changed: Partial<DiffOptions> = {}) =>
  diffManifests(manifest(old), manifest(next), { ...options, ...changed });
const replacing = (old: Properties, next: Properties, changed: Partial<DiffOptions> = {}) =>
  changes(old, next, changed)
    .filter(({ replaces }) => replaces)
    .map(({ path }) => path);

const objects = fc
  .object({
    maxDepth: 3,
    key: fc.string().filter((key) => key !== "__proto__"),
    values: [fc.integer(), fc.string(), fc.boolean(), fc.constant(null)],
  })
  .map((value) => value as Properties);

describe("the difference between two manifests", () => {
  test("is empty exactly when they are equal", () => {
    fc.assert(
      fc.property(objects, objects, fc.boolean(), (spec, other, same) => {
        const next = same ? structuredClone(spec) : other;
        expect(changes({ spec }, { spec: next }).length === 0).toBe(isDeepStrictEqual(spec, next));
      }),
    );
  });

  test("names each changed field with its path", () => {
    const old = {
      spec: { ports: [{ port: 80 }, { port: 81 }], type: "ClusterIP" },
      metadata: { name: "web", labels: { "example/tier": "a" } },
    };
    const next = {
      spec: { ports: [{ port: 8080 }], externalName: "x" },
      metadata: { name: "web", labels: { "example/tier": "a", "app.name": "b" } },
    };
    expect(changes(old, next).map(({ path, kind }) => `${kind} ${path}`)).toEqual([
      'add metadata.labels["app.name"]',
      "update spec.ports[0].port",
      "delete spec.ports[1]",
      "delete spec.type",
      "add spec.externalName",
    ]);
  });

  test("takes no namespace for the default one", () => {
    expect(changes({ metadata: { name: "a" } }, { metadata: { name: "a", namespace: "default" } })).toEqual([]);
    expect(changes({ metadata: { name: "a", namespace: "default" } }, { metadata: { name: "a" } })).toEqual([]);
    expect(replacing({ metadata: { name: "a" } }, { metadata: { name: "a", namespace: "team" } })).toEqual(["metadata.namespace"]);
  });
});

describe("another object is needed", () => {
  test.each<[string, Properties, Properties]>([
    ["metadata.name", {}, { metadata: { name: "other" } }],
    ["kind", {}, { kind: "ConfigMap" }],
    ["spec.clusterIP", { spec: { clusterIP: "10.0.0.1" } }, { spec: { clusterIP: "10.0.0.2" } }],
    [
      "spec.selector.matchLabels.app",
      deployment({ selector: { matchLabels: { app: "a" } } }),
      deployment({ selector: { matchLabels: { app: "b" } } }),
    ],
    ["roleRef.name", roleBinding("view"), roleBinding("edit")],
    ["type", { kind: "Secret", type: "Opaque" }, { kind: "Secret", type: "kubernetes.io/tls" }],
    [
      "data.key",
      { apiVersion: "v1", kind: "Secret", stringData: { key: "a" } },
      { apiVersion: "v1", kind: "Secret", stringData: { key: "b" } },
    ],
    ["data.key", { kind: "ConfigMap", data: { key: "a" } }, { kind: "ConfigMap", data: { key: "b" } }],
    ["spec.scope", definition("Namespaced"), definition("Cluster")],
    // The parent goes, and the field with it.
    ["spec", { spec: { clusterIP: "10.0.0.1" } }, {}],
  ])("for a change of %s", (path, old, next) => {
    expect(replacing(old, next)).toEqual([path]);
  });

  test("not for what can change in place", () => {
    expect(replacing({ spec: { type: "ClusterIP" } }, { spec: { type: "NodePort" } })).toEqual([]);
    expect(replacing(deployment({ replicas: 1 }), deployment({ replicas: 2 }))).toEqual([]);
  });

  test("not for another version of the same API", () => {
    const old = { apiVersion: "example.com/v1beta1", kind: "Widget" };
    expect(replacing(old, { ...old, apiVersion: "example.com/v1" })).toEqual([]);
    expect(replacing(old, { ...old, apiVersion: "example.org/v1beta1" })).toEqual(["apiVersion"]);
  });

  test("not for the content of a Secret or ConfigMap that the provider may change, unless it is immutable", () => {
    const secret = (key: string, immutable = false) => ({ kind: "Secret", data: { key }, immutable });
    expect(replacing(secret("a"), secret("b"), { mutableSecrets: true })).toEqual([]);
    expect(replacing(secret("a", true), secret("b", true), { mutableSecrets: true })).toEqual(["data.key"]);
    const map = (key: string) => ({ kind: "ConfigMap", data: { key } });
    expect(replacing(map("a"), map("b"), { mutableConfigMaps: true })).toEqual([]);
  });
});

describe("what a refresh makes of the inputs", () => {
  test("is nothing while the object is as the last operation left it", () => {
    fc.assert(
      fc.property(objects, objects, (inputs, live) => {
        expect(observedInputs(inputs, live, structuredClone(live))).toEqual(inputs);
      }),
    );
  });

  test("is the live value where that changed, and only there", () => {
    const inputs = manifest({ spec: { cpu: "0.5", ports: [{ port: 80 }], gone: 1, list: ["a", "b"] } });
    const before = manifest({ spec: { cpu: "500m", ports: [{ port: 80, protocol: "TCP" }], gone: 1, list: ["a", "b"], defaulted: true } });
    const now = manifest({
      spec: { cpu: "500m", ports: [{ port: 81, protocol: "TCP" }, { port: 90 }], list: ["a"], defaulted: false, added: 1 },
    });
    expect(observedInputs(inputs, before, now)).toEqual(
      manifest({ spec: { cpu: "0.5", ports: [{ port: 81 }, { port: 90 }], list: ["a"] } }),
    );
  });

  test("sees a Secret's changed data behind stringData", () => {
    const secret = (password: string): Properties => ({
      apiVersion: "v1",
      kind: "Secret",
      data: { password: Buffer.from(password).toString("base64") },
    });
    const inputs: Properties = { apiVersion: "v1", kind: "Secret", stringData: { password: "old" } };
    expect(observedInputs(inputs, secret("old"), secret("old"))).toEqual(inputs);
    expect(observedInputs(inputs, secret("old"), secret("new"))).toEqual(secret("new"));
    // As the official plugin and this one have written it since.
    expect(observedInputs(secret("old"), secret("old"), secret("old"))).toEqual(secret("old"));
    expect(observedInputs(secret("old"), secret("old"), secret("new"))).toEqual(secret("new"));
  });
});

function deployment(spec: Properties): Properties {
  return { apiVersion: "apps/v1", kind: "Deployment", spec };
}

function roleBinding(role: string): Properties {
  return { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", roleRef: { name: role } };
}

function definition(scope: string): Properties {
  return { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", spec: { scope } };
}
