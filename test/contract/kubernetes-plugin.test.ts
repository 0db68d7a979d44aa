import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connect } from "../../shared/kube-api.ts";
import { objectStore } from "../../tools/kubernetes-plugin/objects.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { kubernetesProgram, useKubernetesStack } from "../support/kubernetes-stack.ts";
import { createPulumiProject, kubernetesPlugins } from "../support/pulumi-project.ts";

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane(["etcd", "kube-apiserver", "kube-controller-manager"]);
});
afterAll(() => plane?.remove());

/*
 * What is the same with both plugins, on this machine's: with Pulumi's own, too, where it is installed. Words differ.
 */
describe.each(kubernetesPlugins)("a stack of Kubernetes objects with the %s plugin", (plugin) => {
  const stack = useKubernetesStack(() => plane, plugin);
  const secret = "correct-horse-battery";
  const objects = (settings: string) =>
    kubernetesProgram(`
      const namespace = new k8s.core.v1.Namespace("team", { metadata: { name: "team" } }, options);
      const here = { ...options, dependsOn: [namespace] };
      const key = new k8s.core.v1.Secret("key", { metadata: { name: "key", namespace: "team" }, stringData: { password: pulumi.secret("${secret}") } }, here);
      const settings = new k8s.core.v1.ConfigMap("settings", { metadata: { name: "settings", namespace: namespace.metadata.name }, data: ${settings} }, here);
      new k8s.core.v1.ResourceQuota("quota", { metadata: { name: "quota", namespace: "team" }, spec: { hard: { cpu: "0.5" } } }, here);
      new k8s.rbac.v1.ClusterRole("reader", { metadata: { name: "reader" }, rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] }, options);
      const definition = new k8s.apiextensions.v1.CustomResourceDefinition("widgets", {
        metadata: { name: "widgets.test.example" },
        spec: {
          group: "test.example", scope: "Namespaced", names: { kind: "Widget", plural: "widgets" },
          versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", x_kubernetes_preserve_unknown_fields: true } } } } }],
        },
      }, options);
      new k8s.apiextensions.CustomResource("widget", {
        apiVersion: "test.example/v1", kind: "Widget", spec: { size: 3 },
        // The garbage collector learns of a new kind only every half minute.
        metadata: { name: "one", namespace: namespace.metadata.name, annotations: { "pulumi.com/deletionPropagationPolicy": "background" } },
      }, options);
      export const uid = namespace.metadata.uid;
      export const content = key.data;
      export const preserves = definition.spec.versions[0].schema.openAPIV3Schema.properties.apply((p) => p.spec.x_kubernetes_preserve_unknown_fields);
      export const phase = namespace.status.phase;
    `);

  test("creates every kind in one update, and its outputs are the live objects", async () => {
    await stack().up(objects('{ mode: "lab", extra: "1" }'));

    expect(await plane.kubectl(["get", "widgets/one", "-n", "team", "-o", "jsonpath={.spec.size}"])).toBe("3");
    expect(await plane.kubectl(["get", "secret/key", "-n", "team", "-o", "jsonpath={.data.password}"])).toBe(
      Buffer.from(secret).toString("base64"),
    );
    expect(await stack().outputs()).toMatchObject({
      uid: await plane.kubectl(["get", "namespace/team", "-o", "jsonpath={.metadata.uid}"]),
      content: { password: Buffer.from(secret).toString("base64") },
      preserves: true,
      phase: "Active",
    });
  });

  test("keeps a Secret's content encrypted in the state", async () => {
    const state = await stack().exportedState();
    expect(state).toContain('"team/key"');
    expect(state).not.toContain(secret);
    expect(state).not.toContain(Buffer.from(secret).toString("base64"));
  });

  test("has nothing to do the second time, also after a refresh, whatever the API server made of the values", async () => {
    expect(await plane.kubectl(["get", "quota/quota", "-n", "team", "-o", "jsonpath={.spec.hard.cpu}"])).toBe("500m");
    await stack().refresh(["--expect-no-changes"]);
    await stack().up(objects('{ mode: "lab", extra: "1" }'), ["--expect-no-changes"]);
  });

  test("an update changes what the program changed, and takes away what it dropped", async () => {
    const before = await plane.kubectl(["get", "configmap/settings", "-n", "team", "-o", "jsonpath={.metadata.uid}"]);
    await stack().up(objects('{ mode: "exam" }'), [], { PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE: "true" });
    expect(await plane.kubectl(["get", "configmap/settings", "-n", "team", "-o", "jsonpath={.data} {.metadata.uid}"])).toBe(
      `{"mode":"exam"} ${before}`,
    );
  });

  test("replaces a ConfigMap's content where the provider is not told to change it", async () => {
    const before = await plane.kubectl(["get", "configmap/settings", "-n", "team", "-o", "jsonpath={.metadata.uid}"]);
    await stack().up(objects('{ mode: "review" }'));
    const [data, uid] = (await plane.kubectl(["get", "configmap/settings", "-n", "team", "-o", "jsonpath={.data} {.metadata.uid}"])).split(
      " ",
    );
    expect(data).toBe('{"mode":"review"}');
    expect(uid).not.toBe(before);
  });

  test("a refresh sees what somebody changed by hand, and the next update repairs it", async () => {
    await plane.kubectl(["patch", "widgets/one", "-n", "team", "--type=merge", "-p", '{"spec":{"size":9,"colour":"red"}}']);
    await plane.kubectl(["delete", "clusterrole/reader"]);
    expect((await stack().refresh()).text).toMatch(/~ 1 updated\s+- 1 deleted/);

    await stack().up(objects('{ mode: "review" }'));
    expect(await plane.kubectl(["get", "widgets/one", "-n", "team", "-o", "jsonpath={.spec}"])).toBe('{"size":3}');
    expect(await plane.kubectl(["get", "clusterrole/reader", "-o", "name"])).toBe("clusterrole.rbac.authorization.k8s.io/reader");
  });

  test("deletes everything, and waits until it is gone", async () => {
    await stack().destroy();
    const left = await plane.kubectl([
      "get",
      "namespace/team",
      "clusterrole/reader",
      "crd/widgets.test.example",
      "--ignore-not-found",
      "-o",
      "name",
    ]);
    expect(left).toBe("");
  });
});

