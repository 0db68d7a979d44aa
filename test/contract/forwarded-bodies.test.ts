import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { connect, createServer, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { imageRepository } from "../../registries/embedded/repository.ts";
import { forward } from "../../host/registry/forward.ts";
import { registryGateway } from "../../host/registry/gateway.ts";
import { ensureSigningKey } from "../../host/registry/signing-key.ts";
import { outside } from "../../host/doors/outside.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";

/*
 * What reaches the registry is one request for each that came in, with its body in a frame, whatever the client's was: bytes that
 * follow a request without one would be read as a request of somebody else's.
 */

useLabHome();
let registry: NetServer;
let gateway: Server;
/** Without the gateway's credential. */
let plain: Server;
let authorization = "";
/** Bytes of each connection to the registry. */
const heard: string[] = [];
const sockets = new Set<Socket>();

beforeAll(async () => {
  registry = createServer((socket) => {
    sockets.add(socket);
    const place = heard.push("") - 1;
    socket.on("error", () => undefined).setEncoding("latin1");
    socket.on("data", (piece: string) => {
      heard[place] += piece;
      if (/\r\nexpect: 100-continue\r\n/i.test(piece)) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      // It answers when the request is whole, as its headers say.
      if (isWhole(heard[place]!)) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  await once(registry.listen(0, "127.0.0.1"), "listening");
  const { port } = registry.address() as AddressInfo;
  const paths = cohortPaths("demo");
  await ensureSigningKey(paths);
  const { output } = await imageRepository.ensure({ cohort: "demo", learner: "ada", name: "backend", registry: "127.0.0.1:1" });
  authorization = `Authorization: Basic ${btoa(`${output.username}:${output.password}`)}\r\n`;
  gateway = createHttpServer(outside(registryGateway(paths, port)));
  plain = createHttpServer(outside((incoming, outgoing) => forward(incoming, outgoing, { upstream: { port }, meter: () => undefined })));
  for (const server of [gateway, plain]) await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of [gateway, plain, registry]) await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => void heard.splice(0));

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const [head, body] = [text.slice(0, end), text.slice(end + 4)];
  if (/\r\ntransfer-encoding: chunked/i.test(head)) return body.endsWith("0\r\n\r\n");
  return body.length >= Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
}

/** The requests that a server reads in the bytes of a connection, by the frames that they have. */
function requestsIn(text: string): { readonly line: string; readonly body: string }[] {
  const found: { line: string; body: string }[] = [];
  for (let rest = text; rest !== ""; ) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return [...found, { line: `torn: ${rest}`, body: "" }];
    const head = rest.slice(0, end);
    rest = rest.slice(end + 4);
    let body = "";
    if (/\r\ntransfer-encoding: chunked/i.test(head)) {
      for (;;) {
        const size = Number.parseInt(rest, 16);
        const start = rest.indexOf("\r\n") + 2;
        body += rest.slice(start, start + size);
        rest = rest.slice(start + size + 2);
        if (size === 0 || Number.isNaN(size)) break;
      }
    } else {
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      body = rest.slice(0, length);
      rest = rest.slice(length);
    }
    found.push({ line: head.split("\r\n", 1)[0]!, body });
  }
  return found;
}

async function raw(server: Server, bytes: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let text = "";
  socket
    .on("error", () => undefined)
    .setEncoding("latin1")
    .on("data", (piece: string) => (text += piece));
  socket.setTimeout(3000, () => socket.destroy());
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return text;
}

const smuggled = "GET /v2/bob/backend/tags/list HTTP/1.1\r\nHost: lab\r\n\r\n";
const chunks = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
const path = "/v2/ada/backend/blobs/uploads/1";

describe.each([
  ["the gateway", () => gateway],
  ["what stands before the registry", () => plain],
])("%s", (_, server) => {
  test.each(["GET", "HEAD", "DELETE", "OPTIONS"])("passes nothing on of a body that comes with %s", async (method) => {
    for (const framed of [
      `Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks(smuggled)}`,
      `Content-Length: ${smuggled.length}\r\nConnection: close\r\n\r\n${smuggled}`,
    ]) {
      heard.splice(0);
      const answer = await raw(server(), `${method} ${path} HTTP/1.1\r\nHost: lab\r\n${authorization}${framed}`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(heard.flatMap(requestsIn)).toEqual([{ line: `${method} ${path} HTTP/1.1`, body: "" }]);
    }
  });

  test.each(["POST", "PUT", "PATCH"])("frames the body of %s, whatever frame it came in", async (method) => {
    for (const framed of [
      `Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks(smuggled)}`,
      `Content-Length: ${smuggled.length}\r\nConnection: close\r\n\r\n${smuggled}`,
    ]) {
      heard.splice(0);
      const answer = await raw(server(), `${method} ${path} HTTP/1.1\r\nHost: lab\r\n${authorization}${framed}`);
      expect(answer).toMatch(/HTTP\/1\.1 200 /);
      expect(heard.flatMap(requestsIn)).toEqual([{ line: `${method} ${path} HTTP/1.1`, body: smuggled }]);
    }
  });

  test("asks the registry nothing where a request can be read in two ways", async () => {
    for (const headers of [
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
      "Transfer-Encoding: identity, chunked, identity\r\n",
      "Content-Length: 4\r\nContent-Length: 5\r\n",
      "Transfer-Encoding : chunked\r\n",
    ]) {
      heard.splice(0);
      await raw(server(), `POST ${path} HTTP/1.1\r\nHost: lab\r\n${authorization}${headers}\r\n0\r\n\r\n${smuggled}`);
      expect(
        heard.flatMap(requestsIn).filter(({ line }) => line.includes("bob")),
        headers,
      ).toEqual([]);
    }
  });
});
