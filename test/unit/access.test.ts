import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  authenticate,
  credentialOf,
  fluxUsername,
  isIssued,
  isSameSecret,
  issueCredential,
  learnerOf,
  revokeCredentials,
} from "../../host/access.ts";

let parent: string;
let folder: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "gitops-lab-access-"));
  folder = join(parent, "ada");
});
afterEach(() => rm(parent, { recursive: true, force: true }));

describe("an issued credential", () => {
  test("opens its service, with its permission, and no other", async () => {
    const writer = await issueCredential(folder, "git", "ada", "write");
    const reader = await issueCredential(folder, "git", "ada.flux", "read");
    expect(await authenticate(folder, "git", writer)).toBe("write");
    expect(await authenticate(folder, "git", reader)).toBe("read");
    expect(await authenticate(folder, "registry", writer)).toBeUndefined();
    expect(await authenticate(folder, "git", { ...writer, username: reader.username })).toBeUndefined();
  });

  test("has 256 bits and is the same when issued again", async () => {
    const first = await issueCredential(folder, "git", "ada", "write");
    expect(Buffer.from(first.password, "base64url")).toHaveLength(32);
    expect(await issueCredential(folder, "git", "ada", "write")).toEqual(first);
    expect(await issueCredential(folder, "registry", "ada", "write")).not.toEqual(first);
  });

  test("takes the permission of the last issue", async () => {
    const credential = await issueCredential(folder, "git", "ada", "write");
    await issueCredential(folder, "git", "ada", "read");
    expect(await authenticate(folder, "git", credential)).toBe("read");
  });

  test("is made again when its password is lost, and the old one then opens nothing", async () => {
    const lost = await issueCredential(folder, "git", "ada", "write");
    await rm(join(folder, "credentials.json"));
    const next = await issueCredential(folder, "git", "ada", "write");
    expect(await authenticate(folder, "git", lost)).toBeUndefined();
    expect(await authenticate(folder, "git", next)).toBe("write");
  });

  test("is kept in files that only their owner reads, and for the servers as a hash", async () => {
    const { password } = await issueCredential(folder, "git", "ada", "write");
    for (const file of await readdir(folder)) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await readFile(join(folder, "grants.json"), "utf8")).not.toContain(password);
  });

  test("is not lost when several are issued at once", async () => {
    const users = Array.from({ length: 8 }, (_, index) => `user-${index}`);
    const credentials = await Promise.all(
      users.map((user, index) => issueCredential(folder, index % 2 === 0 ? "git" : "registry", user, "read")),
    );
    const permissions = await Promise.all(
      credentials.map((credential, index) => authenticate(folder, index % 2 === 0 ? "git" : "registry", credential)),
    );
    expect(permissions).toEqual(users.map(() => "read"));
  });
});

describe("revoking", () => {
  test("shuts out one service's users and leaves the other's", async () => {
    const git = await issueCredential(folder, "git", "ada", "write");
    const registry = await issueCredential(folder, "registry", "ada", "write");
    await revokeCredentials(folder, "git");
    expect(await isIssued(folder, "git", "ada")).toBe(false);
    expect(await authenticate(folder, "git", git)).toBeUndefined();
    expect(await authenticate(folder, "registry", registry)).toBe("write");
    expect((await issueCredential(folder, "git", "ada", "write")).password).not.toBe(git.password);
  });

  test("leaves nothing behind with the last service, and may be repeated", async () => {
    await issueCredential(folder, "git", "ada", "write");
    await revokeCredentials(folder, "git");
    await revokeCredentials(folder, "git");
    expect(existsSync(parent)).toBe(false);
  });
});

test("nobody is let in without a credential or without a folder", async () => {
  expect(await authenticate(folder, "git", undefined)).toBeUndefined();
  expect(await authenticate(folder, "git", { username: "ada", password: "" })).toBeUndefined();
});

test("usernames tell their learner", () => {
  expect(learnerOf("ada")).toBe("ada");
  expect(learnerOf(fluxUsername("ada-2"))).toBe("ada-2");
  for (const odd of ["", "..", "ada/..", "ada.other", "ada.flux.flux", "../bob.flux", "ada\n"]) expect(learnerOf(odd)).toBeUndefined();
});

test("credentials are read from a Basic header and from no other", () => {
  const request = (authorization: string) => new Request("http://127.0.0.1", { headers: { authorization } });
  expect(credentialOf(request(`Basic ${btoa("ada:pass:word")}`))).toEqual({ username: "ada", password: "pass:word" });
  for (const other of ["Bearer abc", "Basic", "Basic !!!", `Basic ${btoa("no colon")}`])
    expect(credentialOf(request(other))).toBeUndefined();
});

test("secrets are compared whole", () => {
  expect(isSameSecret("secret", "secret")).toBe(true);
  for (const other of ["", "secre", "secret ", "Secret"]) expect(isSameSecret("secret", other)).toBe(false);
});