describe.each(kubernetesPlugins)("names with the %s plugin", (plugin) => {
  const stack = useKubernetesStack(() => plane, plugin);
  const named = (metadata: string, data: string) =>
    kubernetesProgram(`
    const map = new k8s.core.v1.ConfigMap("notes", { metadata: ${metadata}, data: ${data} }, options);
    export const name = map.metadata.name;
    export const namespace = map.metadata.namespace;
  `);

  test("an object without a name gets one of its own, and keeps it", async () => {
    await stack().up(named("{}", '{ a: "1" }'));
    const first = await stack().outputs();
    expect(first).toEqual({ name: expect.stringMatching(/^notes-[0-9a-f]{8}$/), namespace: "default" });
    await stack().up(named('{ labels: { for: "test" } }', '{ a: "1" }'));
    expect(await stack().outputs()).toEqual(first);
  });

  test("its replacement has another, so that it can be made first", async () => {
    const first = await stack().outputs();
    const { text } = await stack().up(named("{}", '{ a: "2" }'));
    expect(text).toMatch(/notes created replacement.*notes deleted original/s);
    expect((await stack().outputs())["name"]).not.toBe(first["name"]);
  });
});

describe.each(kubernetesPlugins)("objects that are there already, with the %s plugin", (plugin) => {
  const stack = useKubernetesStack(() => plane, plugin);
  // Each leaves its own behind.
  afterAll(async () => void (await plane.kubectl(["delete", "configmap", "found", "imported", "--ignore-not-found"])));
  const adopting = (provider: string, annotations = "{}") =>
    kubernetesProgram(
      `new k8s.core.v1.ConfigMap("found", { metadata: { name: "found", annotations: ${annotations} }, data: { a: "ours" } }, options);`,
      provider,
    );

  test("are not taken by accident, but by upsertExistingObjects", async () => {
    await plane.kubectl(["create", "configmap", "found", "--from-literal=b=theirs"]);
    const refused = await stack().tryUp(adopting(""));
    expect(refused).toMatchObject({
      exitCode: 1,
      text: expect.stringMatching(plugin === "official" ? /"found" already exists/ : /ConfigMap default\/found exists already/),
    });

    await stack().up(adopting("upsertExistingObjects: true"));
    expect(await plane.kubectl(["get", "configmap/found", "-o", "jsonpath={.data}"])).toBe('{"a":"ours","b":"theirs"}');
  });

  test("keep a field that another manager owns: the error names both, patchForce takes it", async () => {
    const theirs = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "found" }, data: { a: "theirs" } });
    await plane.kubectl(["apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "-f", "-"], theirs);
    await stack().refresh();

    const mutable = { PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE: "true" };
    const refused = await stack().tryUp(adopting("upsertExistingObjects: true"), [], mutable);
    expect(refused).toMatchObject({
      exitCode: 1,
      text: expect.stringMatching(
        plugin === "official" ? /conflict with "somebody".*\.data\.a/s : /ConfigMap default\/found has fields.* "somebody".*\.data\.a/s,
      ),
    });

    await stack().up(adopting("upsertExistingObjects: true", '{ "pulumi.com/patchForce": "true" }'), [], mutable);
    expect(await plane.kubectl(["get", "configmap/found", "-o", "jsonpath={.data.a}"])).toBe("ours");
  });

  test("are imported with the inputs that would give them", async () => {
    await plane.kubectl(["create", "configmap", "imported", "--from-literal=a=1"]);
    const program = (imported: string) =>
      kubernetesProgram(
        `new k8s.core.v1.ConfigMap("imported", { metadata: { name: "imported", namespace: "default" }, data: { a: "1" } }, { ...options${imported} });`,
      );
    await stack().up(program(', import: "default/imported"'));
    await stack().up(program(""), ["--expect-no-changes"]);
  });
});

