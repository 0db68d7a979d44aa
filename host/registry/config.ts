import { dirname, join } from "node:path";
import { stringify } from "yaml";
import type { CohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { toolPath } from "../../tools/locate.ts";
import type { ProcessSpec } from "../processes/process-table.ts";
import { inHostRoom } from "../room/host-room.ts";
import { ensureSigningKey, publicKeysFile, tokens } from "./signing-key.ts";

export interface RegistryOptions {
  readonly paths: CohortPaths;
  /** Loopback port of the web process, which gives tokens and hears of pushes. */
  readonly httpPort: number;
  /** Sent along with every notification. */
  readonly registryEventsToken: string;
  readonly isolation?: "room" | undefined;
}

/** Where the registry itself listens: whoever comes to its images comes by way of the web process. */
export const registrySocket = (paths: CohortPaths) => join(paths.registry, "run", "sock");

/** Folder of everything that was pushed below a learner's path; layout of distribution's filesystem driver. */
export function learnerImages(paths: CohortPaths, learner: string): string {
  return join(imageStorage(paths), "repositories", learner);
}

/** Folder with the `repositories` and `blobs` of distribution's filesystem driver. */
export const imageStorage = (paths: CohortPaths) => join(storage(paths), "docker", "registry", "v2");

/** The cohort's registry: writes its configuration and returns its process. */
export async function registryProcess({ paths, isolation, ...options }: RegistryOptions): Promise<ProcessSpec> {
  await makePrivateFolder(dirname(registrySocket(paths)));
  await makePrivateFolder(storage(paths));
  const configFile = join(paths.registry, "config.yml");
  const jwksFile = publicKeysFile(paths);
  await writePrivateFile(jwksFile, JSON.stringify({ keys: [await ensureSigningKey(paths)] }));
  await writePrivateFile(
    configFile,
    stringify(configuration({ ...options, jwksFile, socket: registrySocket(paths), storageFolder: storage(paths) })),
  );
  const spec = {
    name: "registry",
    owner: "cohort",
    command: await toolPath("registry"),
    args: ["serve", configFile],
    env: {
      // Without it the registry sends traces to a collector that it expects on this machine.
      OTEL_TRACES_EXPORTER: "none",
      // Where its heap begins to be collected eagerly; what it passes on it does not hold.
      GOMEMLIMIT: "256MiB",
    },
    cwd: paths.registry,
    logFile: join(paths.registry, "registry.log"),
  };
  // Not its folder as a whole: beside its own files is the key that signs its tokens.
  const keeps = [storage(paths), dirname(registrySocket(paths))];
  return isolation === undefined ? spec : inHostRoom(paths, { ...spec, cwd: "/" }, { reads: [configFile, jwksFile], keeps });
}

const storage = (paths: CohortPaths) => join(paths.registry, "storage");

/** See "Configuring a registry" in the documentation of distribution 3. */
function configuration({
  storageFolder,
  ...options
}: Omit<RegistryOptions, "paths"> & { readonly jwksFile: string; readonly socket: string; readonly storageFolder: string }) {
  const web = `http://127.0.0.1:${options.httpPort}`;
  return {
    version: 0.1,
    log: { level: "warn", formatter: "json", accesslog: { disabled: true } },
    http: { net: "unix", addr: options.socket },
    // No cache of blob descriptors: it would remember what went away with a learner's folder.
    storage: {
      filesystem: { rootdirectory: storageFolder },
      delete: { enabled: true },
      // What nobody finished: the longest request takes half an hour.
      maintenance: { uploadpurging: { enabled: true, age: "2h", interval: "15m", dryrun: false } },
    },
    auth: {
      token: {
        // By name: clients built on go-containerregistry refuse a realm with a loopback or private address in it.
        realm: `http://localhost:${options.httpPort}/registry/token`,
        service: tokens.service,
        issuer: tokens.issuer,
        jwks: options.jwksFile,
        signingalgorithms: [tokens.algorithm],
      },
    },
    notifications: {
      endpoints: [
        {
          name: "lab-daemon",
          url: `${web}/registry/events`,
          headers: { Authorization: [`Bearer ${options.registryEventsToken}`] },
          timeout: "2s",
          threshold: 3,
          backoff: "1s",
          ignore: { actions: ["pull", "mount"] },
        },
      ],
    },
  };
}
