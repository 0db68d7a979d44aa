import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onHost } from "../../host/room/placement.ts";
import { kubeconfig } from "../../clusters/embedded/control-plane/kubeconfig.ts";
import { clients, ensurePki, type ClientName } from "../../clusters/embedded/control-plane/pki.ts";
import { controlPlaneProcesses, type ControlPlane, type NodeAccess } from "../../clusters/embedded/control-plane/processes.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { run } from "../../shared/exec.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { toolPath } from "../../tools/locate.ts";

export type ControlPlaneTool = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";

/** A control plane as the lab runs it, without the lab's daemon. */
export interface TestControlPlane {
  readonly server: string;
  /** YAML. */
  kubeconfig(client: ClientName): string;
  /** Runs kubectl as the administrator and gives its output; throws when it fails. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Starts a tool that does not run. */
  start(tool: ControlPlaneTool): Promise<void>;
  stop(tool: ControlPlaneTool): Promise<void>;
  /** How its API server, when it is started the next time, reaches a real node and what it admits. */
  useNode(node: NodeAccess, admission: NonNullable<ControlPlane["admission"]>): Promise<void>;
  /** Ends every process and removes every file. */
  remove(): Promise<void>;
}

/** Starts the tools in the order given and waits until the API server and the controllers work. */
export async function startControlPlane(tools: readonly ControlPlaneTool[]): Promise<TestControlPlane> {
  const root = await mkdtemp(join(tmpdir(), "control-plane-"));
  const paths = {
    root,
    cluster: root,
    pki: join(root, "pki"),
    kubeconfigs: join(root, "kubeconfig"),
    logs: join(root, "logs"),
    access: join(root, "access.json"),
    pipeline: join(root, "pipeline.json"),
    gitOutage: join(root, "git-outage.json"),
    limitHits: join(root, "limit-hits.jsonl"),
  };
  const apiPort = await freePort();
  const server = `https://127.0.0.1:${apiPort}`;
  const pki = await ensurePki(paths.pki);
  const kubeconfigOf = (client: ClientName) => kubeconfig("test", server, pki.ca, client, pki.clients[client]);
  for (const client of Object.keys(clients) as ClientName[]) {
    await writePrivateFile(join(paths.kubeconfigs, `${client}.yaml`), kubeconfigOf(client));
  }
  await makePrivateFolder(join(root, "etcd"));
  await mkdir(paths.logs);

  const definition = { cohort: "test", learner: "ada", paths, placement: onHost, apiPort, etcdDisk: 512 * 1024 ** 2 };
  let specs = await controlPlaneProcesses(definition);
  const running = new Map<ControlPlaneTool, ChildProcess>();
  const api = clusterClient(kubeconfigOf("admin"));
  const lookReady = async (tool: ControlPlaneTool): Promise<Look<unknown>> => {
    if (tool === "kube-apiserver") return api.lookReady();
    if (tool !== "kube-controller-manager") return { done: true, value: undefined };
    // Its controllers run when one of them has made what every namespace gets.
    const made = await plane.kubectl(["get", "serviceaccount/default", "-n", "default", "--ignore-not-found", "-o", "name"]);
    return made === "" ? { done: false, because: "There is no default service account." } : { done: true, value: undefined };
  };
  const plane: TestControlPlane = {
    server,
    kubeconfig: kubeconfigOf,
    async kubectl(args, input = "") {
      const access = `--kubeconfig=${join(paths.kubeconfigs, "admin.yaml")}`;
      const { stdout } = await run(await toolPath("kubectl"), [access, ...args], { input, env: { HOME: root } });
      return stdout;
    },
    async start(tool) {
      const spec = specs.find(({ name }) => name.endsWith(`/${tool}`));
      if (!spec) throw new Error(`The control plane has no process ${tool}`);
      const { command, args, cwd, env, logFile } = spec;
      // The shell gives way to the program, so the pid is the program's.
      const child = spawn("/bin/sh", ["-c", 'exec "$0" "$@" >"$LOG" 2>&1', command, ...args], {
        cwd,
        env: { ...process.env, ...env, LOG: logFile },
        stdio: "ignore",
      });
      running.set(tool, child);
      await waitUntil(
        async () => {
          if (child.exitCode !== null) throw new Error(`${tool} ended: ${(await readFile(logFile, "utf8")).slice(-2000)}`);
          return lookReady(tool);
        },
        { what: tool, timeoutSeconds: 90, remedy: `Look at ${logFile}.` },
      );
    },
    async stop(tool) {
      const child = running.get(tool);
      running.delete(tool);
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
    async useNode(node, admission) {
      specs = await controlPlaneProcesses({ ...definition, admission, node });
    },
    async remove() {
      for (const tool of [...running.keys()].reverse()) await plane.stop(tool);
      await rm(root, { recursive: true, force: true });
    },
  };
  try {
    for (const tool of tools) await plane.start(tool);
  } catch (error) {
    await plane.remove();
    throw error;
  }
  return plane;
}

/** A loopback port on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
