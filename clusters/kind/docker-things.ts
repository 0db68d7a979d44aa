import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import type { Thing } from "../../ledger/inventory.ts";
import type { Sight } from "../../ledger/sight.ts";

const listings = {
  container: { list: ["ps", "--all"], remove: "docker rm --force --volumes" },
  network: { list: ["network", "ls"], remove: "docker network rm" },
} as const;

/** Looks for a container or a network by the id that Docker gave it, which no other one ever gets. */
export async function lookInDocker({ kind, id, name }: Thing): Promise<Sight> {
  const { list, remove: command } = listings[kind as keyof typeof listings];
  const [what, remove] = [`${kind} ${name ?? ""} (${id.slice(0, 12)})`.replace("  ", " "), `${command} ${id}`];
  const asked = await run("docker", [...list, "--no-trunc", "--filter", `id=${id}`, "--format", "{{.ID}}"], {
    env: childEnvironment("docker"),
    reject: false,
    stdin: "ignore",
    timeout: 20_000,
  });
  if (!asked.failed) return asked.stdout.trim() === id ? { state: "left", says: what, remove } : { state: "gone" };
  const because =
    asked.code === "ENOENT"
      ? "there is no docker command on PATH"
      : asked.timedOut
        ? "Docker does not answer"
        : (asked.stderr.trim().split("\n").at(-1) ?? "");
  return { state: "unknown", says: `${what}: ${because}`, remove };
}
