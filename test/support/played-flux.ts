import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";
import { connect } from "../../shared/kube-api.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { toolPath } from "../../tools/locate.ts";
import { fluxControllerNames, type FluxController } from "../../tools/manifest.ts";
import { freePort } from "./control-plane.ts";

/**
 * The Flux controllers of a cluster whose pods are simulated: the real programs, each for as long as its Deployment is there, as a
 * kubelet would have it. With an administrator's credential.
 *
 * @param kubeconfig path
 */
export async function playFlux(kubeconfig: string): Promise<{ readonly running: () => readonly string[]; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "played-flux-"));
  const api = connect(kubeconfig);
  const ended = new AbortController();
  const processes = new Map<FluxController, { readonly stop: AbortController; readonly done: Promise<unknown> }>();
  const artifacts = `127.0.0.1:${await freePort()}`;
  const more: Partial<Record<FluxController, readonly string[]>> = {
    "source-controller": [`--storage-path=${folder}`, `--storage-addr=${artifacts}`, `--storage-adv-addr=${artifacts}`],
    "kustomize-controller": ["--requeue-dependency=1s", "--feature-gates=CancelHealthCheckOnNewRevision=true"],
    "image-reflector-controller": [`--storage-path=${join(folder, "images")}`],
    "image-automation-controller": ["--concurrent=1"],
  };

  async function start(name: FluxController): Promise<void> {
    const stop = new AbortController();
    const args = ["--metrics-addr=0", "--health-addr=0", "--events-addr=", "--watch-all-namespaces=true", ...(more[name] ?? [])];
    const done = run(await toolPath(name), args, {
      env: { KUBECONFIG: kubeconfig, RUNTIME_NAMESPACE: fluxNamespace, HOME: folder, TMPDIR: tmpdir(), PATH: "/nowhere" },
      extendEnv: false,
      cwd: folder,
      reject: false,
      stdin: "ignore",
      stdout: { file: join(folder, `${name}.log`) },
      stderr: { file: join(folder, `${name}.log`) },
      cancelSignal: stop.signal,
    }).finally(() => processes.delete(name));
    processes.set(name, { stop, done });
  }

  const isWanted = async (name: FluxController) => {
    const path = `/apis/apps/v1/namespaces/${fluxNamespace}/deployments/${name}`;
    return (await api.send({ method: "GET", path })) !== undefined;
  };
  const playing = (async () => {
    while (!ended.signal.aborted) {
      for (const name of fluxControllerNames) {
        const [wanted, running] = [await isWanted(name), processes.get(name)];
        if (wanted && running === undefined) await start(name);
        if (!wanted) running?.stop.abort();
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  return {
    running: () => [...processes.keys()].toSorted(),
    async stop() {
      ended.abort();
      await playing;
      const left = [...processes.values()];
      for (const { stop } of left) stop.abort();
      await Promise.all(left.map(({ done }) => done));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
