import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeAddress } from "../../clusters/embedded/control-plane/networks.ts";
import { buildImages } from "../../host/images/build.ts";
import { withRepository } from "../../host/images/crane.ts";
import { presentFolders } from "../../host/room/cgroups.ts";
import { cgroupOf, roomThings } from "../../host/room/groups.ts";
import { preflight } from "../../clusters/embedded/node/preflight.ts";
import { defaultLimits } from "../../shared/limits.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { toolPath } from "../../tools/locate.ts";
import { drillApp } from "../support/drill-app.ts";
import { TestCohort, type CommandResult } from "../support/lab-cli.ts";
import { listeningAddresses } from "../support/listeners.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * Learners whose pods run for real; most is asked of one of them. Where the machine does not allow it, that is what is tested. The tests build on each
 * other, in this order.
 */
let home: string;
let cohort: TestCohort;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-pods-"));
  cohort = new TestCohort(`e2e-pods-${process.pid}`, join(home, "lab"), ["ada", "bob"], undefined, { kind: "embedded", nodes: "real" });
  await cohort.writeFile();
});

afterAll(async () => {
  await cohort.takeAway(home);
});

const minutes = 60_000;
const unmet = (await preflight()).filter(({ met }) => !met);

const paths = () => cohortPaths(cohort.name, cohort.home);
const marked = () => cohort.marked();

async function outputsOf(learner: "ada" | "bob"): Promise<LearnerOutputs> {
  return (await cohort.outputs()).learners[learner]!;
}

const ada = () => outputsOf("ada");

interface Report {
  readonly id: string;
  readonly result: { readonly status: string; readonly basis?: string; readonly observed?: string };
}

async function reports(): Promise<Report[]> {
  const { stdout } = await cohort.lab("verify", "ada", "--cohort", cohort.name, "--json");
  return (JSON.parse(stdout) as { learners: Record<string, { reports: Report[] }> }).learners["ada"]!.reports;
}

async function awaitAllPass(): Promise<void> {
  await waitUntil(
    async () => {
      const seen = await reports();
      return seen.every(({ result }) => result.status === "pass")
        ? { done: true, value: undefined }
        : { done: false, because: JSON.stringify(seen.map(({ result }) => result)) };
    },
    { what: "all four evidence items to pass", timeoutSeconds: 60, intervalMs: 500, remedy: "" },
  );
}

/** kubectl with a credential in the learner's folder: the learner's own, or the instructor's. */
async function kubectl(whose: "learner" | "admin", ...args: string[]): Promise<CommandResult> {
  return cohort.run(await toolPath("kubectl"), args, { KUBECONFIG: join(paths().learner("ada").kubeconfigs, `${whose}.yaml`) });
}

async function apply(whose: "learner" | "admin", object: object): Promise<CommandResult> {
  const file = join(home, "object.json");
  await writeFile(file, JSON.stringify(object));
  return kubectl(whose, "apply", "-f", file);
}

/** The drill's image in the learner's repository, by digest. */
async function pushDrill(): Promise<string> {
  const { registry } = await ada();
  const [image] = await buildImages(drillApp, [{ version: "0.0.1", revision: "drill", created: 0 }]);
  await withRepository(registry, async (client) => {
    await client.push(image!.layout, image!.digest);
    await client.tag(image!.digest, "drill");
  });
  return `${registry.repository}:drill@${image!.digest}`;
}

const restricted = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
};

function pod(name: string, image: string, { spec = {}, container = {} }: { spec?: object; container?: object } = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "develop" },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      ...spec,
      containers: [{ name: "backend", image, securityContext: restricted, ...container }],
    },
  };
}

