import { generateKeyPairSync, sign } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkArchive, packArchive, unpackArchive } from "../../cli/course/archive.ts";
import { checkBundle, readPart } from "../../verification/bundle/check-bundle.ts";
import { EvidenceBundle, Manifest } from "../../verification/bundle/schema.ts";
import { sealBundle, sha256 } from "../../verification/bundle/seal.ts";
import { collect } from "../support/evidence-bundle.ts";
import { jsonBombs } from "../support/hostile/bombs.ts";
import { answerOf, expectParagraph, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, bentObject } from "../support/hostile/text.ts";
import { printable } from "../../shared/printable.ts";

nothingIsMade();

const { privateKey } = generateKeyPairSync("ed25519");
const bundle = await collect();
const files = sealBundle(bundle, privateKey);
const manifest = JSON.parse(String(files.get("manifest.json"))) as { parts: Record<string, string>; publicKey: string };
const folder = "bundle";
beforeAll(() => mkdir(folder));
afterAll(() => rm(folder, { recursive: true }));

/** Checks a bundle with these files in the place of its own, signed anew by whoever bent them. */
async function checked(bentFiles: Readonly<Record<string, string | Buffer>>) {
  const content = new Map<string, string | Buffer>([...files, ...Object.entries(bentFiles)]);
  if (!("manifest.json" in bentFiles)) {
    const parts = Object.fromEntries(Object.keys(manifest.parts).map((name) => [name, sha256(Buffer.from(content.get(name)!))]));
    content.set("manifest.json", JSON.stringify({ ...manifest, parts }));
  }
  content.set("manifest.sig", bentFiles["manifest.sig"] ?? sign(null, Buffer.from(content.get("manifest.json")!), privateKey));
  for (const [name, bytes] of content) await writeFile(join(folder, name), bytes);
  const found = await answerOf("checkBundle", () => checkBundle(folder));
  if (!("problems" in found)) throw found;
  for (const problem of found.problems) if (problem.length > 20_000) throw new Error(`a problem of ${problem.length} characters`);
  return found;
}

/** As small as a bundle can be with everything in it. */
const short = {
  ...bundle,
  items: bundle.items.slice(0, 1),
  environments: bundle.environments.slice(0, 1),
  ...(bundle.gitChain.status === "observed" && {
    gitChain: { ...bundle.gitChain, value: { ...bundle.gitChain.value, commits: bundle.gitChain.value.commits.slice(0, 1) } },
  }),
  ...(bundle.reconciles.status === "observed" && { reconciles: { ...bundle.reconciles, value: bundle.reconciles.value.slice(0, 1) } }),
};

test("evidence and manifest are in the documented form, or the problem is a sentence", async () => {
  const either = fc.oneof(
    bentObject<object>(short, manifest).map((value) => JSON.stringify(value) ?? ""),
    bent(JSON.stringify(short), String(files.get("manifest.json"))),
  );
  await forEvery(
    either,
    async (text) => {
      for (const schema of [EvidenceBundle, Manifest]) {
        const problems: string[] = [];
        const read = await answerOf("readPart", () =>
          readPart<typeof EvidenceBundle | typeof Manifest>(schema, "evidence.json", Buffer.from(text), problems),
        );
        expect(problems).toHaveLength(read === undefined ? 1 : 0);
        for (const problem of problems) expectParagraph("readPart", problem);
      }
    },
    { first: jsonBombs },
  );
});

test("a bundle that somebody bent is found out, and told in sentences", async () => {
  const json = fc.oneof(
    bentObject<object>(bundle).map((value) => JSON.stringify(value) ?? ""),
    bent(String(files.get("evidence.json"))),
  );
  const own = fc.oneof(
    bentObject<object>(manifest).map((value) => JSON.stringify(value) ?? ""),
    bent(String(files.get("manifest.json")), manifest.publicKey),
  );
  const bentFiles = fc.oneof(
    json.map((text) => ({ "evidence.json": text })),
    own.map((text) => ({ "manifest.json": text })),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => ({ "manifest.sig": Buffer.from(bytes) })),
    bent(String(files.get("evidence.md"))).map((text) => ({ "evidence.md": text })),
  );
  await forEvery(bentFiles, async (one) => void (await checked(one)), {
    numRuns: 500,
    first: jsonBombs.flatMap(
      (bomb) => [{ "evidence.json": bomb }, { "manifest.json": bomb }] as Parameters<typeof checked>[0][],
    ) as never[],
  });
});

test("facts as deep as a stack are told as a problem", async () => {
  const deep = JSON.stringify({ ...bundle, items: [{ ...bundle.items[0], result: { ...bundle.items[0]!.result, facts: 0 } }] }).replace(
    '"facts":0',
    `"facts":${"[".repeat(20_000)}${"]".repeat(20_000)}`,
  );
  const { valid, problems } = await checked({ "evidence.json": deep });
  expect([valid, problems.map(printable).join(" ")]).toEqual([
    false,
    expect.stringContaining("evidence.json is not in the documented form"),
  ]);
});

test("an archive is one, or is refused", async () => {
  const content = await packArchive(
    "demo",
    new Map([
      ["results.json", Buffer.from("{}")],
      ["cohort.yaml", Buffer.from("a: b")],
    ]),
    privateKey,
  );
  const { gunzipSync } = await import("node:zlib");
  const tar = gunzipSync(content);
  const change = fc.array(fc.tuple(fc.nat({ max: tar.length - 1 }), fc.uint8Array({ minLength: 1, maxLength: 12 })), { maxLength: 4 });
  const cut = fc.option(fc.nat({ max: tar.length }), { nil: tar.length });
  await forEvery(
    fc.tuple(change, cut, fc.boolean()),
    async ([changes, length, isZipped]) => {
      const bytes = Buffer.from(isZipped ? tar : content);
      for (const [place, by] of changes) bytes.set(by.subarray(0, Math.max(0, bytes.length - place)), Math.min(place, bytes.length));
      const archive = isZipped ? gzipSync(bytes.subarray(0, length), { level: 0 }) : bytes.subarray(0, length);
      const unpacked = await answerOf("unpackArchive", () => unpackArchive(archive, "the archive"));
      if (unpacked instanceof Error) return;
      await answerOf("checkArchive", () => checkArchive(unpacked));
    },
    { numRuns: 1000 },
  );
  const own = String((await unpackArchive(content, "x")).get("manifest.json"));
  await forEvery(
    fc.oneof(
      bent(own),
      bentObject<object>(JSON.parse(own) as object).map((value) => JSON.stringify(value) ?? ""),
    ),
    (manifest) =>
      answerOf("checkArchive", () =>
        checkArchive(
          new Map([
            ["manifest.json", Buffer.from(manifest)],
            ["manifest.sig", Buffer.alloc(64)],
          ]),
        ),
      ),
    { first: jsonBombs },
  );
});
