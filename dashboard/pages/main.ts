import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { serve, type ServerType } from "@hono/node-server";
import { messageOf } from "../../shared/errors.ts";
import { loopbackOrigin } from "../access.ts";
import { dashboardServer } from "../server.ts";
import { RemoteGate } from "./remote-gate.ts";
import { lineOf, type Beginning, type FromPages, type ToPages } from "./words.ts";

/**
 * The dashboard's pages: all that browsers talk to. It runs in a room as a user that nobody else is, and knows what the course
 * tells it over its standard input; its end is this process' end.
 */
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const write = (line: string) => void process.stdout.write(line);
const send = (said: FromPages) => write(lineOf(said));

const first = await lines.next();
if (first.done === true) process.exit(0);
const { shown, places } = JSON.parse(first.value) as Beginning;
const gate = new RemoteGate(shown, write);

let port = 0;
const loopback = dashboardServer(gate, { origins: () => [loopbackOrigin(port), `http://localhost:${port}`], instructor: true });
// Standard output ends with whoever reads it.
process.stdout.on("error", () => process.exit(0));
void (async () => {
  for await (const line of { [Symbol.asyncIterator]: () => lines }) gate.hear(JSON.parse(line) as ToPages);
  process.exit(0);
})();

const { open } = places;
const isServed =
  (await listens("loopback", serve({ fetch: loopback.fetch, hostname: "127.0.0.1", port: places.loopback }), (bound) => (port = bound))) &&
  (open === undefined ||
    (await listens(
      "open",
      serve({
        fetch: dashboardServer(gate, { origins: () => [`https://${open.name}:${open.port}`], instructor: false }).fetch,
        hostname: open.listen,
        port: open.port,
        createServer: createTlsServer,
        serverOptions: { cert: open.certificate, key: open.key },
      }),
    )));
if (isServed) send({ listening: port });

function listens(place: "loopback" | "open", server: ServerType, note: (bound: number) => void = () => undefined): Promise<boolean> {
  return new Promise((resolve) => {
    server.once("listening", () => {
      note((server.address() as AddressInfo).port);
      resolve(true);
    });
    server.once("error", (error: NodeJS.ErrnoException) => {
      send({ refused: { place, why: (error.code ?? messageOf(error)).slice(0, 500) } });
      resolve(false);
    });
  });
}
