import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { askedOf } from "../../host/registry/asked.ts";
import { isPlain, outside } from "../../host/doors/outside.ts";

test.each(["/", "/v2/", "/git/ada/gitops.git/info/refs?service=git-upload-pack", "/v2/a/b/blobs/sha256:00", "/a/..b/c..?q=/../x"])(
  "a target that can be read in one way is plain: %s",
  (target) => expect(isPlain(target)).toBe(true),
);

test.each([
  "",
  "*",
  "a",
  "http://localhost/",
  "//a",
  "/a//b",
  "/..",
  "/a/../b",
  "/a/./b",
  "/a/.",
  "/a/..?b",
  "/a%2fb",
  "/a%2Eb",
  "/a%5cb",
  "/a%00",
  "/a%zz",
  "/a\\b",
  "/a#b",
  "/a b",
  "/ä",
  `/${"a".repeat(9000)}`,
])("any other is not: %s", (target) => expect(isPlain(target)).toBe(false));

test("what is plain names the same path to a URL parser", () => {
  const pieces = fc.constantFrom("/", "a", "..", ".", "%2e", "%61", "\\", "?", "#", "v2", "ada", ":", "@", " ", "é", "%", "//", "\t");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const target = `/${parts.join("")}`;
      if (!isPlain(target)) return;
      expect(new URL(target, "http://registry").pathname).toBe(target.split("?", 1)[0]);
    }),
    { numRuns: 5000 },
  );
});

test("a request to the registry is of the learner whose name the path begins with, or of nobody", () => {
  const pieces = fc.constantFrom(
    "/",
    "/v2/",
    "ada",
    "bob",
    "backend",
    "/manifests/",
    "/blobs/",
    "uploads/",
    "tags/list",
    "sha256:00",
    "%3A",
    "_",
    "-",
    "?from=",
    "..",
    "A",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 10 }), (parts) => {
      const target = `/v2/${parts.join("")}`;
      if (!isPlain(target)) return;
      const asked = askedOf(target);
      if (asked?.learner !== undefined) expect(target.startsWith(`/v2/${asked.learner}/`)).toBe(true);
    }),
    { numRuns: 5000 },
  );
});

test("a body that stalls ends its connection, and one that comes slowly does not", async () => {
  const server = createServer(outside((incoming, outgoing) => void incoming.resume().on("end", () => outgoing.end("whole")), 200)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const post = () => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n");
    return socket;
  };
  const stalled = post();
  const slow = post();
  let answer = "";
  slow.setEncoding("utf8").on("data", (text: string) => (answer += text));
  let sent = 0;
  const dripping = setInterval(() => (sent++ < 8 ? slow.write("x") : clearInterval(dripping)), 100);
  await Promise.all([once(stalled, "close"), once(slow, "close")]);
  expect(answer).toContain("whole");
  await new Promise((resolve) => server.close(resolve));
});

test("what is thrown is told to the log, and of it nothing to the client", async () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const server = createServer(
    outside(() => {
      throw new Error("secret of /root");
    }),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  expect([answer.status, await answer.text()]).toEqual([500, "The lab could not answer this.\n"]);
  expect(log).toHaveBeenCalledOnce();
  log.mockRestore();
  await new Promise((resolve) => server.close(resolve));
});
