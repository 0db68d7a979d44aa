import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { cgroupOf } from "../../host/room/groups.ts";
import { cpuSecondsIn } from "../../host/room/turns.ts";
import type { Backstage } from "../../lab-templates/workbench.ts";
import { messageOf } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths, labHome } from "../../shared/paths.ts";
import { attackDeployment, attackSource } from "./program.ts";

export interface Attack {
  /** Ends what the attacker's own machine does; pods and objects stay. Tells what came of it. */
  stop(): Promise<Record<string, unknown>>;
}

export interface AttackOptions {
  readonly cohort: string;
  readonly bench: Backstage;
  readonly nodes: "real" | "simulated";
  /** For a kubeconfig. */
  readonly folder: string;
}

/**
 * Everything at once that a learner can do with nothing but the handout: pushes that are built, a repository full of Flux objects that
 * look every second, a flooded API server, hundreds of pods, and on a real node pods that take all there is.
 * What the attacker's machine would do (Git, the client of the API) is done here with the lowest priority.
 */
export async function startAttack({ cohort, bench, nodes, folder }: AttackOptions): Promise<Attack> {
  const told: Record<string, unknown> = {};
  const kubeconfig = join(folder, "attacker.yaml");
  await writeFile(kubeconfig, bench.learner.cluster.kubeconfig, { mode: 0o600 });
  told["fluxObjects"] = await bench
    .commit("Many Flux objects", async (files) => {
      await files.write("flux/bootstrap/apps/flood.yaml", manyFluxObjects(bench.learner.git.url, 150));
      const list = (await files.read("flux/bootstrap/apps/kustomization.yaml")) ?? "";
      await files.write("flux/bootstrap/apps/kustomization.yaml", `${list.trimEnd()}\n  - flood.yaml\n`);
    })
    .then(() => "150 Kustomizations and 50 GitRepositories, each with an interval of a second", messageOf);
  told["pods"] = nodes === "real" ? await startPods(bench) : await startSimulatedPods(bench);

  const lowly = (program: string, args: readonly string[], input = "") =>
    run("nice", ["-n", "19", process.execPath, join(import.meta.dirname, program), ...args], {
      env: { GITOPS_LAB_HOME: labHome() },
      input,
      reject: false,
    });
  const flood = lowly("flood.ts", [kubeconfig, "16"]);
  const pushing = lowly("push.ts", [], JSON.stringify({ cohort, learner: bench.learner }));
  const said = async (program: typeof flood): Promise<unknown> => {
    program.kill("SIGTERM");
    const { stdout } = await program;
    return stdout === undefined || stdout === "" ? "none counted" : (JSON.parse(stdout) as unknown);
  };
  const before = await usage(cohort, bench.learner.id);
  const began = Date.now();
  return {
    async stop() {
      const after = await usage(cohort, bench.learner.id);
      const seconds = (Date.now() - began) / 1000;
      const [requests, pushes] = await Promise.all([said(flood), said(pushing)]);
      return {
        ...told,
        pushes,
        requests,
        ofTheAttackersGroup: {
          ...after,
          cores: after.cpuSeconds === undefined ? undefined : (after.cpuSeconds - (before.cpuSeconds ?? 0)) / seconds,
        },
        seconds,
      };
    },
  };
}

/** Kustomizations of the own repository, and sources of it beside the first: each look is a request to the lab's Git server. */
function manyFluxObjects(url: string, count: number): string {
  const sources = Array.from({ length: count / 3 }, (_, index) => ({
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: `flood-${index}`, namespace: "flux-system" },
    spec: { url, ref: { branch: "main" }, interval: "1s", secretRef: { name: "flux-system" } },
  }));
  const kustomizations = Array.from({ length: count }, (_, index) => ({
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: `flood-${index}`, namespace: "flux-system" },
    spec: {
      sourceRef: { kind: "GitRepository", name: "flux-system" },
      path: "./flux/apps/backend/develop",
      targetNamespace: "develop",
      prune: false,
      interval: "1s",
    },
  }));
  return [...sources, ...kustomizations].map((one) => stringify(one)).join("---\n");
}

/** Builds the program that takes everything into the app, and starts three pods of it. */
async function startPods(bench: Backstage): Promise<string> {
  const image = async () =>
    (
      await bench.kubectl("get", "deployment", "backend", "-n", "develop", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    ).trim();
  const before = await image();
  await bench.commit("Take everything", async (files) => {
    await files.write("app/VERSION", "0.8.1\n");
    await files.write("app/attack.go", attackSource);
  });
  await bench.waitFor("develop to have the attacker's build", async () => ((await image()) === before ? undefined : true), 180);
  await bench.adminKubectl(["apply", "-f", "-"], attackDeployment(await image(), 3));
  await bench.waitFor(
    "the attacker's pods to have begun",
    async () => ((await bench.kubectl("get", "pods", "-n", "develop", "-l", "app=attack", "-o", "name")) === "" ? undefined : true),
    120,
  );
  return "3 pods, each forking, allocating, writing, watching and burning";
}

async function startSimulatedPods(bench: Backstage): Promise<string> {
  return bench.kubectl("create", "deployment", "crowd", "-n", "develop", "--image=crowd", "--replicas=500").then(
    () => "500 simulated pods",
    (error: unknown) => messageOf(error).split("\n")[0] ?? "",
  );
}

interface Usage {
  readonly cpuSeconds?: number;
  readonly memoryMiB?: number;
  readonly processes?: number;
}

/** What the learner's control group says, of either version. */
async function usage(cohort: string, learner: string): Promise<Usage> {
  const group = await cgroupOf(cohortPaths(cohort).learner(learner));
  const read = async (valueIn: (text: string) => number | undefined, ...names: string[]): Promise<number | undefined> => {
    for (const folder of Object.values(group?.folders ?? {}))
      for (const name of names) {
        const value = valueIn(await readFile(join(folder, name), "utf8").catch(() => ""));
        if (value !== undefined) return value;
      }
    return undefined;
  };
  const plain = (text: string) => (text === "" ? undefined : Number(text));
  const [cpuSeconds, memory, processes] = [
    await read(cpuSecondsIn, "cpuacct.usage", "cpu.stat"),
    await read(plain, "memory.usage_in_bytes", "memory.current"),
    await read(plain, "pids.current"),
  ];
  return {
    ...(cpuSeconds !== undefined && { cpuSeconds }),
    ...(memory !== undefined && { memoryMiB: memory / 1024 ** 2 }),
    ...(processes !== undefined && { processes }),
  };
}
