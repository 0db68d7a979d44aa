import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkInputs, type CheckRequest } from "../../tools/kubernetes-plugin/check.ts";
import { diffManifests } from "../../tools/kubernetes-plugin/diff.ts";
import { withTakenOver } from "../../tools/kubernetes-plugin/objects.ts";
import type { Properties } from "../../shared/json.ts";
import { secretTexts, toManifest, toOutputs, withSecrets } from "../../tools/kubernetes-plugin/properties.ts";
import { asSecret, unknown } from "../../tools/pulumi-plugins/secrets.ts";
import { diffProviderConfig, readProviderConfig } from "../../tools/kubernetes-plugin/provider-config.ts";
import { lookReady } from "../../tools/kubernetes-plugin/readiness.ts";

const text = fc.string({ minLength: 1 }).filter((key) => key !== "__proto__");
const objects = fc.dictionary(text, fc.oneof(text, fc.array(text), fc.dictionary(text, text)));

describe("properties", () => {
  test("marking what is secret and taking the marks off gives the same object", () => {
    fc.assert(
      fc.property(objects, objects, (object, marks) => {
        const secrets = Object.fromEntries(Object.keys(marks).map((key) => [key, asSecret(null)]));
        expect(toManifest(withSecrets(object, secrets))).toEqual(object);
      }),
    );
  });

  test("what was secret in the inputs is secret in the outputs, a list as a whole", () => {
    const inputs: Properties = { spec: { token: asSecret("a"), open: "b", list: [asSecret("c"), "d"] } };
    const live: Properties = { spec: { token: "a", open: "b", list: ["d", "c"], added: 1 }, status: {} };
    expect(withSecrets(live, inputs)).toEqual({
      spec: { token: asSecret("a"), open: "b", list: asSecret(["d", "c"]), added: 1 },
      status: {},
    });
  });

  test("a Secret's content is secret in any case, and only a Secret's", () => {
    const data = { key: "dmFsdWU=" };
    expect(withSecrets({ kind: "Secret", data, stringData: data }, {})).toEqual({
      kind: "Secret",
      data: asSecret(data),
      stringData: asSecret(data),
    });
    expect(withSecrets({ kind: "ConfigMap", data }, {})).toEqual({ kind: "ConfigMap", data });
  });

  test("secret texts are found wherever they are", () => {
    expect(secretTexts({ kind: "Secret", data: { a: "first" }, spec: { list: [asSecret({ deep: "second" })], open: "third" } })).toEqual([
      "first",
      "second",
    ]);
  });

  test("the SDK's names for a definition's dashed keys become Kubernetes' and come back", () => {
    const schema = { type: "object", x_kubernetes_preserve_unknown_fields: true, x_kubernetes_other: 1 };
    const dashed = { type: "object", "x-kubernetes-preserve-unknown-fields": true, x_kubernetes_other: 1 };
    expect(toManifest({ schema: asSecret(schema) })).toEqual({ schema: dashed });
    expect(toOutputs({ schema: dashed })).toEqual({ schema });
  });
});

describe("a Secret's stringData", () => {
  const urn = "urn:pulumi:dev::lab::kubernetes:core/v1:Secret::key";
  const secret = (fields: Properties): Properties => ({ apiVersion: "v1", kind: "Secret", metadata: { name: "key" }, ...fields });
  const check = (fields: Properties) => checkInputs({ urn, olds: {}, news: secret(fields), randomSeed: Buffer.of() });
  const data = { user: "YWRh", word: "w6k=" };

  test("is written as data, as the official plugin does, over what data says", () => {
    expect(check({ stringData: asSecret({ user: "ada", word: "é" }) })).toEqual(secret({ data }));
    expect(check({ stringData: { word: asSecret("é") }, data: { user: "YWRh", word: "b2xk" } })).toEqual(secret({ data }));
    expect(check({ data })).toEqual(secret({ data }));
  });

  test("stays what it is as long as it is not known", () => {
    expect(check({ stringData: unknown })).toEqual(secret({ stringData: unknown }));
    expect(check({ stringData: { user: unknown } })).toEqual(secret({ data: { user: unknown } }));
  });

  test("is no change where the state has the one and the program the other", () => {
    const options = { defaultNamespace: "default", mutableSecrets: false, mutableConfigMaps: false };
    const stringData = { user: "ada", word: "é" };
    expect(diffManifests(secret({ stringData }), secret({ data }), options)).toEqual([]);
    expect(diffManifests(secret({ data }), secret({ stringData: { ...stringData, word: "e" } }), options)).toMatchObject([
      { path: "data.word" },
    ]);
  });

  test("is taken out of messages in either form", () => {
    expect(secretTexts(secret({ data: { token: Buffer.from("open sesame").toString("base64") } }))).toEqual([
      Buffer.from("open sesame").toString("base64"),
      "open sesame",
    ]);
  });
});

