import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { redactor } from "../../cli/support/redact.ts";
import { secretsIn, secretsOnDisk } from "../../cli/support/secrets.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const pem = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const keyLine = pem.split("\n")[9]!;

test.each<[string, string, string]>([
  ["a passphrase", "passphrase", "correct-horse-battery"],
  ["a password by its user", "credentials.json", JSON.stringify({ git: { ada: "correct-horse-battery" } })],
  ["a hash", "grants.json", JSON.stringify({ git: [{ username: "ada", tokenHash: "correct-horse-battery" }] })],
  ["a token among others", "config.json", JSON.stringify({ httpPort: 1, registryEventsToken: "correct-horse-battery" })],
  ["a password in YAML", "config.yml", "http:\n  secret: correct-horse-battery\n"],
  ["a secret in lines of JSON", "sessions.jsonl", '{"a":1}\n{"cookie":"correct-horse-battery"}\n'],
  ["a password of htpasswd", "htpasswd", "ada:correct-horse-battery\nbob:$2y$05$aaaaaaaaaaaaaaaaaaaaaa\n"],
])("%s in a file of the lab is found", (_, name, text) => expect(secretsIn(name, text).join(" ")).toContain("correct-horse-battery"));

test("a key is found as it is, in JSON, and in a kubeconfig", () => {
  const base64 = Buffer.from(pem).toString("base64");
  for (const [name, text] of [
    ["ca.key", pem],
    ["outputs.json", JSON.stringify({ ssh: { privateKey: pem } })],
    ["admin.yaml", `users:\n  - user:\n      client-key-data: ${base64}\n`],
  ] as const)
    expect(secretsIn(name, text), name).toEqual(expect.arrayContaining([keyLine, createPrivateKey(pem).export({ format: "jwk" }).d]));
  expect(secretsIn("admin.yaml", `users:\n  - user:\n      client-key-data: ${base64}\n`)).toContain(base64);
});

test("what the lab keeps is looked through, but for repositories, images and logs", async () => {
  const folder = join(home(), "cohorts", "demo", "learners", "ada");
  for (const below of ["access", "cluster/pki", "cluster/logs"]) await mkdir(join(folder, below), { recursive: true });
  await writeFile(join(folder, "access", "credentials.json"), JSON.stringify({ git: { ada: "correct-horse-battery" } }));
  await writeFile(join(folder, "cluster/pki/ca.key"), pem);
  await writeFile(join(folder, "cluster/logs/x.json"), JSON.stringify({ token: "only-in-a-log" }));
  const found = await secretsOnDisk(home());
  expect([found.has("correct-horse-battery"), found.has(keyLine), found.has("only-in-a-log")]).toEqual([true, true, false]);
});

test("known secrets are taken out in every writing, and people", () => {
  const secret = 'correct/horse+"battery';
  const redact = redactor([secret, "correct/horse"], ["Ada Lovelace", "ada@example.org"]);
  const text = [
    secret,
    Buffer.from(secret).toString("base64"),
    encodeURIComponent(secret),
    JSON.stringify(secret),
    "by Ada Lovelace <ada@example.org>",
  ].join("\n");
  expect(redact(text)).toBe('[redacted]\n[redacted]\n[redacted]\n"[redacted]"\nby [person] <[person]>');
});

test.each([
  ["a key", `before\n${pem}after`, "before\n[redacted]\nafter"],
  ["a key in a string of JSON", JSON.stringify({ a: pem.trim() }), '{"a":"[redacted]"}'],
  ["a credential in a URL", "fatal: https://ada:s3cret@127.0.0.1:2/x", "fatal: https://[redacted]@127.0.0.1:2/x"],
  ["a header", "Authorization: Bearer abcdefghijk.lm", "Authorization: Bearer [redacted]"],
  ["a token of JSON", "got eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJ now", "got [redacted] now"],
  [
    "a named value within a string of JSON",
    '{"said":"{\\"apiKey\\":\\"sk-123456\\",\\"n\\":1}"}',
    '{"said":"{\\"apiKey\\":"[redacted]",\\"n\\":1}"}',
  ],
  ["a value of a query", "GET /x?api_key=abc123def&y=1", 'GET /x?api_key="[redacted]"&y=1'],
  ["GitHub's token", "ghp_abcdefghijklmnopqrstuvwxyz", "[redacted]"],
  [
    "a named value",
    'password: hunter2, "token": "x y", PULUMI_CONFIG_PASSPHRASE=abc',
    'password: "[redacted]", "token": "[redacted]", PULUMI_CONFIG_PASSPHRASE="[redacted]"',
  ],
])("%s is taken out that nobody knew of", (_, text, without) => expect(redactor([])(text)).toBe(without));
