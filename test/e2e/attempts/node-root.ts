import { run } from "../../../shared/exec.ts";
import type { Scene } from "./scene.ts";

/** The programs of ada's node, whichever runs. */
const programs = ["ada/node/kubelet-and-proxy", "ada/node/containerd"];

/** Runs a shell's words as root of ada's node, in all of its namespaces; never throws for what they do. */
export async function asNodeRoot(scene: Scene, script: string): Promise<{ readonly exitCode: number; readonly words: string }> {
  const pid = programs.map((name) => scene.ground.processNamed(name)?.pid).find((one) => one !== undefined);
  if (pid === undefined)
    throw new Error(
      `ada has no node; there are ${scene.ground
        .marked()
        .map(({ name }) => name)
        .join()}`,
    );
  const result = await run("nsenter", ["--target", String(pid), "--all", "--setuid=0", "--setgid=0", "sh", "-c", script], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
  return { exitCode: result.exitCode ?? -1, words: `${result.stdout}${result.stderr}`.slice(0, 600) };
}