describe("check", () => {
  const urn = "urn:pulumi:dev::lab::my:component$kubernetes:core/v1:ConfigMap::notes";
  const check = (news: Properties, more: Partial<CheckRequest> = {}) =>
    checkInputs({ urn, olds: {}, news: { apiVersion: "v1", kind: "ConfigMap", ...news }, randomSeed: Buffer.from("seed"), ...more });
  const named = check({});

  test("gives a name that only the seed and the resource decide", () => {
    expect(named).toMatchObject({
      metadata: { name: expect.stringMatching(/^notes-[0-9a-f]{8}$/), annotations: { "pulumi.com/autonamed": "true" } },
    });
    expect(check({})).toEqual(named);
    expect(check({}, { randomSeed: Buffer.from("other") })).not.toEqual(named);
  });

  test("keeps the name given once, and takes the program's or the project's", () => {
    expect(check({ data: { a: "1" } }, { olds: named, randomSeed: Buffer.from("other") })["metadata"]).toEqual(named["metadata"]);
    expect(check({}, { proposedName: "notes" })["metadata"]).toMatchObject({ name: "notes" });
    expect(check({ metadata: { name: "mine" } })["metadata"]).toEqual({ name: "mine" });
    expect(() => check({}, { proposedName: null })).toThrow(/gives no names by itself/);
  });

  test("leaves what is not known yet", () => {
    expect(check({ metadata: unknown })["metadata"]).toBe(unknown);
    expect(check({ metadata: { name: unknown } })["metadata"]).toEqual({ name: unknown });
    expect(check({ metadata: { annotations: unknown } })["metadata"]).toMatchObject({ annotations: unknown });
  });

  test("drops what only the API server may say", () => {
    expect(check({ metadata: { name: "a", uid: "1", managedFields: [], labels: {} }, status: {} })).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", labels: {} },
    });
  });

  test("refuses what it does not serve, each with a reason", () => {
    expect(() => check({ metadata: { generateName: "a-" } })).toThrow(/metadata.generateName/);
    expect(() => check({}, { urn: urn.replace("ConfigMap", "ConfigMapPatch") })).toThrow(/does not own/);
    expect(() => checkInputs({ urn, olds: {}, news: { chart: "nginx" }, randomSeed: Buffer.of() })).toThrow(/not a Kubernetes object/);
    // A kind may be called so.
    expect(() => check({ kind: "EnvoyPatch" }, { urn: urn.replace("ConfigMap", "EnvoyPatch") })).not.toThrow();
  });
});

describe("a changed provider", () => {
  const kubeconfig = (server: string, token = "t") =>
    JSON.stringify({
      "current-context": "lab",
      contexts: [{ name: "lab", context: { cluster: "lab", user: "admin" } }],
      clusters: [{ name: "lab", cluster: { server } }],
      users: [{ name: "admin", user: { token } }],
    });
  const [one, other] = ["https://127.0.0.1:1", "https://127.0.0.1:2"];
  const replaces = (old: Properties, next: Properties) => diffProviderConfig(old, next).replaces;

  test("is the same cluster while the identifier is, whatever the kubeconfig says", () => {
    const identified = (server: string) => ({ kubeconfig: asSecret(kubeconfig(server)), clusterIdentifier: "ada" });
    expect(diffProviderConfig(identified(one), identified(other))).toEqual({ changed: ["kubeconfig"], replaces: [] });
    expect(replaces(identified(one), { kubeconfig: unknown, clusterIdentifier: "ada" })).toEqual([]);
    expect(diffProviderConfig(identified(one), identified(one))).toEqual({ changed: [], replaces: [] });
  });

  test("is another with another identifier", () => {
    expect(replaces({ clusterIdentifier: "ada" }, { clusterIdentifier: "bob" })).toEqual(["clusterIdentifier"]);
  });

  test("without an identifier goes by the cluster that the kubeconfig points at", () => {
    expect(replaces({ kubeconfig: kubeconfig(one) }, { kubeconfig: kubeconfig(other) })).toEqual(["kubeconfig"]);
    expect(replaces({ kubeconfig: kubeconfig(one) }, { kubeconfig: kubeconfig(one, "rotated") })).toEqual([]);
    expect(replaces({ kubeconfig: kubeconfig(one) }, { kubeconfig: unknown })).toEqual(["kubeconfig"]);
    // Adding one is no move.
    expect(replaces({ kubeconfig: kubeconfig(one) }, { kubeconfig: kubeconfig(one), clusterIdentifier: "ada" })).toEqual([]);
  });

  test("takes its switches from the program before the environment, and needs a kubeconfig", () => {
    const variables = (more: Record<string, string>) => new Map(Object.entries({ "kubernetes:config:kubeconfig": "k", ...more }));
    const env = { PULUMI_K8S_DELETE_UNREACHABLE: "true" };
    expect(readProviderConfig(variables({}), {})).toMatchObject({ kubeconfig: "k", deleteUnreachable: false });
    expect(readProviderConfig(variables({}), env)).toMatchObject({ deleteUnreachable: true });
    expect(readProviderConfig(variables({ "kubernetes:config:deleteUnreachable": "false" }), env)).toMatchObject({
      deleteUnreachable: false,
    });
    expect(() => readProviderConfig(new Map(), {})).toThrow(/no kubeconfig/);
  });
});

