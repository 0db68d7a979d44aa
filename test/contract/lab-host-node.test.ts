import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LabHostNode } from "../../host/lab-host-node/node.ts";
import { ProcessTable } from "../../host/processes/process-table.ts";
import { Supervisor } from "../../host/processes/supervisor.ts";
import { fluxDeployments } from "../../host/lab-host-node/deployments.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { connect } from "../../shared/kube-api.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";
import { fluxControllerNames } from "../../tools/manifest.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { useLabHome } from "../support/lab-home.ts";

/*
 * The lab host's node in a real control plane, with programs that sleep in the place of the Flux controllers. The tests
 * build on each other, in this order.
 */
const home = useLabHome();
let plane: TestControlPlane;
let folder: string;
let supervisor: Supervisor;
const supervisors: Supervisor[] = [];
let node: LabHostNode;

beforeAll(async () => {
  plane = await startControlPlane(["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]);
  folder = await makePrivateFolder(join(home(), "daemon"));
  await serve();
  for (const name of fluxControllerNames) {
    await supervisor.ensure({
      name: `ada/${name}`,
      owner: "ada",
      command: "/bin/sh",
      args: ["-c", "exec sleep 600"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: folder,
      logFile: join(folder, `${name}.log`),
    });
  }
}, 180_000);

afterAll(async () => {
  node?.stop();
  // A daemon that is replaced is dead; these are not, and start again what the next one ended.
  for (const one of supervisors) await one.remove(() => true, "SIGKILL");
  await plane?.remove();
});

/** As a daemon that starts. */
async function serve(): Promise<void> {
  supervisor = new Supervisor(new ProcessTable(folder));
  supervisors.push(supervisor);
  const served = new LabHostNode(connect(plane.kubeconfig("lab-host")), "ada", supervisor);
  node = served;
  supervisor.onChange(() => served.refresh());
  await supervisor.start();
  void served.run();
}

const seconds = 1000;
const controller = "kustomize-controller";
const inFlux = (...args: string[]) => plane.kubectl([...args, "--namespace=flux-system"]);
const rollout = (name: string) => inFlux("rollout", "status", `deployment/${name}`, "--timeout=30s");
const pid = () => supervisor.statusOf(`ada/${controller}`)?.pid;

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly {
      readonly ready: boolean;
      readonly restartCount: number;
      readonly containerID?: string;
      readonly state: { readonly waiting?: { readonly reason: string } };
      readonly lastState: { readonly terminated?: { readonly message: string } };
    }[];
  };
}

async function pods(name: string = controller): Promise<Pod[]> {
  return (JSON.parse(await inFlux("get", "pods", `--selector=app=${name}`, "--output=json")) as { items: Pod[] }).items;
}

/** Waits until the controller has one pod that is as asked for. */
async function podThat(what: string, isIt: (pod: Pod) => boolean): Promise<Pod> {
  return waitUntil(
    async () => {
      const [pod, ...others] = await pods();
      return pod !== undefined && others.length === 0 && isIt(pod)
        ? { done: true, value: pod }
        : { done: false, because: JSON.stringify([pod?.status, others.length]) };
    },
    { what, timeoutSeconds: 20, remedy: "" },
  );
}

const isReady = ({ status }: Pod) => status.containerStatuses?.[0]?.ready === true;

test("the controllers' Deployments become ready on a node that takes nothing else", { timeout: 60 * seconds }, async () => {
  await plane.kubectl(["create", "namespace", "flux-system"]);
  const cluster = clusterClient(plane.kubeconfig("admin"));
  const before = pid();
  for (const { name, deployment } of fluxDeployments()) await cluster.applyDeployment("flux-system", name, deployment);
  for (const name of fluxControllerNames) await rollout(name);
  expect(pid()).toBe(before);
  expect((await pods()).map(({ spec }) => spec.nodeName)).toEqual(["lab-host"]);
  const described = JSON.parse(await plane.kubectl(["get", "node", "lab-host", "--output=json"])) as {
    spec: { taints: object[] };
    status: { addresses?: object[]; conditions: object[] };
  };
  expect(described.spec.taints).toContainEqual({ key: "gitops-lab.dev/lab-host", effect: "NoSchedule" });
  expect(described.status.addresses).toBeUndefined();
  expect(described.status.conditions).toContainEqual(expect.objectContaining({ type: "Ready", status: "True" }));
});

test("a killed process is a restart of its pod, with the reason", { timeout: 60 * seconds }, async () => {
  const [before] = await pods();
  process.kill(pid()!, "SIGKILL");
  const after = await podThat("the restart", (pod) => pod.status.containerStatuses?.[0]?.restartCount === 1 && isReady(pod));
  expect(after.metadata.uid).toBe(before!.metadata.uid);
  expect(after.status.containerStatuses![0]!.lastState.terminated).toMatchObject({ message: "killed by SIGKILL" });
  expect(after.status.containerStatuses![0]!.containerID).not.toBe(before!.status.containerStatuses![0]!.containerID);
});

test("a status that holds is not written again", { timeout: 60 * seconds }, async () => {
  const [before] = await pods();
  // Later than the second in which it was written: a second is the grain of the times in a status.
  await delay(1100);
  node.refresh();
  await delay(1000);
  expect((await pods())[0]!.metadata.resourceVersion).toBe(before!.metadata.resourceVersion);
});

test("deleting a pod restarts the process, and the new pod counts anew", { timeout: 60 * seconds }, async () => {
  const before = pid();
  await inFlux("delete", "pod", `--selector=app=${controller}`, "--timeout=20s");
  const after = await podThat("the new pod", isReady);
  expect(after.status.containerStatuses![0]!.restartCount).toBe(0);
  expect(pid()).toBeDefined();
  expect(pid()).not.toBe(before);
});

test("a pod that is deleted by force takes its process along, too", { timeout: 60 * seconds }, async () => {
  const before = pid();
  await inFlux("delete", "pod", `--selector=app=${controller}`, "--force", "--grace-period=0");
  await waitUntil(
    async () => (pid() !== before && pid() !== undefined ? { done: true, value: undefined } : { done: false, because: `${pid()}` }),
    {
      what: "another process",
      timeoutSeconds: 20,
      remedy: "",
    },
  );
  await podThat("the new pod", isReady);
});

test("`kubectl rollout restart` comes to its end", { timeout: 60 * seconds }, async () => {
  const before = pid();
  await inFlux("rollout", "restart", `deployment/${controller}`);
  await rollout(controller);
  expect(pid()).not.toBe(before);
});

test("no pods, no process; also for a daemon that starts then", { timeout: 60 * seconds }, async () => {
  await inFlux("scale", `deployment/${controller}`, "--replicas=0");
  const name = `ada/${controller}`;
  await waitUntil(
    async () => {
      const state = supervisor.statusOf(name)?.state;
      return state === "awaiting-pod" ? { done: true, value: undefined } : { done: false, because: `${state}` };
    },
    { what: "the process to end", timeoutSeconds: 20, remedy: "" },
  );
  node.stop();
  await serve();
  await supervisor.resume(() => true, true);
  expect(supervisor.statusOf(name)?.state).toBe("awaiting-pod");
  await inFlux("scale", `deployment/${controller}`, "--replicas=1");
  await rollout(controller);
  expect(supervisor.statusOf(name)?.state).toBe("running");
});

test("a daemon that starts anew leaves processes and pods as they are", { timeout: 60 * seconds }, async () => {
  const [before] = await pods();
  const process = pid();
  node.stop();
  await serve();
  await inFlux("delete", "pod", "--selector=app=source-controller", "--timeout=20s");
  await rollout("source-controller");
  expect((await pods())[0]!.metadata).toEqual(before!.metadata);
  expect(pid()).toBe(process);
});

test("a second pod of a controller, and a pod of somebody else, are told why they wait", { timeout: 60 * seconds }, async () => {
  await inFlux("scale", `deployment/${controller}`, "--replicas=2");
  await plane.kubectl(
    ["apply", "--filename=-"],
    JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "stranger", namespace: "default", labels: { app: controller, "app.kubernetes.io/component": controller } },
      spec: {
        nodeName: "lab-host",
        automountServiceAccountToken: false,
        tolerations: [{ operator: "Exists" }],
        containers: [{ name: "one", image: "example.org/one" }],
      },
    }),
  );
  const reasons = async () => {
    const stranger = JSON.parse(await plane.kubectl(["get", "pod", "stranger", "--output=json"])) as Pod;
    return [stranger, ...(await pods())].map(({ status }) => status.containerStatuses?.[0]?.state.waiting?.reason ?? status.phase).sort();
  };
  await waitUntil(
    async () => {
      const seen = await reasons();
      return seen.join() === "NotOnLabHost,ProcessTaken,Running" ? { done: true, value: undefined } : { done: false, because: seen.join() };
    },
    { what: "the reasons", timeoutSeconds: 20, remedy: "" },
  );
  const process = pid();
  await plane.kubectl(["delete", "pod", "stranger", "--timeout=20s"]);
  await inFlux("scale", `deployment/${controller}`, "--replicas=1");
  await podThat("one pod", isReady);
  expect(pid()).toBe(process);
});

test("a node that was deleted registers again", { timeout: 90 * seconds }, async () => {
  await plane.kubectl(["delete", "node", "lab-host"]);
  await waitUntil(
    async () => {
      const answer = await plane.kubectl(["get", "node", "lab-host", "--ignore-not-found", "--output=name"]);
      return answer === "" ? { done: false, because: "It is not there." } : { done: true, value: undefined };
    },
    { what: "the node", timeoutSeconds: 60, remedy: "" },
  );
});
