import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { ensurePki } from "../../clusters/embedded/control-plane/pki.ts";
import { connect } from "../../shared/kube-api.ts";

let folder: string;
let ca: string;
let server: Server | TcpServer | undefined;
const get = { method: "GET", path: "/api/v1/things" } as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kube-api-"));
  ca = Buffer.from((await ensurePki(join(folder, "pki"))).ca).toString("base64");
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  if (server && "closeAllConnections" in server) server.closeAllConnections();
  server?.close();
});

/** Its address. */
async function listen(answer: RequestListener): Promise<string> {
  const [cert, key] = await Promise.all(["crt", "key"].map((name) => readFile(join(folder, "pki", `apiserver.${name}`))));
  server = createServer({ cert, key }, answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function kubeconfig(cluster: object, user: object = {}): string {
  return stringify({
    "current-context": "lab",
    contexts: [{ name: "lab", context: { cluster: "lab", user: "me", namespace: "team" } }],
    clusters: [{ name: "lab", cluster }],
    users: [{ name: "me", user }],
  });
}

const trusted = (address: string) => ({ server: address, "certificate-authority-data": ca });

describe("the API server's answer", () => {
  test("is its JSON, and nothing for what is not there", async () => {
    const address = await listen((request, response) => {
      response.statusCode = request.url === get.path ? 200 : 404;
      response.end('{"kind":"List"}');
    });
    const api = connect(kubeconfig(trusted(address)));
    expect(api).toMatchObject({ server: address, namespace: "team" });
    expect(await api.send(get)).toEqual({ kind: "List" });
    expect(await api.send({ ...get, path: "/other" })).toBeUndefined();
  });

  test("is an error with its own message, or its status where a proxy speaks", async () => {
    const bodies = [JSON.stringify({ reason: "Conflict", message: "not yours" }), "<h1>Bad Gateway</h1>"];
    const address = await listen((_, response) => {
      response.statusCode = 409;
      response.end(bodies.shift());
    });
    const api = connect(kubeconfig(trusted(address)));
    await expect(api.send(get)).rejects.toMatchObject({ name: "ApiError", status: 409, reason: "Conflict", message: "not yours" });
    await expect(api.send(get)).rejects.toMatchObject({ name: "ApiError", message: expect.stringContaining("HTTP status 409") });
  });

  test("is asked for with a token or a password, from a kubeconfig in a file too", async () => {
    const seen: (string | undefined)[] = [];
    const address = await listen((request, response) => {
      seen.push(request.headers.authorization);
      response.end("{}");
    });
    const file = join(folder, "kubeconfig.yaml");
    await writeFile(file, kubeconfig(trusted(address), { token: "abc" }));
    await connect(file).send(get);
    await connect(kubeconfig(trusted(address), { username: "ada", password: "p" })).send(get);
    expect(seen).toEqual(["Bearer abc", `Basic ${Buffer.from("ada:p").toString("base64")}`]);
  });

  test("is asked for again when the server closed an idle connection", async () => {
    let requests = 0;
    const address = await listen((request, response) => {
      requests += 1;
      if (requests === 2) request.socket.destroy();
      else response.end("{}");
    });
    const api = connect(kubeconfig(trusted(address)));
    await api.send(get);
    expect(await api.send(get)).toEqual({});
    expect(requests).toBe(3);
  });
});

describe("a cluster is unreachable", () => {
  test("when nobody listens, or somebody who speaks no TLS, or who shows another certificate", async () => {
    const address = await listen((_, response) => response.end("{}"));
    const unreachable = expect.objectContaining({ name: "UnreachableError" });
    await expect(connect(kubeconfig({ server: address })).send(get)).rejects.toEqual(unreachable);
    server?.close();
    await expect(connect(kubeconfig(trusted(address))).send(get)).rejects.toEqual(unreachable);

    server = createTcpServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const mute = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(connect(kubeconfig(trusted(mute)), undefined, 50).send(get)).rejects.toEqual(unreachable);
  });

  test("but not when it is only slow, before or within its answer", async () => {
    const address = await listen((request, response) => {
      if (request.url === "/half") response.write("{");
    });
    const api = connect(kubeconfig(trusted(address)), undefined, 500);
    await expect(api.send(get)).rejects.toMatchObject({ code: "api-timeout" });
    await expect(api.send({ ...get, path: "/half?a=b" })).rejects.toMatchObject({
      code: "api-timeout",
      message: expect.stringContaining("GET /half."),
    });
  });
});

test.each([
  ["logs in the way of old", kubeconfig({ server: "https://127.0.0.1" }, { "auth-provider": { name: "gcp" } }), "given up for `exec`"],
  ["has no cluster", kubeconfig({}).replace("name: lab", "name: other"), 'no context "lab"'],
  ["is not encrypted", kubeconfig({ server: "http://127.0.0.1" }), "starts with https://"],
  ["is empty", "", "no context null"],
])("a kubeconfig that %s is refused with the reason", (_, content, because) => {
  expect(() => connect(content)).toThrow(because);
});
