import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gitRoutes } from "../../host/git/smart-http.ts";
import { gitRepository } from "../../git-hosts/embedded/repository.ts";
import { imageRepository } from "../../registries/embedded/repository.ts";
import { imageStorage, registrySocket } from "../../host/registry/config.ts";
import { ImageQuota, mostNames } from "../../host/registry/image-quota.ts";
import { learnerWay } from "../../host/processes/ways.ts";
import { answeredBy, wayListeners } from "../../host/web/routes.ts";
import { Ways } from "../../host/web/ways.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { useLabHome } from "../support/lab-home.ts";
import { startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";

useLabHome();
const paths = () => cohortPaths("demo");
let server: LabServer;
let registry: RunningRegistry;
let ways: Ways;
let seen: Server;
/** The request targets that reached what stands behind ada's way to the registry. */
const reached: string[] = [];
let seenWays: Ways;
const basicOf = new Map<string, { readonly git: string; readonly flux: string; readonly images: string }>();

beforeAll(async () => {
  server = await startLabServer(paths());
  registry = await startRegistry(paths(), server);
  for (const learner of ["ada", "bob", "ada-b"]) {
    const seed = {
      files: { "README.md": `${learner}\n` },
      message: "Seed",
      author: { name: "Lab", email: "lab@localhost" },
      date: 1_767_225_600,
    };
    const git = (await gitRepository.ensure({ cohort: "demo", learner, repository: "gitops", baseUrl: server.url, branch: "main", seed }))
      .output;
    const images = (await imageRepository.ensure({ cohort: "demo", learner, name: "backend", registry: registry.host })).output;
    basicOf.set(learner, {
      git: basic(git.learnerUsername, git.learnerPassword),
      flux: basic(git.fluxUsername, git.fluxPassword),
      images: basic(images.username, images.password),
    });
  }
  const hookSocket = join(paths().daemon, "control.sock");
  const quota = new ImageQuota({
    storage: imageStorage(paths()),
    limits: async () => ({ ...mostNames, layer: 2 ** 30, images: 2 ** 32 }),
    onRefused: () => undefined,
  });
  ways = new Ways(
    paths(),
    wayListeners({ paths: paths(), hookSocket }, { paths: paths(), upstream: { socketPath: registrySocket(paths()) }, quota }),
  );
  await ways.openAll();

  const behind = join(paths().root, "seen.sock");
  seen = createServer((incoming, outgoing) => {
    reached.push(`${incoming.method} ${incoming.url}`);
    outgoing.end("reached");
  }).listen(behind);
  await once(seen, "listening");
  const other = cohortPaths("other");
  await makePrivateFolder(join(other.root, "learners", "ada"));
  seenWays = new Ways(other, wayListeners({ paths: paths(), hookSocket }, { paths: paths(), upstream: { socketPath: behind }, quota }));
  await seenWays.openAll();
});
afterAll(async () => {
  for (const learner of ["ada", "bob", "ada-b"]) await ways.shut(learner);
  await seenWays.shut("ada");
  seen.close();
  await registry.stop();
  await server.close();
});

const basic = (user: string, password: string) => `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString("base64")}\r\n`;

/** Everything that is answered to these bytes until the other end hangs up, or has said nothing more for a while after its answer. */
function raw(socketPath: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(socketPath, () => socket.write(bytes, "latin1"));
    socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
    socket.setTimeout(1500, () => socket.destroy());
    socket
      .on("close", () => resolve(text))
      .on("error", (error: NodeJS.ErrnoException) => (error.code === "EPIPE" || error.code === "ECONNRESET" ? undefined : reject(error)));
  });
}