describe("fields that change hands", () => {
  const live = (...managedFields: Properties[]): Properties => ({ metadata: { managedFields } });
  const own = { manager: "pulumi-kubernetes-1", operation: "Apply", fieldsV1: { "f:data": { "f:a": {} } } };
  const edited = { manager: "kubectl-edit", operation: "Update", fieldsV1: { "f:data": { ".": {}, "f:b": {} } } };
  const controller = { manager: "kube-controller-manager", operation: "Update", fieldsV1: { "f:status": {} } };

  test("are a person's, and join those that were applied", () => {
    expect(withTakenOver(live(own, controller, edited), "pulumi-kubernetes-1")).toEqual([
      controller,
      { ...own, fieldsV1: { "f:data": { ".": {}, "f:a": {}, "f:b": {} } } },
    ]);
  });

  test("are those of the official plugin's first create, where nothing was applied yet", () => {
    const created = { manager: "pulumi-kubernetes", operation: "Update", fieldsV1: { "f:data": {} } };
    expect(withTakenOver(live(created), "pulumi-kubernetes-1")).toEqual([{ ...own, fieldsV1: { "f:data": {} } }]);
  });

  test("are not a controller's, another apply's or a subresource's", () => {
    const applied = { ...own, manager: "pulumi-kubernetes-2" };
    expect(withTakenOver(live(own, controller, applied, { ...edited, subresource: "status" }), "pulumi-kubernetes-1")).toBeUndefined();
  });
});

describe("readiness", () => {
  const deployment = (status: Properties, spec: Properties = { replicas: 2 }): Properties => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { generation: 3 },
    spec,
    status,
  });
  const rolledOut = { observedGeneration: 3, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

  test.each<[string, Properties]>([
    ["a Deployment rolled out", deployment(rolledOut)],
    ["a Deployment of none", deployment({ observedGeneration: 3 }, { replicas: 0 })],
    ["a Deployment that is paused", deployment({}, { paused: true })],
    ["a namespace in use", { apiVersion: "v1", kind: "Namespace", status: { phase: "Active" } }],
    ["any other kind", { apiVersion: "v1", kind: "Service" }],
  ])("%s is ready", (_, object) => {
    expect(lookReady(object)).toEqual({ done: true, value: object });
  });

  test.each<[string, Properties, RegExp]>([
    ["whose change nobody saw", deployment({ ...rolledOut, observedGeneration: 2 }), /not seen it yet/],
    ["with an old replica left", deployment({ ...rolledOut, replicas: 3 }), /2 of 2 replicas are up to date, 2 available/],
    [
      "that may make no pods",
      deployment({ ...rolledOut, availableReplicas: 0, conditions: [{ type: "ReplicaFailure", status: "True", message: "quota" }] }),
      /0 available\. ReplicaFailure: quota/,
    ],
  ])("a Deployment %s is not", (_, object, because) => {
    expect(lookReady(object)).toMatchObject({ done: false, because: expect.stringMatching(because) });
  });

  test("a definition is ready once established", () => {
    const definition = (status: string): Properties => ({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      status: {
        conditions: [
          { type: "NamesAccepted", status, message: "taken" },
          { type: "Established", status },
        ],
      },
    });
    expect(lookReady(definition("True"))).toMatchObject({ done: true });
    expect(lookReady(definition("False"))).toMatchObject({ done: false, because: expect.stringContaining("NamesAccepted: taken") });
  });
});
