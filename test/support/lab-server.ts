import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { hookRoutes } from "../../host/git/hook-routes.ts";
import type { Push, PushListener } from "../../host/git/push.ts";
import { leasePorts } from "../../ledger/ports.ts";
import { imageStorage, registryProcess, registrySocket } from "../../host/registry/config.ts";
import { registryFront } from "../../host/registry/front.ts";
import { ImageQuota, mostNames } from "../../host/registry/image-quota.ts";
import type { ImagePush } from "../../host/registry/tokens.ts";
import { capped, connections, outside, outsideOptions } from "../../host/doors/outside.ts";
import { answeredBy, loopbackRoutes } from "../../host/web/routes.ts";
import { run } from "../../shared/exec.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";

export interface LabServer {
  readonly url: string;
  readonly port: number;
  /** What was heard of, oldest first. */
  readonly pushes: Push[];
  readonly imagePushes: ImagePush[];
  readonly eventsToken: string;
  close(): Promise<void>;
}

/** The web process' routes on a free loopback port; pushes go to the listener, or are all accepted and remembered. */
export async function startLabServer(paths: CohortPaths, listener?: PushListener): Promise<LabServer> {
  const pushes: Push[] = [];
  const remember: PushListener = {
    refusals: async () => [],
    accepted: async (push) => void pushes.push(push),
  };
  await makePrivateFolder(paths.daemon);
  const hookSocket = join(paths.daemon, "control.sock");
  const hooks: Server = createServer(getRequestListener(hookRoutes(listener ?? remember).fetch));
  await new Promise<void>((resolve) => hooks.listen(hookSocket, resolve));
  const imagePushes: ImagePush[] = [];
  const eventsToken = "the registry's own secret";
  const routes = loopbackRoutes({ paths, hookSocket, eventsToken, onImagePushed: (push) => imagePushes.push(push) });
  const server: Server = capped(createServer(outsideOptions, answeredBy(routes)), connections.cohort);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pushes,
    imagePushes,
    eventsToken,
    close: async () => {
      for (const one of [server, hooks]) {
        one.closeAllConnections();
        await new Promise<void>((resolve) => one.close(() => resolve()));
      }
    },
  };
}

export interface RunningRegistry {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  stop(): Promise<void>;
}

/** The real registry, asking the server for its tokens, behind what stands before it on the loopback port. */
export async function startRegistry(
  paths: CohortPaths,
  server: LabServer,
  quota = new ImageQuota({
    storage: imageStorage(paths),
    limits: async () => ({ ...mostNames, layer: 2 ** 30, images: 2 ** 32 }),
    onRefused: () => undefined,
  }),
): Promise<RunningRegistry> {
  const { registry: registryPort } = await leasePorts("test", ["registry"]);
  const spec = await registryProcess({ paths, httpPort: server.port, registryEventsToken: server.eventsToken });
  const ended = new AbortController();
  const child = run(spec.command, spec.args, { cwd: spec.cwd, env: spec.env, extendEnv: false, reject: false, cancelSignal: ended.signal });
  const host = `127.0.0.1:${registryPort}`;
  const front = createServer(outsideOptions, outside(registryFront({ paths, upstream: { socketPath: registrySocket(paths) }, quota })));
  await new Promise<void>((resolve) => front.listen(registryPort, "127.0.0.1", resolve));
  await eventually(`the registry at ${host}`, async () => (await fetch(`http://${host}/v2/`)).status === 401);
  return {
    host,
    stop: async () => {
      front.closeAllConnections();
      await new Promise<void>((resolve) => front.close(() => resolve()));
      ended.abort();
      await child;
    },
  };
}

/** Waits until the condition holds; one that throws does not hold yet. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await waitUntil(
    async () => {
      try {
        return (await holds()) ? { done: true, value: undefined } : { done: false, because: "not yet." };
      } catch (error) {
        return { done: false, because: String(error) };
      }
    },
    { what, timeoutSeconds: 20, intervalMs: 20, remedy: "" },
  );
}