if (unmet.length > 0) {
  describe("on a machine where pods cannot run for real", () => {
    test("`nodes: real` is refused with every condition that is not met", { timeout: minutes }, async () => {
      const { exitCode, stderr } = await cohort.lab("up", cohort.name);
      expect(exitCode).toBe(2);
      for (const { name } of unmet) expect(stderr).toContain(name);
    });
  });
} else {
  describe("up", () => {
    test("runs the backend for real and proves the evidence on it", { timeout: 20 * minutes }, async () => {
      const { stdout, stderr } = succeeded(await cohort.lab("up", cohort.name));
      expect(stdout + stderr).not.toContain("simulated");
      expect((await ada()).cluster.nodes).toBe("real");
      const digest = (await reports()).find(({ id }) => id === "deployed-digest");
      expect(digest?.result).toMatchObject({ status: "pass", basis: "live" });
    });

    test("changes nothing when it is run again", { timeout: 2 * minutes }, async () => {
      expect(succeeded(await cohort.lab("up", cohort.name, "--engine")).stderr).toContain("0 changes");
    });

    test("lets nothing of the node listen on the host", () => {
      const host = marked().filter(({ name }) => !/^(ada|bob)\/node\//.test(name));
      const addresses = host.flatMap(({ name, identity }) =>
        name.endsWith("/node") ? [] : listeningAddresses(identity.pid).map((address) => `${name} ${address}`),
      );
      expect(addresses.filter((address) => !/ 127\.0\.0\.1:\d+$/.test(address))).toEqual([]);
      expect(addresses.filter((address) => address.includes("etcd"))).toEqual([]);
    });
  });

  describe("a learner", () => {
    test("reads logs and forwards ports as in any cluster", { timeout: minutes }, async () => {
      expect(succeeded(await kubectl("learner", "logs", "-n", "production", "deploy/backend")).stdout).toContain("version=0.2.0");
      const missing = await kubectl("learner", "exec", "-n", "production", "deploy/backend", "--", "/nothing");
      // The image has no other program: the answer is the runtime's own.
      expect(missing.stderr).toContain('exec: "/nothing"');
    });
  });

  describe("a failing rollout", () => {
    const drill = async (mode: string, image: string) => {
      const container = { name: "backend", image, env: [{ name: "DRILL", value: mode }] };
      succeeded(
        await kubectl(
          "admin",
          "patch",
          "deploy/backend",
          "-n",
          "production",
          "--patch",
          JSON.stringify({ spec: { template: { spec: { containers: [container] } } } }),
        ),
      );
    };
    let image: string;

    test("begins with Flux suspended", { timeout: minutes }, async () => {
      image = await pushDrill();
      succeeded(
        await kubectl(
          "admin",
          "patch",
          "kustomization/apps-production",
          "-n",
          "flux-system",
          "--type=merge",
          "--patch",
          JSON.stringify({ spec: { suspend: true } }),
        ),
      );
    });

    test.each([
      ["crash", /CrashLoopBackOff; last ended with Error, exit code 3/],
      ["oom", /OOMKilled, exit code 137/],
      ["unready", /running, but its readiness probe fails/],
      ["no-such-image", /(ErrImagePull|ImagePullBackOff)/],
    ])("%s is seen by verify with its reason", { timeout: minutes }, async (mode, reason) => {
      await drill(mode, mode === "no-such-image" ? image.replace(/@.*$/, "-missing") : image);
      await waitUntil(
        async () => {
          const observed = (await reports()).find(({ id }) => id === "deployed-digest")?.result.observed ?? "";
          return reason.test(observed) ? { done: true, value: undefined } : { done: false, because: observed };
        },
        { what: `verify to tell of ${mode}`, timeoutSeconds: 40, intervalMs: 500, remedy: "" },
      );
    });

    test("is undone by Flux", { timeout: 2 * minutes }, async () => {
      succeeded(
        await kubectl(
          "admin",
          "patch",
          "kustomization/apps-production",
          "-n",
          "flux-system",
          "--type=merge",
          "--patch",
          JSON.stringify({ spec: { suspend: false } }),
        ),
      );
      await awaitAllPass();
    });
  });

  describe("isolation", () => {
    test.each<[string, { spec?: object; container?: object }]>([
      ["privileged", { container: { securityContext: { privileged: true } } }],
      ["a folder of the host", { spec: { volumes: [{ name: "host", hostPath: { path: "/" } }] } }],
      ["the host's network", { spec: { hostNetwork: true } }],
      ["the host's processes", { spec: { hostPID: true } }],
      ["the host's IPC", { spec: { hostIPC: true } }],
      ["a port of the host", { container: { ports: [{ containerPort: 80, hostPort: 80 }] } }],
      ["a capability", { container: { securityContext: { ...restricted, capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } } } }],
      ["no seccomp filter", { container: { securityContext: { ...restricted, seccompProfile: { type: "Unconfined" } } } }],
    ])("a pod with %s is refused, to the learner and to the instructor", async (_, more) => {
      for (const whose of ["learner", "admin"] as const) {
        const refused = await apply(whose, pod("refused", "127.0.0.1:1/none:1", more));
        expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/forbidden/i) });
      }
      // In a namespace without a label as well.
      const elsewhere = pod("refused", "127.0.0.1:1/none:1", more);
      elsewhere.metadata.namespace = "default";
      expect(await apply("admin", elsewhere)).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/forbidden/i) });
    });

    test("nobody, not even who is Flux, lowers what a namespace enforces or takes the policy away", { timeout: minutes }, async () => {
      const lowered = await kubectl(
        "admin",
        "label",
        "namespace",
        "develop",
        "pod-security.kubernetes.io/enforce=privileged",
        "--overwrite",
      );
      expect(lowered).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("baseline or restricted") });
      expect((await kubectl("learner", "label", "namespace", "develop", "x=y")).stderr).toContain("forbidden");
      await kubectl("admin", "delete", "validatingadmissionpolicy", "--all");
      expect((await kubectl("admin", "create", "-f", await privilegedNamespace())).stderr).toContain("baseline or restricted");
    });

    test("what Pod Security does not look at is refused as well", { timeout: minutes }, async () => {
      const volume = {
        apiVersion: "v1",
        kind: "PersistentVolume",
        metadata: { name: "root" },
        spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/" } },
      };
      expect((await apply("admin", volume)).stderr).toContain("no PersistentVolumes");
      const patched = async (what: readonly string[], patch: object) =>
        (await kubectl("admin", "patch", ...what, "--type=merge", "--patch", JSON.stringify(patch))).stderr;
      const lower = { metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } } };
      expect(await patched(["namespace", "develop", "--subresource=status"], lower)).toContain("baseline or restricted");
      // Whoever answers for the core API gives the kubelet its pods.
      const delegated = { spec: { service: { namespace: "develop", name: "backend" }, insecureSkipTLSVerify: true } };
      expect(await patched(["apiservice", "v1."], delegated)).toContain("names no service");
    });

    test("from a pod only what the lab publishes is reached", { timeout: minutes }, async () => {
      const { registry, cluster } = await ada();
      const apiPort = new URL(cluster.apiServer).port;
      const otherLabsPort = new URL((await outputsOf("bob")).cluster.apiServer).port;
      const registryPort = registry.repository.split("/")[0]!.split(":")[1];
      const other = succeeded(await kubectl("learner", "get", "pods", "-n", "staging", "-o", "jsonpath={.items[0].status.podIP}")).stdout;
      const expected: Record<string, boolean> = {
        "10.96.0.1:443": true,
        [`${nodeAddress}:${apiPort}`]: true,
        [`${other}:8080`]: true,
        "backend.production.svc.cluster.local:80": true,
        // The kubelet, kube-proxy, the registry, and nothing behind them.
        [`${nodeAddress}:10250`]: false,
        [`${nodeAddress}:10249`]: false,
        [`${nodeAddress}:${registryPort}`]: false,
        [`127.0.0.1:${registryPort}`]: false,
        [`127.0.0.1:${apiPort}`]: false,
        // Another learner's API server, by every way that leads to one's own.
        [`10.96.0.1:${otherLabsPort}`]: false,
        [`${nodeAddress}:${otherLabsPort}`]: false,
        [`127.0.0.1:${otherLabsPort}`]: false,
        // A documentation address (RFC 5737), for everything outside.
        "192.0.2.1:80": false,
        "example.org:80": false,
      };
      const dialing = pod("dialing", await pushDrill(), {
        container: { securityContext: restricted, env: [{ name: "DIAL", value: Object.keys(expected).join(" ") }] },
      });
      succeeded(await apply("learner", dialing));
      succeeded(
        await kubectl("learner", "wait", "-n", "develop", "pod/dialing", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=40s"),
      );
      const { stdout } = succeeded(await kubectl("learner", "logs", "-n", "develop", "dialing"));
      const seen = Object.fromEntries(
        stdout
          .split("\n")
          .map((line) => JSON.parse(line) as { address: string; open: boolean })
          .map(({ address, open }) => [address, open]),
      );
      expect(seen).toEqual(expected);
      succeeded(await kubectl("learner", "delete", "-n", "develop", "pod/dialing", "--grace-period=0"));
    });

    test("from the node no route leads out, to the host or to another lab", { timeout: minutes }, async () => {
      const inside = ["--target", String(cohort.processNamed("ada/node/containerd").pid), "--net", "ip", "-json"];
      const routes = JSON.parse(succeeded(await cohort.run("nsenter", [...inside, "route"])).stdout) as { dst: string; dev: string }[];
      const links = JSON.parse(succeeded(await cohort.run("nsenter", [...inside, "link"])).stdout) as { ifname: string }[];
      expect(routes.filter(({ dst }) => !dst.startsWith("10.244.0."))).toEqual([]);
      expect(links.map(({ ifname }) => ifname.replace(/\d.*|(?<=veth).*$/, "")).filter((name) => name !== "veth")).toEqual(["lo"]);
      expect(Object.keys(networkInterfaces()).filter((name) => name.startsWith("veth"))).toEqual([]);
    });

    test("the node sees nothing of the host's files but programs", () => {
      const root = `/proc/${cohort.processNamed("ada/node/kubelet-and-proxy").pid}/root`;
      for (const host of ["/root", "/home", cohort.home]) expect(existsSync(join(root, host))).toBe(false);
      expect(existsSync(join(root, "etc", "shadow"))).toBe(false);
    });

    test("everything of the learner is within one set of limits, the control plane included", async () => {
      const cgroup = (await cgroupOf(paths().learner("ada")))!;
      const memory = Object.entries(cgroup.folders).find(([controllers]) => ["memory", "unified"].includes(controllers))![1];
      const limit = await readFile(join(memory, cgroup.version === 2 ? "memory.max" : "memory.limit_in_bytes"), "utf8");
      expect(Number(limit)).toBe(defaultLimits.memory);
      const group = memory.slice("/sys/fs/cgroup".length).replace(/^\/memory/, "");
      for (const { name, identity } of marked().filter(({ name }) => name.startsWith("ada/"))) {
        expect(await readFile(`/proc/${identity.pid}/cgroup`, "utf8"), name).toContain(`${group}/`);
      }
    });
  });

  describe("repair", () => {
    test.each(["ada/node/containerd", "ada/node/kubelet-and-proxy", "ada/node/inside"])(
      "a killed %s comes back by itself",
      { timeout: 2 * minutes },
      async (name) => {
        const { pid } = name === "ada/node/inside" ? await nodeInit() : cohort.processNamed(name);
        process.kill(pid, "SIGKILL");
        await waitUntil(
          async () => {
            const now = marked().find((process) => process.name === "ada/node/kubelet-and-proxy" && process.identity.pid !== pid);
            return now === undefined || existsSync(`/proc/${pid}`)
              ? { done: false, because: "it is not there." }
              : { done: true, value: undefined };
          },
          { what: "the kubelet", timeoutSeconds: 20, remedy: "" },
        );
        succeeded(await kubectl("admin", "wait", "node/node", "--for=condition=Ready", "--timeout=30s"));
        expect(succeeded(await cohort.lab("up", cohort.name, "--engine")).stderr).toContain("0 changes");
        await awaitAllPass();
      },
    );

    test("a cohort that was stopped has no container, and has them again when it is started", { timeout: 2 * minutes }, async () => {
      const cgroup = (await cgroupOf(paths().learner("ada")))!;
      succeeded(await cohort.lab("stop", cohort.name));
      expect(marked()).toEqual([]);
      const members = await Promise.all(
        Object.values(cgroup.folders).map((folder) => readdir(join(folder, "node", "kubepods"), { recursive: true }).catch(() => [])),
      );
      for (const [index, folder] of Object.values(cgroup.folders).entries()) {
        for (const file of members[index]!.filter((file) => file.endsWith("cgroup.procs")))
          expect(await readFile(join(folder, "node", "kubepods", file), "utf8")).toBe("");
      }
      succeeded(await cohort.lab("start", cohort.name));
      await awaitAllPass();
    });
  });

  describe("down", () => {
    test("leaves nothing", { timeout: 2 * minutes }, async () => {
      const cgroup = (await cgroupOf(paths().learner("ada")))!;
      expect(succeeded(await cohort.lab("down", cohort.name)).stdout).toContain("is gone");
      expect(marked()).toEqual([]);
      expect(existsSync(cohort.home)).toBe(false);
      expect(await presentFolders(cgroup)).toEqual([]);
      expect(await roomThings(cohort.name)).toEqual([]);
      expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(home);
    });
  });
}

async function privilegedNamespace(): Promise<string> {
  const file = join(home, "namespace.json");
  await writeFile(
    file,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "lax", labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
    }),
  );
  return file;
}

/** The first process of the node's namespaces: the parent of what runs in it. */
async function nodeInit(): Promise<{ readonly pid: number }> {
  const stat = await readFile(`/proc/${cohort.processNamed("ada/node/kubelet-and-proxy").pid}/stat`, "utf8");
  return { pid: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) };
}
