import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/*
 * Plays the hosts that tools are downloaded from, on loopback: release pages that lead elsewhere, registries that want a token and
 * lead to a store of blobs which takes none, and a module proxy. All of them share one line of a given width.
 */

export interface ReleaseHost {
  readonly origin: string;
  /** Serves a file, in parts too. Returns its address. */
  readonly file: (path: string, content: Buffer) => string;
  /** Serves one that is on another address, as releases on GitHub are. */
  readonly elsewhere: (path: string, content: Buffer) => string;
  /** Serves an image of one layer and an index for it; returns what a manifest pins. */
  readonly image: (repository: string, arch: string, layers: readonly Buffer[]) => { readonly image: string; readonly digest: string };
  /** Serves the files of a folder below a path, as they are when they are asked for. */
  readonly folder: (path: string, folder: string) => void;
  /** Breaks off the next answer for the path after so many bytes. */
  readonly cut: (path: string, afterBytes: number) => void;
  /** Every request for a file, `GET /path`, with the range it asks for. */
  readonly requests: readonly string[];
  readonly sent: () => number;
  readonly close: () => Promise<void>;
}

const chunkBytes = 64 * 1024;
const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

export async function startReleaseHost({ bytesPerSecond = Number.POSITIVE_INFINITY } = {}): Promise<ReleaseHost> {
  const files = new Map<string, Buffer>();
  const moved = new Map<string, string>();
  const cuts = new Map<string, number>();
  const folders: [string, string][] = [];
  const requests: string[] = [];
  let sent = 0;
  let lineIsFreeAt = 0;

  async function send(request: IncomingMessage, response: ServerResponse, path: string, content: Buffer) {
    const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (begin > 0 && begin >= content.length) return response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    const headers = { "content-length": content.length - begin };
    if (begin === 0) response.writeHead(200, headers);
    else response.writeHead(206, { ...headers, "content-range": `bytes ${begin}-${content.length - 1}/${content.length}` });
    if (request.method === "HEAD") return response.end();
    const closed = new Promise((resolve) => response.once("close", resolve));
    const end = begin + (cuts.get(path) ?? Number.POSITIVE_INFINITY);
    cuts.delete(path);
    for (let at = begin; at < content.length; at += chunkBytes) {
      const chunk = content.subarray(at, Math.min(at + chunkBytes, end));
      lineIsFreeAt = Math.max(performance.now(), lineIsFreeAt) + (chunk.length / bytesPerSecond) * 1000;
      const waitMs = lineIsFreeAt - performance.now();
      if (waitMs > 1) await delay(waitMs);
      if (response.destroyed) return;
      sent += chunk.length;
      if (!response.write(chunk)) await Promise.race([closed, new Promise((drained) => response.once("drain", drained))]);
      if (at + chunkBytes > end) return response.destroy();
    }
    response.end();
  }

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://host");
    const inRegistry = pathname.startsWith("/v2/");
    if (pathname === "/token") return void response.end(JSON.stringify({ token: "anybody" }));
    if (inRegistry && request.headers.authorization !== "Bearer anybody") {
      const challenge = `Bearer realm="${origin}/token",service="registry",scope="repository:any:pull"`;
      return void response.writeHead(401, { "www-authenticate": challenge }).end("{}");
    }
    // As stores of blobs do that have signed the address.
    if (!inRegistry && request.headers.authorization !== undefined) return void response.writeHead(400).end();
    const target = moved.get(pathname);
    if (target !== undefined) return void response.writeHead(302, { location: target }).end();
    const content = files.get(pathname) ?? below(folders, pathname);
    requests.push([request.method, pathname, ...(request.headers.range ? [request.headers.range] : [])].join(" "));
    if (content === undefined) return void response.writeHead(404).end();
    void send(request, response, pathname, content);
  });
  // A second door to the same, so that it is another origin.
  const store = createServer((request, response) => void server.emit("request", request, response));
  for (const one of [server, store]) await new Promise<void>((listening) => one.listen(0, "127.0.0.1", listening));
  const originOf = (one: typeof server) => `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  const [origin, storeOrigin] = [originOf(server), originOf(store)];

  const file = (path: string, content: Buffer) => {
    files.set(path, content);
    return origin + path;
  };
  const elsewhere = (path: string, content: Buffer) => {
    files.set(`/store${path}`, content);
    moved.set(path, `${storeOrigin}/store${path}`);
    return origin + path;
  };
  const blob = (repository: string, content: Buffer, mediaType: string) => {
    const digest = `sha256:${sha256(content)}`;
    elsewhere(`/v2/${repository}/blobs/${digest}`, content);
    return { mediaType, digest, size: content.length };
  };
  const manifest = (repository: string, mediaType: string, said: object) => {
    const content = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...said }));
    const digest = `sha256:${sha256(content)}`;
    file(`/v2/${repository}/manifests/${digest}`, content);
    return { mediaType, digest, size: content.length };
  };
  return {
    origin,
    file,
    elsewhere,
    image(repository, arch, layers) {
      const oci = "application/vnd.oci.image";
      const one = manifest(repository, `${oci}.manifest.v1+json`, {
        config: blob(repository, Buffer.from("{}"), `${oci}.config.v1+json`),
        layers: layers.map((layer) => blob(repository, layer, `${oci}.layer.v1.tar+gzip`)),
      });
      const other = { ...one, digest: `sha256:${"0".repeat(64)}`, platform: { os: "linux", architecture: "s390x" } };
      const manifests = [other, { ...one, platform: { os: "linux", architecture: arch } }];
      return { image: `${origin}/${repository}`, digest: manifest(repository, `${oci}.index.v1+json`, { manifests }).digest };
    },
    folder: (path, folder) => void folders.push([`${path}/`, folder]),
    cut: (path, afterBytes) => void cuts.set(path, afterBytes),
    requests,
    sent: () => sent,
    async close() {
      for (const one of [server, store]) {
        one.closeAllConnections();
        await new Promise((closed) => one.close(closed));
      }
    },
  };
}

function below(folders: readonly [string, string][], pathname: string): Buffer | undefined {
  for (const [prefix, folder] of folders) {
    const path = join(folder, decodeURIComponent(pathname.slice(prefix.length)));
    if (pathname.startsWith(prefix) && existsSync(path)) return readFileSync(path);
  }
  return undefined;
}
