import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { LabError } from "../../../shared/errors.ts";
import { waitUntil } from "../../../shared/wait.ts";
import { wasAccepted, type Attempt, type Files } from "./attempt.ts";
import { kustomizationOf } from "./flux.ts";
import { fromOwnBranch } from "./own-branch.ts";
import type { KubeObject } from "./kube.ts";
import { measured } from "./memory.ts";
import { accepting } from "./push.ts";
import { restartController } from "./restart.ts";
import type { Scene } from "./scene.ts";

const mebibyte = 2 ** 20;

/** A row in which the learner's own controllers get more than they can digest, and others are not to notice. */
function digested(id: string, what: string, file: (scene: Scene) => string): Attempt {
  const files = (scene: Scene): Files => ({
    [`${scene.id}/kustomization.yaml`]: "resources: [large.yaml]\n",
    [`${scene.id}/large.yaml`]: file(scene),
  });
  return measured(
    {
      id,
      kind: "kustomize",
      as: "learner",
      nodes: "both",
      alone: true,
      what,
      async attempt(scene) {
        // Not on the branch of all, which every row's Kustomization unpacks.
        const words = await fromOwnBranch(scene, (folder) => scene.ground.commit("ada", folder, files(scene))).catch((error: unknown) => {
          if (error instanceof LabError && error.code === "timeout") return `Flux still works on it: ${error.message}`;
          throw error;
        });
        const { ground } = scene;
        const { exitCode, stderr } = await ground.git("bob", ground.home, "ls-remote", ground.bob.gitUrl);
        if (exitCode !== 0) scene.accepted = `another learner's repository does not answer: ${stderr}`;
        await scene.kube.send("DELETE", scene.path(kustomizationOf(scene)));
        // It does not leave off by itself, and the next row is to find one that has nothing else to do.
        await restartController(scene, "kustomize-controller");
        return words;
      },
      proof: wasAccepted,
    },
    300 * mebibyte,
  );
}

const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\n";

/** A pattern that JavaScript tries in more ways than there are atoms, on tags as every lab has them. */
const pattern = "^(?:[a-z0-9.-]+)+(?:[a-z0-9.-]+)+!$";

/** The least limit of memory in bytes on a process and the groups that it is in; undefined where all that the machine has is its own. */
async function memoryLimit(pid: number | undefined): Promise<number | undefined> {
  const groups = await readFile(`/proc/${pid}/cgroup`, "utf8");
  const path = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1] ?? /^0::(.*)$/m.exec(groups)?.[1] ?? "/";
  const found: number[] = [];
  for (let group = path; group !== "/"; group = dirname(group)) {
    for (const file of [join("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"), join("/sys/fs/cgroup", group, "memory.max")]) {
      const bytes = Number(await readFile(file, "utf8").catch(() => "max"));
      if (bytes < totalmem()) found.push(bytes);
    }
  }
  return found.length === 0 ? undefined : Math.min(...found);
}

/** How much sooner than by its size the kernel ends a process where memory runs short, from -1000 to 1000. */
async function adjustment(pid: number | undefined): Promise<number> {
  return Number(await readFile(`/proc/${pid}/oom_score_adj`, "utf8"));
}

export const largeRows: readonly Attempt[] = [
  digested("yaml-huge", "A manifest has two million bytes.", () => {
    const lines = Array.from({ length: 150_000 }, (_, index) => `  k${index}: v\n`);
    return `${head}data:\n${lines.join("")}`;
  }),
  digested("yaml-many", "A manifest has two thousand objects.", () =>
    Array.from({ length: 2000 }, (_, index) => stringify({ apiVersion: "v1", kind: "Nothing", metadata: { name: `n${index}` } })).join(
      "---\n",
    ),
  ),
  digested("yaml-deep", "A manifest is a hundred thousand lists deep.", () => `${head}data: ${"[".repeat(1e5)}${"]".repeat(1e5)}\n`),
  {
    id: "pattern-without-end",
    kind: "flux",
    as: "learner",
    nodes: "both",
    alone: true,
    what: "The pattern of an image policy takes for ever to match, where the instructor's programs try it.",
    async attempt(scene) {
      const policy: KubeObject = {
        apiVersion: "image.toolkit.fluxcd.io/v1",
        kind: "ImagePolicy",
        metadata: { name: "backend", namespace: "develop" },
      };
      const before = JSON.parse((await scene.kube.send("GET", scene.path(policy))).text) as { spec: object };
      await scene.kube.patch(scene.path(policy), { spec: { filterTags: { pattern, extract: "$0" } } });
      const { words } = await scene.settled(policy);
      const looking = scene.ground.cohort.startLab("verify", "ada", "--cohort", scene.ground.cohort.name);
      const outcome = { ended: false };
      const end = looking.then(() => void (outcome.ended = true));
      const look = async () =>
        outcome.ended ? { done: true as const, value: true } : { done: false as const, because: "it still looks." };
      await waitUntil(look, { what: "verify to end", timeoutSeconds: 60, intervalMs: 200, remedy: "" }).catch(() => {
        scene.accepted = "`./lab verify` did not end within a minute";
        if (looking.pid !== undefined) process.kill(-looking.pid, "SIGKILL");
      });
      await end.catch(() => undefined);
      await scene.kube.patch(scene.path(policy), { spec: before.spec });
      return words;
    },
    proof: wasAccepted,
  },
  {
    ...accepting("push-too-large", "A push has 60 MiB that nothing makes smaller.", async (scene, folder) => {
      const files = Array.from({ length: 3 }, (_, index) => [`random-${index}`, randomBytes(20 * mebibyte).toString("latin1")] as const);
      await scene.ground.commit("ada", folder, Object.fromEntries(files));
      return [`HEAD:refs/heads/${scene.name}`];
    }),
    finding: 21,
    alone: true,
  },
  {
    id: "limits-of-control-plane",
    finding: 22,
    kind: "api",
    as: "learner",
    nodes: "both",
    what: "The learner's API server and Flux are asked for more than one learner may have: they are within limits.",
    async attempt(scene) {
      const { ground } = scene;
      const names = ["ada/kube-apiserver", "ada/kustomize-controller"];
      const limits = await Promise.all(names.map((name) => memoryLimit(ground.processNamed(name)?.pid)));
      const free = limits.indexOf(undefined);
      if (free >= 0) scene.accepted = `${names[free]} has no limit of memory`;
      const adjustments = await Promise.all(names.map((name) => adjustment(ground.processNamed(name)?.pid)));
      if (adjustments[0]! >= adjustments[1]!) scene.accepted = `${names[0]} goes as early as ${names[1]} where memory runs short`;
      return [...limits, ...adjustments].join();
    },
    proof: wasAccepted,
  },
  digested("yaml-aliases", "A manifest names itself a billion times.", () => {
    const levels = "abcdefghi".split("").map(
      (name, index, all) =>
        `${name}: &${name} [${Array(10)
          .fill(index === 0 ? "x" : `*${all[index - 1]}`)
          .join()}]`,
    );
    return `${head}${levels.join("\n")}\n`;
  }),
];
