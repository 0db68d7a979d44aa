import { readFile } from "node:fs/promises";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { locate } from "../../tools/locate.ts";
import type { ProviderCondition } from "../condition.ts";

/** kind's documentation, "Known issues", section "Pod errors due to too many open files". */
const wantedLimits = { max_user_instances: 512, max_user_watches: 524_288 };

/** What kind needs: Docker, its own program, and limits of this machine that many nodes come up against. */
export async function conditions(_plans: readonly unknown[], env: NodeJS.ProcessEnv = process.env): Promise<ProviderCondition[]> {
  const ask = (...args: string[]) =>
    run("docker", args, { env: childEnvironment("docker", {}, env), reject: false, stdin: "ignore", timeout: 20_000 });
  const engine = await ask("version", "--format", "{{.Server.Version}}");
  const kind = await locate("kind", env);
  const cgroups = engine.failed ? "" : (await ask("info", "--format", "{{.CgroupVersion}}")).stdout.trim();
  const limits = await Promise.all(
    Object.entries(wantedLimits).map(async ([name, wanted]): Promise<ProviderCondition> => {
      const has = Number(await readFile(`/proc/sys/fs/inotify/${name}`, "utf8").catch(() => Infinity));
      return {
        name: `fs.inotify.${name}`,
        met: has >= wanted,
        found: has >= wanted ? `${has}` : `${has}; run \`sudo sysctl fs.inotify.${name}=${wanted}\``,
        advice: true,
      };
    }),
  );
  const said =
    engine.code === "ENOENT" ? "there is no docker command on PATH; install Docker Engine" : `${engine.stderr.trim().split("\n").at(-1)}`;
  return [
    { name: "Docker engine", met: !engine.failed, found: engine.failed ? said : `version ${engine.stdout.trim()}` },
    { name: "kind", met: kind !== undefined, found: kind?.path ?? "`./lab setup <cohort>` builds it", bySetup: true },
    // A kubelet of 1.35 or later does not start on version 1 unless its configuration says `failCgroupV1: false`.
    ...(cgroups === ""
      ? []
      : [
          {
            name: "cgroups",
            met: cgroups === "2",
            found:
              cgroups === "2"
                ? "version 2"
                : `version ${cgroups}; nodes of Kubernetes 1.35 or later want 2, so name an older \`cluster.image\``,
            advice: true as const,
          },
        ]),
    ...limits,
    await openFiles(),
  ];
}

async function openFiles(): Promise<ProviderCondition> {
  const soft = /^Max open files +(\d+)/m.exec(await readFile("/proc/self/limits", "utf8").catch(() => ""))?.[1];
  const met = soft === undefined || Number(soft) >= 1024;
  return { name: "open files", met, found: met ? (soft ?? "unlimited") : `${soft}; run \`ulimit -n 1024\``, advice: true };
}