describe.each(kubernetesPlugins)("a state that has lost objects which are there, with the %s plugin", (plugin) => {
  const stack = useKubernetesStack(() => plane, plugin);
  // As the providers of learners' clusters are.
  const settings = "upsertExistingObjects: true, enableSecretMutable: true, enablePatchForce: true";
  const secret = (word: string) =>
    kubernetesProgram(
      `new k8s.core.v1.Secret("lost", { metadata: { name: "lost-${plugin}" }, stringData: { word: "${word}" } }, options);`,
      settings,
    );
  const word = async () =>
    Buffer.from(await plane.kubectl(["get", `secret/lost-${plugin}`, "-o", "jsonpath={.data.word}"]), "base64").toString();

  test("takes them over, and changes them afterwards", { timeout: 180_000 }, async () => {
    await stack().up(secret("first"));
    await stack().forget("Secret::lost");
    await stack().up(secret("first"));
    await stack().up(secret("second"));
    expect(await word()).toBe("second");
  });

  test("and one that somebody has changed with kubectl is looked at and repaired", { timeout: 180_000 }, async () => {
    await plane.kubectl(["patch", `secret/lost-${plugin}`, "--type=merge", "-p", '{"stringData":{"word":"theirs"}}']);
    await stack().preview(secret("second"), ["--refresh"]);
    await stack().refresh();
    await stack().up(secret("second"));
    expect(await word()).toBe("second");
  });
});

const twice = kubernetesPlugins.includes("official") ? test : undefined;
twice?.("a stack goes from one plugin to the other and back without a change", { timeout: 180_000 }, async () => {
  const program = kubernetesProgram(
    `new k8s.core.v1.Secret("over", { metadata: { name: "over" }, stringData: { word: "same" } }, options);`,
    "enableSecretMutable: true",
  );
  const project = await createPulumiProject("test", "official");
  onTestFinished(() => project.remove());
  await project.write(program);
  const env = { TEST_KUBECONFIG: plane.kubeconfig("admin") };
  const unchanged = ["up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "test"];
  const succeed = async (...given: Parameters<typeof project.pulumi>) => {
    const { exitCode, text } = await project.pulumi(...given);
    expect(exitCode, text).toBe(0);
  };
  await succeed(["up", "--yes", "--skip-preview"], env);
  for (const PULUMI_HOME of [`${project.environment["PULUMI_HOME"]}-without`, project.environment["PULUMI_HOME"]!])
    await succeed([...unchanged, "--diff"], { ...env, PULUMI_HOME });
});

test("an object waits for its kind, which another resource makes at the same time", async () => {
  const store = objectStore(connect(plane.kubeconfig("admin")), "default");
  const applied = { fieldManager: "test", force: false };
  const late = { apiVersion: "test.example/v1", kind: "Late" };
  const waiting = store.apply({ ...late, name: "one" }, { ...late, metadata: { name: "one" } }, applied);
  expect(await store.isNamespaced(late.apiVersion, late.kind)).toBeUndefined();

  const definition = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
  const schema = { openAPIV3Schema: { type: "object" } };
  const spec = {
    group: "test.example",
    scope: "Cluster",
    names: { kind: "Late", plural: "lates" },
    versions: [{ name: "v1", served: true, storage: true, schema }],
  };
  await store.apply(
    { ...definition, name: "lates.test.example" },
    { ...definition, metadata: { name: "lates.test.example" }, spec },
    applied,
  );
  expect(await waiting).toMatchObject({ kind: "Late", metadata: { name: "one", uid: expect.any(String) } });
});
