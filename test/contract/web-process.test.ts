import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isDaemonCurrent, isDaemonUp, openWays, processStatus, shutWays, startDaemon, stopDaemon } from "../../host/processes/client.ts";
import { controlSocket } from "../../host/processes/config.ts";
import { issueCredential } from "../../host/access.ts";
import { gitRepository } from "../../git-hosts/embedded/repository.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { labHost, type LabHostOutput } from "../../host/drivers/lab-host.ts";
import { findMarked, identify, isRunning, leadsGroup, mark } from "../../ledger/process-identity.ts";
import { recentLimitHits } from "../../host/limits/hits.ts";
import { learnerWay } from "../../host/processes/ways.ts";
import { connections } from "../../host/doors/outside.ts";
import { startDetached } from "../../shared/exec.ts";
import { defaultLimits } from "../../shared/limits.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";
import { eventually } from "../support/lab-server.ts";

useLabHome();
const cohort = "webs";
const ports = { from: 31600, to: 31699 };
const paths = () => cohortPaths(cohort);
let host: LabHostOutput;

beforeAll(async () => {
  host = (await labHost(sweepClusters).ensure({ cohort, ports })).output;
  const seed = { files: { "README.md": "# Lab\n" }, message: "Seed", author: { name: "Lab", email: "lab@localhost" }, date: 1_767_225_600 };
  await gitRepository.ensure({ cohort, learner: "ada", repository: "gitops", baseUrl: host.httpUrl, branch: "main", seed });
  await openWays(cohortPaths(cohort), "ada");
  await openWays(cohortPaths(cohort), "bob");
}, 60_000);
afterAll(() => removeCohortFromHost(cohortPaths(cohort), sweepClusters), 60_000);

