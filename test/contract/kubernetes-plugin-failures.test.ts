import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { endOne, identify, isRunning, type ProcessIdentity } from "../../ledger/process-identity.ts";
import { run } from "../../shared/exec.ts";
import { waitUntil } from "../../shared/wait.ts";
import { createProvider } from "../../tools/kubernetes-plugin/provider.ts";
import { readProviderConfig } from "../../tools/kubernetes-plugin/provider-config.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { kubernetesProgram, useKubernetesStack } from "../support/kubernetes-stack.ts";

const script = fileURLToPath(new URL("../../tools/pulumi-plugins/pulumi-resource-kubernetes", import.meta.url));

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await startControlPlane(["etcd", "kube-apiserver", "kube-controller-manager"]);
});
afterAll(() => plane?.remove());

describe("an object that does not get ready", () => {
  const stack = useKubernetesStack(() => plane);
  const deployment = (replicas: number, annotations = "{}") =>
    kubernetesProgram(`
    const labels = { app: "web" };
    new k8s.apps.v1.Deployment("web", {
      metadata: { name: "web", annotations: ${annotations} },
      spec: { replicas: ${replicas}, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: "web", image: "web" }] } } },
    }, { ...options, customTimeouts: { create: "3s", update: "3s" } });
  `);

  test("fails with what it last said, and stays in the state", async () => {
    // Nothing schedules pods here.
    const failed = await stack().tryUp(deployment(1));
    expect(failed.exitCode).not.toBe(0);
    expect(failed.text).toMatch(
      /Waited 3 s for Deployment default\/web to become ready, in vain\. Last seen: . of 1 replicas are up to date, 0 available\. Available: Deployment does not have minimum availability/,
    );
    expect(await stack().exportedState()).toContain('"default/web"');
  });

  test("is looked at again by the next update", async () => {
    expect((await stack().tryUp(deployment(1))).exitCode).not.toBe(0);
    await stack().up(deployment(0));
    await stack().up(deployment(1, '{ "pulumi.com/skipAwait": "true" }'));
    await stack().destroy();
  });
});

describe("an engine that was interrupted", () => {
  const cancellation = new AbortController();
  const provider = () =>
    createProvider(readProviderConfig(new Map([["kubernetes:config:kubeconfig", plane.kubeconfig("admin")]]), {}), {
      warn: () => undefined,
      cancelled: cancellation.signal,
    });
  const urn = "urn:pulumi:dev::lab::kubernetes:apps/v1:Deployment::";
  const labels = { app: "interrupted" };
  const spec = {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: "web", image: "web" }] } },
  };
  const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "interrupted" }, spec };

  test("does not wait on for an object to get ready, and gets its state", async () => {
    const creating = provider().create(`${urn}one`, deployment, 600);
    const look = async () => {
      const found = await plane.kubectl(["get", "deployment/interrupted", "--ignore-not-found", "-o", "name"]);
      return found === "" ? { done: false as const, because: "There is none." } : { done: true as const, value: found };
    };
    await waitUntil(look, { what: "the Deployment", timeoutSeconds: 30, remedy: "" });
    cancellation.abort(new Error("interrupted"));
    await expect(creating).rejects.toMatchObject({
      name: "InitializationError",
      message: "interrupted",
      id: "default/interrupted",
      state: { kind: "Deployment" },
    });
  });

  test("finds what it made for its own the next time, where it could not write that down; another resource does not", async () => {
    const ready = { ...deployment, metadata: { name: "interrupted", annotations: { "pulumi.com/skipAwait": "true" } } };
    expect(await provider().create(`${urn}one`, ready, 1)).toMatchObject({ id: "default/interrupted" });
    await expect(provider().create(`${urn}two`, ready, 1)).rejects.toThrow("Deployment interrupted exists already");
  });
});

