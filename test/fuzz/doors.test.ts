import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import fc from "fast-check";
import pLimit from "p-limit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publicWeb } from "../../host/web/public.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { manifestIn, registryReader } from "../../verification/registry-reader.ts";
import { answerOf, forEvery, nothingIsMade, seed } from "../support/hostile/soundness.ts";
import { jsonBombs } from "../support/hostile/bombs.ts";
import { bent, bentObject, text } from "../support/hostile/text.ts";
import { digestOf } from "../support/lab-state.ts";

nothingIsMade();

let door: Server;
let registry: Server;
let manifest = Buffer.alloc(0);
const asked: string[] = [];
const portOf = (server: Server) => (server.address() as AddressInfo).port;
const listening = (server: Server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

beforeAll(async () => {
  registry = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end(manifest);
  });
  await listening(registry);
  door = createServer(publicWeb({ paths: cohortPaths("demo"), hookSocket: "/nowhere", registryPort: portOf(registry) }));
  await listening(door);
});
afterAll(async () => {
  for (const server of [door, registry]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/**
 * Sends bytes as they are and returns what comes back first. A server that waits for the rest of a request is left after a
 * time, for who ends the own half of a connection gets no answer at all.
 */
function sent(bytes: Buffer, patienceMs = 500): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: portOf(door) });
    let answer = "";
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      socket.end();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
    socket.write(bytes);
  });
}

const basic = Buffer.from("ada:secret").toString("base64");
const right = [
  `GET /git/ada/gitops.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: lab\r\nAuthorization: Basic ${basic}\r\n\r\n`,
  `POST /git/ada/gitops.git/git-receive-pack HTTP/1.1\r\nHost: lab\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 4\r\n\r\n0000`,
  `POST /git/ada/gitops.git/git-upload-pack HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n4\r\n0000\r\n0\r\n\r\n`,
  `GET /v2/ada/backend/manifests/latest HTTP/1.1\r\nHost: lab\r\nAuthorization: Basic ${basic}\r\n\r\n`,
  `POST /v2/ada/backend/blobs/uploads/?mount=sha256:0&from=bob/backend HTTP/1.1\r\nHost: lab\r\nAuthorization: Basic ${basic}\r\nContent-Length: 0\r\n\r\n`,
  `CONNECT /v2 HTTP/1.1\r\nHost: lab\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n`,
];
const requests = bent(...right);

test("a door takes any bytes for what they are, passes none of them on without a credential, and stays open", async () => {
  asked.length = 0;
  const limit = pLimit(40);
  const inputs = fc.sample(fc.oneof({ arbitrary: requests, weight: 9 }, { arbitrary: text, weight: 1 }), { seed, numRuns: 600 });
  const answers = await Promise.all(inputs.map((input) => limit(() => sent(Buffer.from(input, "utf8")))));
  const status = answers.flatMap((answer) => [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, code]) => Number(code)));
  expect(status.length).toBeGreaterThan(200);
  expect(new Set(status.filter((code) => code >= 500 || code < 400))).toEqual(new Set());
  for (const answer of answers) expect(answer).not.toMatch(/\n\s+at .*:\d+:\d+|node:internal|\.ts:/);
  expect(asked).toEqual([]);
  // All but the last, which asks for a tunnel and gets none.
  for (const one of right.slice(0, -1)) expect(await sent(Buffer.from(one), 60_000)).toMatch(/^HTTP\/1\.1 401/);
});

const index = {
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.index.v1+json",
  manifests: [{ digest: digestOf("a"), size: 1, platform: { architecture: "amd64", os: "linux" } }],
  config: { digest: digestOf("b") },
};

const body = fc.oneof(
  bentObject<object>(index).map((value) => JSON.stringify(value) ?? ""),
  bent(JSON.stringify(index)),
);

test("a manifest that a learner pushed is one, or is refused", async () => {
  await forEvery(
    body,
    async (body) => {
      const read = await answerOf("manifestIn", () => manifestIn(Buffer.from(body), "ada/backend@x"));
      if ("manifests" in read) for (const { digest } of read.manifests) expect(digest).toBeTypeOf("string");
    },
    { first: jsonBombs },
  );
});

test("a manifest is looked for below the learner's path alone", async () => {
  const { port } = registry.address() as AddressInfo;
  const access = { kind: "", repository: `127.0.0.1:${port}/ada/backend`, username: "ada", password: "x", insecure: true };
  const reader = registryReader(access, new AbortController().signal);
  const names = ["production-v0.1.0-5eed004-1790000000", "../../../bob/backend/manifests/x", "x?y#z", "//127.0.0.2/x"];
  asked.length = 0;
  await forEvery(
    fc.tuple(body, fc.oneof(fc.constant(digestOf("a")), text, bent(digestOf("a"), ...names))),
    async ([body, reference]) => {
      manifest = Buffer.from(body);
      const found = await answerOf("manifest", () => reader.manifest(reference));
      if (found !== undefined && "parts" in found) for (const part of found.parts) expect(part).toBeTypeOf("string");
      for (const url of asked.splice(0)) expect(url).toMatch(/^\/v2\/ada\/backend\/manifests\/[\w.:-]+$/);
    },
    { numRuns: 2000 },
  );
});