const refs = () => fetch(`${host.httpUrl}/git/ada/gitops.git/info/refs?service=git-upload-pack`).then(({ status }) => status);
const web = async () => (await processStatus(cohortPaths(cohort))).find(({ name }) => name === "web")!;
const opened = async (to: { readonly path: string } | { readonly port: number }): Promise<Socket> => {
  const socket = "path" in to ? connect(to.path) : connect(to.port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
};

test("is an ordinary process of the cohort, which comes back where it is killed", async () => {
  const before = await web();
  process.kill(before.pid!, "SIGKILL");
  await eventually("another web process that answers", async () => (await web()).pid !== before.pid && (await refs()) === 401);
  expect((await web()).restarts).toBe(before.restarts + 1);
});

test("opens the ways of those who have a folder at each start, and takes away what was left of others", async () => {
  // It answers as soon as it listens, and opens one after the other.
  await eventually("both ways", async () => (await readdir(join(paths().root, "ways"))).length === 2);
  const socket = await opened({ path: learnerWay(paths(), "ada", "http") });
  socket.write("GET /git/ada/gitops.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /);
});

test("holds images within the limits that the cohort file sets now, and keeps who came up against one", async () => {
  const { username, password } = await issueCredential(paths().learner("ada").access, "registry", "ada", "write");
  const token = await fetch(`${host.httpUrl}/registry/token?service=gitops-lab&scope=repository:ada/backend:pull,push`, {
    headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` },
  }).then((answer) => answer.json() as Promise<{ token: string }>);
  const headers = { authorization: `Bearer ${token.token}` };
  const push = async (bytes: number) => {
    const begun = await fetch(`http://${host.registry}/v2/ada/backend/blobs/uploads/`, { method: "POST", headers });
    expect(begun.status).toBe(202);
    const place = new URL(begun.headers.get("location")!, `http://${host.registry}`);
    return fetch(place, { method: "PATCH", headers, body: Buffer.alloc(bytes) });
  };
  const MiB = 1024 ** 2;
  expect((await push(3 * MiB)).status).toBe(202);
  await labHost(sweepClusters).ensure({ cohort, ports, limits: { ...defaultLimits, layer: 2 * MiB } });
  const refused = await push(3 * MiB);
  expect([refused.status, await refused.text()]).toEqual([413, expect.stringContaining("may have 2 MiB")]);
  await eventually("the note of it", async () => (await recentLimitHits(paths().learner("ada"))).some(({ limit }) => limit === "layer"));
  await labHost(sweepClusters).ensure({ cohort, ports });
});

/** Requests that are nearly right, cut, joined and turned over, with bytes of all kinds in between. */
function* garbage(): Generator<Buffer> {
  const starts = ["GET", "POST", "PUT", "PATCH", "CONNECT", "OPTIONS", "GET http://x", "\0\0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
  const targets = [
    "/",
    "/v2/",
    "/v2/ada/backend/manifests/x",
    "/v2/ada/b/blobs/uploads/",
    "/git/ada/gitops.git/git-receive-pack",
    "/git/ada/gitops.git/info/refs?service=git-receive-pack",
    "/registry/token?scope=%",
    "/registry/token?scope[]=a&scope=b",
    "/registry/events",
    "/%",
    "/\xff",
    `/${"a/".repeat(4000)}`,
    "*",
  ];
  const headers = [
    "Content-Length: 99999999999999999999",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Authorization: Basic !!!",
    "Authorization: Basic Og==",
    "Authorization: Bearer a.b.c",
    "Authorization: Bearer",
    "Host: [",
    "Host: a b",
    "Expect: 100-continue",
    "Connection: Upgrade\r\nUpgrade: websocket",
    `X: ${"y".repeat(20_000)}`,
    "Content-Encoding: gzip",
    "\0: \0",
  ];
  const pick = (from: readonly string[], at: number) => from[at % from.length]!;
  for (let round = 0; round < 2000; round += 1) {
    const dice = randomBytes(8);
    const head = `${pick(starts, dice[0]!)} ${pick(targets, dice[1]!)} HTTP/1.${dice[2]! % 3}\r\n${pick(headers, dice[3]!)}\r\n${pick(headers, dice[4]!)}\r\n${dice[5]! % 3 === 0 ? "" : "\r\n"}`;
    const whole = Buffer.concat([Buffer.from(head, "latin1"), randomBytes(dice[6]! * 4)]);
    yield dice[7]! % 4 === 0 ? whole.subarray(0, Math.floor((whole.length * dice[5]!) / 256)) : whole;
  }
}

test("no garbage ends it, on whatever it listens", { timeout: 120_000 }, async () => {
  const before = await web();
  const [httpPort, registryPort] = [new URL(host.httpUrl).port, host.registry.split(":")[1]].map(Number) as [number, number];
  const all = [
    { port: httpPort },
    { port: registryPort },
    { path: learnerWay(paths(), "ada", "http") },
    { path: learnerWay(paths(), "ada", "registry") },
  ];
  let round = 0;
  for (const bytes of garbage()) {
    const socket = await opened(all[(round += 1) % all.length]!);
    socket.resume().end(bytes);
    // A third hangs up at once, the others read what they are told.
    if (round % 3 === 0) socket.destroy();
    else {
      socket.setTimeout(2000, () => socket.destroy());
      await once(socket, "close");
    }
  }
  expect(await refs()).toBe(401);
  expect(await web()).toMatchObject({ pid: before.pid, restarts: before.restarts });
});

test("who sends headers drop by drop is cut off", { timeout: 60_000 }, async () => {
  const socket = await opened({ path: learnerWay(paths(), "ada", "http") });
  const dripping = setInterval(() => socket.write("X"), 500);
  socket.write("GET / HTTP/1.1\r\nX: ");
  socket.resume();
  const start = Date.now();
  await once(socket, "close");
  clearInterval(dripping);
  expect(Date.now() - start).toBeLessThan(30_000);
});

test("a learner who opens more connections than a room needs gets no more, and another is answered as before", async () => {
  const path = learnerWay(paths(), "ada", "http");
  const sockets: Socket[] = [];
  let shut = 0;
  for (let made = 0; made < connections.learner + 40; made += 1) {
    const socket = await opened({ path });
    socket.resume().on("close", () => (shut += 1));
    sockets.push(socket);
  }
  await eventually("those beyond to be shut", () => shut >= 40);
  await openWays(cohortPaths(cohort), "bob");
  const other = await opened({ path: learnerWay(paths(), "bob", "http") });
  other.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  expect(String(((await once(other, "data")) as [Buffer])[0])).toMatch(/^HTTP\/1\.1 404 /);
  for (const socket of sockets) socket.destroy();
});

test("a body that is to be read whole may be small only", async () => {
  const answer = await fetch(`${host.httpUrl}/registry/events`, { method: "POST", body: "x".repeat(2 << 20) });
  expect(answer.status).toBe(413);
});

test("a learner who leaves has no way any more", async () => {
  await openWays(cohortPaths(cohort), "bob");
  expect(await readdir(join(paths().root, "ways"))).toHaveLength(4);
  await shutWays(cohortPaths(cohort), "bob");
  expect(await readdir(join(paths().root, "ways"))).toHaveLength(2);
});

describe("the daemon", () => {
  const ofDaemon = () => findMarked(paths().daemon).filter(({ name }) => name === "daemon");
  const worker = () => ofDaemon().find(({ identity }) => !leadsGroup(identity))?.identity;

  test("comes back by itself where it is killed, and what it started goes on", { timeout: 60_000 }, async () => {
    const [before, registry] = [worker()!, (await processStatus(cohortPaths(cohort))).find(({ name }) => name === "registry")!];
    process.kill(before.pid, "SIGKILL");
    await eventually(
      "another daemon",
      async () => (await isDaemonUp(cohortPaths(cohort))) && worker() !== undefined && worker()!.pid !== before.pid,
    );
    await eventually("it to know the registry", async () => {
      const found = (await processStatus(cohortPaths(cohort))).find(({ name }) => name === "registry");
      return found !== undefined && found.pid === registry.pid && found.state === "running";
    });
  });

  test("is followed by one that is guarded where its guard was killed", { timeout: 60_000 }, async () => {
    const leader = () => ofDaemon().find(({ identity }) => leadsGroup(identity))?.identity;
    const [guard, before] = [leader()!, worker()!];
    process.kill(guard.pid, "SIGKILL");
    await eventually(
      "another guard and another daemon",
      async () => leader() !== undefined && worker() !== undefined && !isRunning(before),
    );
    await eventually("it to answer", () => isDaemonUp(cohortPaths(cohort)));
  });

  test("is there once where a command starts it before it has come back", { timeout: 60_000 }, async () => {
    const before = worker()!;
    process.kill(before.pid, "SIGKILL");
    await startDaemon(cohortPaths(cohort));
    await eventually("the one that nobody guards to be gone", async () => ofDaemon().length === 2);
    expect(ofDaemon().filter(({ identity }) => leadsGroup(identity))).toHaveLength(1);
  });

  test("does not come back where it was told to end", { timeout: 60_000 }, async () => {
    await stopDaemon(cohortPaths(cohort));
    expect(ofDaemon()).toEqual([]);
    await startDaemon(cohortPaths(cohort));
  });
});

describe("a daemon of an earlier version", () => {
  test("is replaced when it has let go of its port, and what it started goes on", { timeout: 60_000 }, async () => {
    const registry = (await processStatus(cohortPaths(cohort))).find(({ name }) => name === "registry")!;
    await stopDaemon(cohortPaths(cohort));
    // Knows no version, takes a while to end, as one does that has requests to answer, and says whether it was alone until then.
    const told = join(paths().daemon, "told");
    const script = `const { existsSync, rmSync, writeFileSync } = require("node:fs");
      const socket = ${JSON.stringify(controlSocket(cohortPaths(cohort)))};
      const end = () => { writeFileSync(${JSON.stringify(told)}, existsSync(socket) ? "overtaken" : "alone"); process.exit(); };
      const server = require("node:http").createServer((q, s) => {
        if (q.url === "/version") return s.writeHead(404).end("404 Not Found");
        s.setHeader("content-type", "application/json").end("[]");
        if (q.url === "/shut-down") { server.close(); setTimeout(end, 4000); }
      });
      rmSync(socket, { force: true });
      server.listen(socket);`;
    const old = startDetached(process.execPath, ["-e", script], {
      cwd: paths().daemon,
      env: mark(paths().daemon, "daemon"),
      logFile: join(paths().daemon, "old.log"),
    });
    const identity = identify(old.pid!)!;
    await eventually("the old one", () => isDaemonUp(cohortPaths(cohort)));
    expect(await isDaemonCurrent(cohortPaths(cohort))).toBe(false);
    await startDaemon(cohortPaths(cohort));
    expect(isRunning(identity)).toBe(false);
    expect(await readFile(told, "utf8")).toBe("alone");
    expect(await isDaemonCurrent(cohortPaths(cohort))).toBe(true);
    expect((await processStatus(cohortPaths(cohort))).find(({ name }) => name === "registry")?.pid).toBe(registry.pid);
    expect(await refs()).toBe(401);
  });
});