describe("a deletion that does not end", () => {
  const stack = useKubernetesStack(() => plane);

  test("names the finalizers that hold the object", async () => {
    await stack().up(
      kubernetesProgram(`
      new k8s.core.v1.ConfigMap("held", { metadata: { name: "held", finalizers: ["test.example/hold"] } }, { ...options, customTimeouts: { delete: "1s" } });
    `),
    );
    const failed = await stack().tryDestroy();
    expect(failed.exitCode).not.toBe(0);
    expect(failed.text).toContain("It is held by the finalizers test.example/hold");

    await plane.kubectl(["patch", "configmap/held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}']);
    await stack().destroy();
  });
});

describe("what the API server refuses", () => {
  const stack = useKubernetesStack(() => plane);

  test("is told without the secret in it", async () => {
    const failed = await stack().tryUp(
      kubernetesProgram(`
      new k8s.core.v1.ConfigMap("bad", { metadata: { name: "bad", labels: { code: pulumi.secret('tell "nobody"!') } } }, options);
    `),
    );
    expect(failed.exitCode).not.toBe(0);
    expect(failed.text).toMatch(/ConfigMap "bad" is invalid: metadata.labels: Invalid value: "\[secret\]"/);
    expect(failed.text).not.toContain("nobody");
  });

  test("is not what only Pulumi's own plugin serves: that is refused before", async () => {
    const patch = await stack().tryUp(
      kubernetesProgram('new k8s.core.v1.NamespacePatch("labels", { metadata: { name: "default", labels: { a: "b" } } }, options);'),
    );
    expect(patch.text).toMatch(/NamespacePatch::labels would change an object that it does not own/);
    const chart = await stack().tryUp(kubernetesProgram('new k8s.helm.v3.Release("chart", { chart: "nginx" }, options);'));
    expect(chart.text).toMatch(/Release::chart is not a Kubernetes object/);
    const ambient = await stack().tryUp(kubernetesProgram('new k8s.core.v1.Namespace("stray", {});'));
    expect(ambient.text).toMatch(/has no kubeconfig, and this plugin does not guess one/);
  });
});

describe("a cluster that is away", () => {
  const stack = useKubernetesStack(() => plane);
  const program = (data: string) =>
    kubernetesProgram(`new k8s.core.v1.ConfigMap("map", { metadata: { name: "away" }, data: ${data} }, options);`);

  beforeAll(async () => {
    await stack().up(program("{}"));
    await plane.stop("kube-apiserver");
  });
  afterAll(() => plane.start("kube-apiserver"));

  test("fails an update and a destroy with its address", async () => {
    const away = `The cluster ${plane.server} can't be reached`;
    expect((await stack().tryUp(program('{ a: "1" }'))).text).toContain(away);
    expect(await stack().tryDestroy()).toMatchObject({
      exitCode: expect.toSatisfy((code) => code !== 0),
      text: expect.stringContaining(away),
    });
  });

  test("gives its objects up with deleteUnreachable, and says so", async () => {
    const { text } = await stack().destroy({ PULUMI_K8S_DELETE_UNREACHABLE: "true" });
    expect(text).toContain("taken out of the state as gone");
    expect(text).toMatch(/- 3 deleted/);
  });
});

describe("the plugin's script", () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "plugin-script-"));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  test("ends with the engine, even when that is killed", async () => {
    const plugin = spawn(script, ["127.0.0.1:1"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, PULUMI_HOME: home, XDG_CACHE_HOME: home },
    });
    onTestFinished(() => void plugin.kill("SIGKILL"));
    const ended = once(plugin, "exit");
    const [port] = (await once(createInterface(plugin.stdout), "line")) as [string];
    expect(Number(port)).toBeGreaterThan(0);
    expect(plugin.exitCode).toBeNull();
    // What the kernel does to the pipe of a process that dies.
    plugin.stdin.destroy();
    expect(await ended).toEqual([0, null]);
  });

  /** An engine that starts the script, with a plugin in the official one's place that writes a kubeconfig as that does. */
  async function startOfficial(): Promise<{ engine: ChildProcess; plugin: ProcessIdentity; folder: string }> {
    const official = join(await officialFolder(), "pulumi-resource-kubernetes");
    await writeFile(official, '#!/bin/sh\numask 077; echo secret >"$TMPDIR/kubeconfig1"; echo "$$ $TMPDIR"; exec sleep 600\n', {
      mode: 0o755,
    });
    const engine = spawn("sh", ["-c", '"$1" 127.0.0.1:1 & wait', "sh", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, PULUMI_HOME: home, TMPDIR: home, GITOPS_LAB_PLUGIN_SCRATCH: join(home, "gitops-lab-plugin-x") },
    });
    onTestFinished(() => void engine.kill("SIGKILL"));
    const [line] = (await once(createInterface(engine.stdout), "line")) as [string];
    const [pid, folder] = line.split(" ") as [string, string];
    const plugin = identify(Number(pid))!;
    onTestFinished(() => endOne(plugin));
    expect(folder).toMatch(new RegExp(`^${home}/gitops-lab-plugin-x-${pid}-${plugin.startTime}-`));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(existsSync(join(folder, "kubeconfig1"))).toBe(true);
    return { engine, plugin, folder };
  }

  const gone = (folder: string) =>
    waitUntil(async () => (existsSync(folder) ? { done: false, because: `${folder} is there.` } : { done: true, value: undefined }), {
      what: "the plugin's folder to go",
      timeoutSeconds: 20,
      intervalMs: 100,
      remedy: "",
    });

  async function officialFolder(): Promise<string> {
    const { version } = createRequire(import.meta.url)("@pulumi/kubernetes/package.json") as { version: string };
    const folder = join(home, "plugins", `resource-kubernetes-v${version}`);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  test("leaves nothing of the official plugin's files when the engine ends it", async () => {
    const { plugin, folder } = await startOfficial();
    endOne(plugin);
    await gone(folder);
  });

  test("ends the official plugin when the engine was killed, and leaves nothing of its files", async () => {
    const { engine, plugin, folder } = await startOfficial();
    engine.kill("SIGKILL");
    await gone(folder);
    expect(isRunning(plugin)).toBe(false);
  });

  test("hands over to the official plugin where it is installed, also when reached through a link", async () => {
    const folder = await officialFolder();
    await writeFile(join(folder, "pulumi-resource-kubernetes"), '#!/bin/sh\necho "official $*"\n');
    await chmod(join(folder, "pulumi-resource-kubernetes"), 0o755);
    const link = join(home, "pulumi-resource-kubernetes");
    await symlink(script, link);
    expect((await run(link, ["127.0.0.1:1"], { env: { PULUMI_HOME: home } })).stdout).toBe("official 127.0.0.1:1");
  });
});
