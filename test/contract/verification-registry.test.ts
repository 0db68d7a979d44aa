import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toolPath } from "../../tools/locate.ts";
import { registryReader } from "../../verification/registry-reader.ts";

const signal = new AbortController().signal;
const config = "{}";
let root: string;
let registry: ChildProcess;
let tokens: Server;
let host: string;
let token: (actions: readonly string[]) => Promise<string>;

/** A real registry that takes tokens, and the smallest server that gives them: to ada, for her own path, to pull. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "registry-reader-"));
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  await writeFile(
    join(root, "jwks.json"),
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "RS256", use: "sig" }] }),
  );
  token = (actions) =>
    new SignJWT({ access: [{ type: "repository", name: "ada/backend", actions }] })
      .setProtectedHeader({ alg: "RS256", kid: "k" })
      .setIssuer("lab")
      .setAudience("lab")
      .setSubject("ada")
      .setIssuedAt()
      .setNotBefore("-1m")
      .setExpirationTime("5m")
      .sign(privateKey);
  tokens = createServer(async (request, response) => {
    if (request.headers.authorization !== `Basic ${Buffer.from("ada:secret").toString("base64")}`) return response.writeHead(401).end();
    const scope = new URL(request.url ?? "", "http://lab").searchParams.get("scope");
    return response.end(JSON.stringify({ token: await token(scope === "repository:ada/backend:pull" ? ["pull"] : []) }));
  }).listen(0, "127.0.0.1");
  await once(tokens, "listening");

  const realm = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
  const settings = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: join(root, "storage") } },
    http: { addr: "127.0.0.1:0" },
    auth: { token: { realm, service: "lab", issuer: "lab", jwks: join(root, "jwks.json") } },
  };
  await writeFile(join(root, "config.yml"), JSON.stringify(settings));
  registry = spawn(await toolPath("registry"), ["serve", join(root, "config.yml")], { stdio: ["ignore", "ignore", "pipe"] });
  for await (const line of createInterface(registry.stderr!)) {
    host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1] ?? "";
    if (host) break;
  }
  registry.stderr!.resume();
  const started = await request("POST", "/blobs/uploads/", "");
  await request("PUT", started.headers.get("location")!, config, `&digest=${digestOf(config)}`);
}, 30_000);

afterAll(async () => {
  registry.kill("SIGKILL");
  await once(registry, "exit");
  tokens.closeAllConnections();
  tokens.close();
  await rm(root, { recursive: true, force: true });
});

const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

async function request(method: string, path: string, body: string, query = "", type = "application/octet-stream"): Promise<Response> {
  const url = path.startsWith("http") ? `${path}${query}` : `http://${host}/v2/ada/backend${path}${query}`;
  const headers = { authorization: `Bearer ${await token(["pull", "push"])}`, "content-type": type };
  const response = await fetch(url, { method, body, headers });
  expect(response.status, await response.clone().text()).toBeLessThan(300);
  return response;
}

/** Puts a manifest under a tag and gives its digest. */
async function push(tag: string, manifest: object & { mediaType: string }): Promise<string> {
  const text = JSON.stringify({ schemaVersion: 2, ...manifest });
  await request("PUT", `/manifests/${tag}`, text, "", manifest.mediaType);
  return digestOf(text);
}

function reader(settings: object = {}) {
  const account = { kind: "local", repository: `${host}/ada/backend`, insecure: true, username: "ada", password: "secret" };
  return registryReader({ ...account, ...settings }, signal);
}

test("reads manifests and indexes by tag and digest, and tells what is not there", async () => {
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length };
  const type = "application/vnd.oci.image.manifest.v1+json";
  const manifest = { mediaType: type, config: descriptor, layers: [] };
  const digest = await push("one", manifest);
  const size = JSON.stringify({ schemaVersion: 2, ...manifest }).length;
  const platform = { mediaType: type, digest, size, platform: { os: "linux", architecture: "amd64" } };
  const index = await push("all", { mediaType: "application/vnd.oci.image.index.v1+json", manifests: [platform] } as never);

  expect(await reader().manifest("one")).toEqual({ digest, parts: [digestOf(config)] });
  expect(await reader().manifest(digest)).toEqual({ digest, parts: [digestOf(config)] });
  expect(await reader().manifest("all")).toEqual({ digest: index, parts: [digest] });
  expect(await reader().manifest("absent")).toBeUndefined();
  expect(await reader().manifest(digestOf("absent"))).toBeUndefined();
});

test.each([
  ["a wrong password", () => ({ password: "wrong" }), /gave no token.*401/],
  ["another's path", () => ({ repository: `${host}/bob/backend` }), /did not give .*401/],
])("throws on %s, without telling the password", async (_, settings, says) => {
  const failure = await reader(settings())
    .manifest("one")
    .catch((error: Error) => error);
  expect(failure).toMatchObject({ code: "registry-refused", message: expect.stringMatching(says) });
  expect(String(failure)).not.toContain("wrong");
});

test("throws when nobody answers", async () => {
  await expect(reader({ repository: "127.0.0.1:9/ada/backend" }).manifest("one")).rejects.toThrow("fetch failed");
});

test("sends no credential over plain HTTP beyond this machine", async () => {
  await expect(reader({ repository: "registry.example.org/ada/backend" }).manifest("one")).rejects.toMatchObject({
    code: "registry-insecure",
  });
});
