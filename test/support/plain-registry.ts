import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { run } from "../../shared/exec.ts";
import { leasePorts } from "../../ledger/ports.ts";
import { toolPath } from "../../tools/locate.ts";
import { eventually, type RunningRegistry } from "./lab-server.ts";

/** Who may use it. The hash is bcrypt's, of the lowest cost. */
export const registryUser = { username: "lab", password: "correct-horse" };
const htpasswd = "lab:$2b$04$vXlesN6YgzBA.IM9jH0lNuwZsEFXQgoLl/A5COPjh9PtaM.CFYEa2\n";

/** A registry as somebody else runs one: the same program, with a password file and nothing of the lab. */
export async function startPlainRegistry(folder: string, { deletes }: { readonly deletes: boolean }): Promise<RunningRegistry> {
  const { registry: port } = await leasePorts(`plain-${deletes}`, ["registry"]);
  await mkdir(folder, { recursive: true });
  const config = {
    version: 0.1,
    log: { level: "warn", accesslog: { disabled: true } },
    http: { addr: `127.0.0.1:${port}` },
    storage: { filesystem: { rootdirectory: join(folder, "storage") }, delete: { enabled: deletes } },
    auth: { htpasswd: { realm: "plain", path: join(folder, "htpasswd") } },
  };
  await writeFile(join(folder, "htpasswd"), htpasswd);
  await writeFile(join(folder, "config.yml"), stringify(config));
  const ended = new AbortController();
  const env = { OTEL_TRACES_EXPORTER: "none" };
  const child = run(await toolPath("registry"), ["serve", join(folder, "config.yml")], {
    cwd: folder,
    env,
    extendEnv: false,
    reject: false,
    cancelSignal: ended.signal,
  });
  const host = `127.0.0.1:${port}`;
  await eventually(`the registry at ${host}`, async () => (await fetch(`http://${host}/v2/`)).status === 401);
  return {
    host,
    stop: async () => {
      ended.abort();
      await child;
    },
  };
}
