import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import pLimit from "p-limit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { issueCredential } from "../../host/access.ts";
import { createRepository, seedRepository } from "../../host/git/repository.ts";
import { gitRoutes } from "../../host/git/smart-http.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { seed } from "../support/hostile/soundness.ts";
import { bent, text } from "../support/hostile/text.ts";
import { useLabHome } from "../support/lab-home.ts";

vi.setConfig({ testTimeout: 300_000 });

const home = useLabHome();
let authorization: string;
let repository: string;
let seedCommit: string;
let temporary: string;
const tmp = process.env["TMPDIR"];

beforeAll(async () => {
  const paths = cohortPaths("demo");
  repository = join(paths.git, "ada", "gitops.git");
  await createRepository(repository, "main");
  seedCommit = await seedRepository(repository, "main", {
    files: { "a.txt": "a\n" },
    message: "Seed",
    author: { name: "Lab", email: "lab@localhost" },
    date: 1_767_225_600,
  });
  const { username, password } = await issueCredential(paths.learner("ada").access, "git", "ada", "write");
  authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  process.env["TMPDIR"] = temporary = mkdtempSync(join(tmpdir(), "gitops-lab-hostile-requests-"));
});
afterAll(async () => {
  if (tmp === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = tmp;
  await rm(temporary, { recursive: true, force: true });
});

/** A line as Git's protocol counts it (gitprotocol-common(5)). */
const packet = (content: string) => (content.length + 4).toString(16).padStart(4, "0") + content;
const packHead = "PACK\0\0\0\x02\0\0\0\0";
const emptyPack = packHead + createHash("sha1").update(packHead, "latin1").digest().toString("latin1");
const zeros = "0".repeat(40);

test("who has a credential and sends Git what is no request of Git's gets a refusal, without a path of the host, and changes nothing", async () => {
  const files = async () => (await readdir(repository, { recursive: true })).filter((name) => !/^(HEAD|description)$/.test(name)).sort();
  const before = await files();
  const push = (ref: string, oldOid: string, newOid: string) => packet(`${oldOid} ${newOid} ${ref}\0 report-status side-band-64k`) + "0000";
  const receive = [
    push("refs/heads/../x", zeros, seedCommit),
    push("refs/heads/main", seedCommit, "f".repeat(40)) + emptyPack,
    push("refs/gitops-lab/seed", seedCommit, zeros),
    push("HEAD", seedCommit, zeros),
    push("refs/heads/main", seedCommit, zeros),
    push("refs/heads/x", zeros, "f".repeat(40)) + emptyPack,
    // The hook's daemon does not answer, so this is not accepted either.
    push("refs/heads/x", zeros, seedCommit) + emptyPack,
    packet("push-cert\0") + "0000",
    `${packet(`shallow ${"f".repeat(40)}`)}0000`,
  ];
  const upload = [
    `${packet("command=ls-refs\n")}0001${packet("ref-prefix ../../\n")}0000`,
    `${packet("command=fetch")}0001${packet(`want ${"f".repeat(40)}\n`)}${packet("done\n")}0000`,
    `${packet(`want ${"f".repeat(40)} multi_ack side-band-64k filter\n`)}${packet("deepen 99999999999\n")}0000${packet("done\n")}`,
    `${packet("command=object-info")}0001${packet("size")}0000`,
  ];
  const hostile = (...documents: string[]) => fc.oneof({ arbitrary: bent(...documents), weight: 5 }, { arbitrary: text, weight: 1 });
  const requests = fc.sample(
    fc.record({
      service: fc.constantFrom("info/refs" as const, "git-upload-pack" as const, "git-receive-pack" as const, "git-receive-pack" as const),
      query: fc.oneof(
        fc.constantFrom("git-upload-pack", "git-receive-pack"),
        text.map((value) => encodeURIComponent(value.toWellFormed())),
      ),
      protocol: fc.constantFrom("version=2", "version=1", "version=99:x=y", ""),
      encoding: fc.constantFrom("", "", "gzip", "deflate"),
      upload: hostile(...upload),
      receive: hostile(...receive),
    }),
    { seed, numRuns: 600 },
  );
  const routes = gitRoutes({ paths: cohortPaths("demo"), hookSocket: join(temporary, "nobody.sock") });
  const limit = pLimit(4);
  await Promise.all(
    requests.map(({ service, query, protocol, encoding, upload, receive }) =>
      limit(async () => {
        const isGet = service === "info/refs";
        const body = Buffer.from(service === "git-receive-pack" ? receive : upload, "latin1");
        const answer = await routes.request(`http://lab/git/ada/gitops.git/${service}${isGet ? `?service=${query}` : ""}`, {
          method: isGet ? "GET" : "POST",
          headers: {
            authorization,
            "git-protocol": protocol,
            ...(isGet
              ? {}
              : { "content-type": `application/x-${service}-request`, ...(encoding !== "" && { "content-encoding": encoding }) }),
          },
          ...(isGet ? {} : { body }),
        });
        const said = Buffer.from(await answer.arrayBuffer()).toString("latin1");
        expect(said).not.toContain(home());
        expect(said).not.toMatch(/\n\s+at .*:\d+:\d+/);
        expect([200, 400, 403, 404, 415, 500, 502]).toContain(answer.status);
      }),
    ),
  );
  expect(await files()).toEqual(before);
  expect(await readdir(temporary)).toEqual([]);
});