const http = (learner: string) => learnerWay(paths(), learner, "http");
const images = (learner: string) => learnerWay(paths(), learner, "registry");
const statusesIn = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
const get = (target: string, headers = "") => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${headers}Connection: close\r\n\r\n`;
const refs = (learner: string) => `/git/${learner}/gitops.git/info/refs?service=git-upload-pack`;

async function token(learner: string, scope: string, as = learner): Promise<string> {
  const answer = await raw(http(learner), get(`/registry/token?scope=${scope}`, basicOf.get(as)!.images));
  return (JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)) as { token?: string }).token ?? "";
}

describe("a learner's way", () => {
  test("leads to the own repository and tokens, and to the own images", async () => {
    expect(statusesIn(await raw(http("ada"), get(refs("ada"), basicOf.get("ada")!.git)))).toEqual([200]);
    const bearer = `Authorization: Bearer ${await token("ada", "repository:ada/backend:pull,push")}\r\n`;
    expect(statusesIn(await raw(images("ada"), get("/v2/", bearer)))).toEqual([200]);
    expect(statusesIn(await raw(images("ada"), get("/v2/")))).toEqual([401]);
    const begun = await raw(
      images("ada"),
      `POST /v2/ada/backend/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n${bearer}Content-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    expect(statusesIn(begun)).toEqual([202]);
  });

  test("is Flux' only way to the repository of a learner who is in a room", async () => {
    const flux = basicOf.get("ada")!.flux;
    const listener = answeredBy(gitRoutes({ paths: paths(), hookSocket: "/nowhere", refusesFlux: async (learner) => learner === "ada" }));
    const port = createServer(listener).listen(join(paths().root, "port.sock"));
    await once(port, "listening");
    const ask = async (learner: string, credential: string, service = "git-upload-pack") =>
      raw(join(paths().root, "port.sock"), get(refs(learner).replace("git-upload-pack", service), credential));
    try {
      expect(await ask("ada", flux)).toMatch(/^HTTP\/1\.1 403 .*comes from its own room and from nowhere else/s);
      expect(statusesIn(await ask("ada", flux, "git-receive-pack"))).toEqual([403]);
      expect(statusesIn(await ask("ada", basicOf.get("ada")!.git))).toEqual([200]);
      // One whose cluster is elsewhere, or in no room.
      expect(statusesIn(await ask("bob", basicOf.get("bob")!.flux, "git-receive-pack"))).toEqual([200]);
      expect(statusesIn(await raw(http("ada"), get(refs("ada"), flux)))).toEqual([200]);
    } finally {
      port.close();
    }
  });

  test("gives no other learner's user a token, in the words for a wrong password", async () => {
    const scope = "/registry/token?scope=repository:bob/backend:pull";
    const body = (text: string) => text.slice(text.indexOf("\r\n\r\n"));
    const answer = await raw(http("ada"), get(scope, basicOf.get("bob")!.images));
    expect(statusesIn(answer)).toEqual([401]);
    expect(body(answer)).toBe(body(await raw(http("ada"), get(scope, basic("bob", "wrong")))));
    expect(statusesIn(await raw(http("bob"), get(scope, basicOf.get("bob")!.images)))).toEqual([200]);
  });

  test.each([
    ["another's repository", refs("bob")],
    ["one whose name begins alike", refs("ada-b")],
    ["by dots", "/git/ada/../bob/gitops.git/info/refs?service=git-upload-pack"],
    ["by encoded dots", "/git/ada/%2e%2e/bob/gitops.git/info/refs?service=git-upload-pack"],
    ["by an encoded slash", "/git/ada%2f..%2fbob/gitops.git/info/refs?service=git-upload-pack"],
    ["by an encoded letter", "/git/%62ob/gitops.git/info/refs?service=git-upload-pack"],
    ["by an encoded letter of one's own", "/git/%61da/gitops.git/info/refs?service=git-upload-pack"],
    ["by case", "/git/BOB/gitops.git/info/refs?service=git-upload-pack"],
    ["by case of one's own", "/git/ADA/gitops.git/info/refs?service=git-upload-pack"],
    ["by a double slash", "//git/bob/gitops.git/info/refs?service=git-upload-pack"],
    ["by a backslash", "/git/ada\\..\\bob/gitops.git/info/refs?service=git-upload-pack"],
    ["by a tab", "/git/bob/gitops.git\t/info/refs?service=git-upload-pack"],
    ["by absolute-form", `http://localhost${refs("bob")}`],
    ["by absolute-form to oneself", `http://localhost${refs("ada")}`],
    ["by another host in absolute-form", `http://127.0.0.1:1/git/bob/gitops.git/info/refs`],
    ["by a fragment", `/git/ada/gitops.git/info/refs#/../../../bob`],
    ["a file of the repository", "/git/ada/gitops.git/HEAD"],
    ["the registry's events", "/registry/events"],
    ["tokens by another writing", "/registry/%74oken"],
    ["the images", "/v2/"],
    ["the hooks", "/hooks/pre-receive"],
    ["the lab's commands", "/pipeline/settle"],
    ["the root", "/"],
    ["asterisk-form", "*"],
  ])("leads nowhere else: %s", async (_, target) => {
    for (const whose of ["bob", "ada"]) {
      const statuses = statusesIn(await raw(http("ada"), get(target, basicOf.get(whose)!.git)));
      expect(statuses).toHaveLength(1);
      expect([400, 404]).toContain(statuses[0]);
    }
  });

  test.each([
    ["another's tags", "/v2/bob/backend/tags/list"],
    ["one whose name begins alike", "/v2/ada-b/backend/tags/list"],
    ["by dots", "/v2/ada/../bob/backend/tags/list"],
    ["by encoded dots", "/v2/ada/%2e%2e/bob/backend/tags/list"],
    ["by an encoded slash", "/v2/ada%2f..%2fbob/backend/tags/list"],
    ["by an encoded letter", "/v2/%62ob/backend/tags/list"],
    ["by case", "/v2/BOB/backend/tags/list"],
    ["by a double slash", "/v2//bob/backend/tags/list"],
    ["by absolute-form", "http://localhost/v2/bob/backend/tags/list"],
    ["by mounting", "/v2/ada/backend/blobs/uploads/?mount=sha256:0&from=bob/backend"],
    ["by mounting twice", "/v2/ada/backend/blobs/uploads/?mount=sha256:0&from=bob/backend&from=ada/backend"],
    ["the catalog", "/v2/_catalog"],
    ["the registry's own pages", "/debug/vars"],
    ["the root", "/"],
    ["the repositories", refs("ada")],
  ])("to images leads nowhere else: %s", async (_, target) => {
    reached.length = 0;
    const way = learnerWay(cohortPaths("other"), "ada", "registry");
    const statuses = statusesIn(await raw(way, get(target)));
    expect(statuses).toHaveLength(1);
    expect([400, 404]).toContain(statuses[0]);
    expect(reached).toEqual([]);
  });

  test.each([
    ["both a length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"],
    ["chunks in another writing", "Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n"],
    ["two lengths", "Content-Length: 4\r\nContent-Length: 300\r\n"],
    ["a length with a sign", "Content-Length: +4\r\n"],
    ["a space before the colon", "Transfer-Encoding : chunked\r\n"],
    ["a folded header", "Transfer-Encoding:\r\n chunked\r\n"],
    ["a chunk of a wrong length", "Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n"],
  ])("takes no request within a request: %s", async (_, headers) => {
    reached.length = 0;
    const smuggled = "GET /v2/bob/backend/tags/list HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const way = learnerWay(cohortPaths("other"), "ada", "registry");
    const text = await raw(way, `POST /v2/ada/backend/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n0\r\n\r\n${smuggled}`);
    expect(statusesIn(text)).not.toContain(200);
    expect(reached.filter((target) => target.includes("bob"))).toEqual([]);
  });

  test("is no tunnel, changes to no other protocol, and believes no header about whose it is", async () => {
    expect(statusesIn(await raw(http("ada"), "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n"))).not.toContain(200);
    reached.length = 0;
    const way = learnerWay(cohortPaths("other"), "ada", "registry");
    const upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    expect(statusesIn(await raw(way, `GET /v2/ HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`))).not.toContain(101);
    for (const header of ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Host"])
      expect(statusesIn(await raw(way, get("/v2/bob/backend/tags/list", `${header}: /v2/ada/backend/tags/list\r\n`)))).toEqual([404]);
    expect(reached.filter((target) => target.includes("bob"))).toEqual([]);
    for (const host of ["bob", "x/../git/bob", "localhost:1", "[::1]", "a b"]) {
      const target = `/git/ada/gitops.git/info/refs?service=git-upload-pack`;
      const text = await raw(http("ada"), `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${basicOf.get("ada")!.git}Connection: close\r\n\r\n`);
      expect(text).not.toContain("bob\n");
      expect([200, 400]).toContain(statusesIn(text)[0]);
    }
  });

  test("opens once, shuts with what goes over it, and opens again", async () => {
    await Promise.all([ways.open("cho"), ways.open("cho")]);
    expect(statusesIn(await raw(http("cho"), get(refs("cho"))))).toEqual([401]);
    const idle = connect(http("cho"));
    await once(idle, "connect");
    const closed = once(idle, "close");
    await ways.shut("cho");
    await closed;
    expect(existsSync(http("cho"))).toBe(false);
    await ways.open("cho");
    expect(statusesIn(await raw(http("cho"), get("/")))).toEqual([404]);
    await ways.shut("cho");
  });
});
