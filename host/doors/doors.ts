import { createHash } from "node:crypto";
import { createServer as createTlsServer } from "node:https";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { RequestListener } from "node:http";
import { pipeline } from "node:stream";
import type { CohortPaths } from "../../shared/paths.ts";
import { portsOf } from "../../ledger/ports.ts";
import { readWebConfig } from "../processes/web-config.ts";
import { connections, outsideOptions } from "./outside.ts";
import { serverCertificate } from "./authority.ts";
import type { DoorStatus } from "../processes/door-status.ts";
import { log } from "../log.ts";

interface Wanted {
  readonly name: string;
  readonly listen: string;
  readonly port: number;
  /** Another one is another door. */
  readonly key: string;
  make(): Server;
}

interface Door {
  readonly wanted: Wanted;
  readonly server?: Server;
  readonly sockets: Set<Socket>;
  readonly trouble?: string;
}

/** An address may come later than the daemon, as with DHCP. */
const retryMs = 10_000;

/**
 * The ports that a cohort opens beside loopback, as its configuration and its leases say; none without `access` in the
 * cohort file. Git and images are answered here, over TLS. To API servers the bytes are passed as they come: client
 * certificates reach them and nothing in between can read along.
 */
export class Doors {
  readonly #paths: CohortPaths;
  readonly #web: RequestListener;
  readonly #apiPorts: () => Promise<Readonly<Record<string, number>>>;
  readonly #doors = new Map<string, Door>();
  #changing: Promise<unknown> = Promise.resolve();

  /**
   * @param web answers requests for Git and images; it must ask for a credential itself
   * @param apiPorts gives the cohort's ports by lease; those of API servers are passed on
   */
  constructor(
    paths: CohortPaths,
    web: RequestListener,
    apiPorts: () => Promise<Readonly<Record<string, number>>> = () => portsOf(paths.cohort),
  ) {
    this.#paths = paths;
    this.#web = web;
    this.#apiPorts = apiPorts;
    setInterval(() => {
      if (this.status().some(({ trouble }) => trouble !== undefined)) void this.reload();
    }, retryMs).unref();
  }

  status(): DoorStatus[] {
    return [...this.#doors.values()].map(({ wanted: { name, listen, port }, trouble }) => ({
      name,
      listen,
      port,
      ...(trouble !== undefined && { trouble }),
    }));
  }

  /** Opens what is to be open and is not, shuts what is not to be open, and leaves the rest, with its connections. */
  reload(): Promise<DoorStatus[]> {
    const next = this.#changing.then(() => this.#reload());
    this.#changing = next.catch(() => undefined);
    return next;
  }

  async #reload(): Promise<DoorStatus[]> {
    const wanted = await this.#wanted();
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, door] of this.#doors) {
      if (keys.has(key) && door.server !== undefined) continue;
      this.#doors.delete(key);
      await shut(door);
    }
    for (const one of wanted) if (!this.#doors.has(one.key)) this.#doors.set(one.key, await open(one));
    return this.status();
  }

  async #wanted(): Promise<Wanted[]> {
    const opening = (await readWebConfig(this.#paths))?.opening;
    if (opening === undefined) return [];
    const { listen, port } = opening;
    const { certificate: cert, key } = await serverCertificate(this.#paths);
    const fingerprint = createHash("sha256").update(cert).digest("hex");
    const web: Wanted = {
      name: "web",
      listen,
      port,
      key: `web ${listen}:${port} ${fingerprint}`,
      make: () => createTlsServer({ ...outsideOptions, cert, key, handshakeTimeout: outsideOptions.headersTimeout }, this.#web),
    };
    const apis = Object.entries(await this.#apiPorts()).flatMap(([lease, apiPort]): Wanted[] => {
      const learner = /^[^/]+\/([^/]+)\/api$/.exec(lease)?.[1];
      return learner === undefined
        ? []
        : [{ name: `${learner}/api`, listen, port: apiPort, key: `${learner} ${listen}:${apiPort}`, make: () => passOn(apiPort) }];
    });
    return [web, ...apis];
  }
}

function passOn(port: number): Server {
  return createServer({ noDelay: true }, (client) => {
    const api = connect({ host: "127.0.0.1", port, noDelay: true });
    // Either end's going ends the other; why it went is nothing that could be told here.
    pipeline(client, api, client, () => {
      client.destroy();
      api.destroy();
    });
  });
}

async function open(wanted: Wanted): Promise<Door> {
  const server = wanted.make();
  server.maxConnections = connections.cohort;
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    // A class may come by one address, so only far beyond what it needs is it one client's doing.
    const { remoteAddress } = socket;
    let others = 0;
    for (const one of sockets) if (one.remoteAddress === remoteAddress) others += 1;
    if (others >= connections.peer) return void socket.destroy();
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: wanted.listen, port: wanted.port, exclusive: true }, resolve);
    });
    server.removeAllListeners("error").on("error", (error) => log("error", "a door failed", { error }));
    return { wanted, server, sockets };
  } catch (error) {
    return { wanted, sockets, trouble: troubleOf(error as NodeJS.ErrnoException, wanted) };
  }
}

async function shut({ server, sockets }: Door): Promise<void> {
  if (server === undefined) return;
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function troubleOf(error: NodeJS.ErrnoException, { listen, port }: Wanted): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `another program listens on ${listen}:${port}; \`ss -tlnp sport = ${port}\` names it`;
    case "EADDRNOTAVAIL":
      return `${listen} is no address of this machine`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${listen} leads to no address`;
    default:
      return `${listen}:${port} can't be listened on (${error.code ?? error.message})`;
  }
}
