import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { evidenceKey } from "../../cli/course/evidence-key.ts";
import { checkBundle } from "../../verification/bundle/check-bundle.ts";
import { renderHtml } from "../../verification/bundle/render-html.ts";
import { renderMarkdown } from "../../verification/bundle/render-markdown.ts";
import { partNames, type EvidenceBundle } from "../../verification/bundle/schema.ts";
import { fingerprintOf, sealBundle, sha256, writeBundle } from "../../verification/bundle/seal.ts";
import { collect } from "../support/evidence-bundle.ts";
import { kustomization, overlay, shaOf, unreachable } from "../support/lab-state.ts";

const newKey = () => generateKeyPairSync("ed25519").privateKey;
const key = newKey();
const fingerprint = fingerprintOf(key);
let root: string;
let folder: string;
let bundle: EvidenceBundle;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "evidence-bundle-"));
  folder = join(root, "bundles", "ada");
  bundle = await collect();
  await writeBundle(folder, sealBundle(bundle, key));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);
const problems = async () => (await checkBundle(folder, { fingerprint })).problems;

/** Changes the manifest and, where a key is given, signs it anew. */
async function rewriteManifest(
  bend: (manifest: { parts: Record<string, string>; publicKey: string }) => void,
  signer?: typeof key,
): Promise<void> {
  const manifest = JSON.parse(await readFile(file("manifest.json"), "utf8"));
  bend(manifest);
  const bytes = Buffer.from(JSON.stringify(manifest));
  await writeFile(file("manifest.json"), bytes);
  if (signer) await writeFile(file("manifest.sig"), sign(null, bytes, signer));
}

test("a bundle as it was written is valid", async () => {
  expect(await checkBundle(folder, { fingerprint })).toEqual({ valid: true, problems: [], fingerprint, bundle });
  expect((await checkBundle(folder)).valid).toBe(true);
});

test("is never overwritten", async () => {
  await expect(writeBundle(folder, sealBundle(bundle, key))).rejects.toMatchObject({ code: "bundle-exists" });
  expect(await problems()).toEqual([]);
});

test("is bad input where there is none", async () => {
  await expect(checkBundle(join(root, "absent"))).rejects.toMatchObject({ code: "bundle-unreadable", exitCode: 2 });
});

describe("is not valid", () => {
  test.each([...partNames, "manifest.json", "manifest.sig"])("after one byte of %s was changed", async (name) => {
    const content = await readFile(file(name));
    // The line break at the end of a text becomes a space, so that it still says the same.
    const at = name === "manifest.sig" ? 10 : content.length - 1;
    content[at]! ^= name === "manifest.sig" ? 1 : "\n".charCodeAt(0) ^ " ".charCodeAt(0);
    await writeFile(file(name), content);
    const forged = "manifest.sig is no signature of manifest.json by the key that it names.";
    expect(await problems()).toContain((partNames as readonly string[]).includes(name) ? `${name} is not as it was signed.` : forged);
  });

  test.each([...partNames, "manifest.json", "manifest.sig"])("without %s", async (name) => {
    await rm(file(name));
    expect(await problems()).toContain(`${name} is missing.`);
  });

  test("with another file in it", async () => {
    await writeFile(file("notes.txt"), "");
    expect(await problems()).toEqual(['"notes.txt" does not belong to the bundle.']);
  });

  test("with a link in a part's place", async () => {
    await rm(file("evidence.md"));
    await symlink("/dev/null", file("evidence.md"));
    expect(await problems()).toEqual(["evidence.md is not a file."]);
  });

  test("with another part in the manifest, though signed", async () => {
    await rewriteManifest(({ parts }) => (parts["notes.txt"] = sha256(Buffer.from(""))), key);
    expect(await problems()).toEqual([expect.stringContaining("manifest.json is not in the documented form")]);
  });

  test("signed by another key, once the key is pinned", async () => {
    const other = newKey();
    await rm(folder, { recursive: true });
    await writeBundle(folder, sealBundle(bundle, other));
    expect((await checkBundle(folder)).valid).toBe(true);
    expect(await problems()).toEqual([`The bundle is signed by the key ${fingerprintOf(other)}, not by ${fingerprint}.`]);
  });

  test("signed by another key than the manifest names", async () => {
    await rewriteManifest(() => {}, newKey());
    expect(await problems()).toEqual(["manifest.sig is no signature of manifest.json by the key that it names."]);
  });

  test.each([
    [
      "of another kind",
      () => createPublicKey(generateKeyPairSync("x25519").privateKey).export({ type: "spki", format: "pem" }).toString(),
      "is x25519",
    ],
    ["that is none", () => "none", "can't be read"],
  ])("with a key %s", async (_, publicKey, says) => {
    await rewriteManifest((manifest) => (manifest.publicKey = publicKey()), key);
    expect(await problems()).toEqual([expect.stringContaining(says)]);
  });

  test("with edited data and its new digest, but the old signature", async () => {
    const edited = (await readFile(file("evidence.json"), "utf8")).replace("Ada Lovelace", "Eve");
    await writeFile(file("evidence.json"), edited);
    await rewriteManifest(({ parts }) => (parts["evidence.json"] = sha256(Buffer.from(edited))));
    expect(await problems()).toContain("manifest.sig is no signature of manifest.json by the key that it names.");
  });

  test.each(["evidence.md", "evidence.html"])("where %s shows something else, though signed", async (name) => {
    const edited = Buffer.from((await readFile(file(name), "utf8")).replaceAll("Ada Lovelace", "Eve"));
    await writeFile(file(name), edited);
    await rewriteManifest(({ parts }) => (parts[name] = sha256(edited)), key);
    expect(await problems()).toEqual([`${name} does not show what evidence.json says.`]);
  });

  test("where the verdict does not follow from the items, though signed", async () => {
    await rm(folder, { recursive: true });
    await writeBundle(folder, sealBundle({ ...bundle, verdict: "fail" }, key));
    expect(await problems()).toEqual(["The verdict says fail, the items make it pass."]);
  });

  test("that tells what has become of the promotion in a version that did not, or does not in one that does", async () => {
    const { promotion: _, ...before } = bundle;
    for (const [wrong, valid] of [
      [{ ...bundle, schemaVersion: 2 }, false],
      [before, false],
      [{ ...before, schemaVersion: 2 }, true],
    ] as const) {
      await rm(folder, { recursive: true });
      await writeBundle(folder, sealBundle(wrong as EvidenceBundle, key));
      expect(await problems()).toEqual(valid ? [] : [expect.stringContaining("`promotion` comes with schemaVersion 3")]);
    }
  });

  test("with data in another form, though signed", async () => {
    await rm(folder, { recursive: true });
    await writeBundle(folder, sealBundle({ ...bundle, schemaVersion: 1 } as never, key));
    expect(await problems()).toEqual([expect.stringContaining("evidence.json is not in the documented form")]);
  });
});

describe("the pages", () => {
  const hostile = '</td><script>alert("1")</script> | x `y` [a](javascript:1)\u202e\u001b[31m\nnext';

  test("show text of others as text", async () => {
    const evil = await collect((lab) => lab.commit("5", hostile, "<img src=x>", { "README.md": "x" }));
    const page = renderHtml(evil);
    expect(page).toContain("&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
    expect(page).not.toMatch(/<script|<img|\u202e|\u001b/);
    const markdown = renderMarkdown(evil);
    expect(markdown).toContain("\\<script\\>");
    expect(markdown).toContain("\\| x \\`y\\` \\[a\\]\\(javascript:1\\)");
    expect(markdown).not.toMatch(/[^\\]<(script|img)|\u202e|\u001b/);
  });

  test("say how the lab was kept apart", async () => {
    expect(bundle.lab.isolation).toEqual({ kind: "room", says: expect.stringMatching(/^Not on the lab host/) });
    const bare = await collect((lab) =>
      Object.assign(lab.learner, { isolation: "none", cluster: { ...lab.learner.cluster, kind: "embedded" } }),
    );
    expect(bare.lab.isolation?.kind).toBe("none");
    expect(renderMarkdown(bare)).toMatch(/^- \*\*Isolation\*\*: No room: what the learner writes runs on the lab host/m);
    expect(renderHtml(bare)).toContain("No room: what the learner writes runs on the lab host");
  });

  test("of a bundle from before that was told have no line for it, and it stays valid", async () => {
    const { isolation: _, ...lab } = bundle.lab;
    const old: EvidenceBundle = { ...bundle, lab };
    expect(renderMarkdown(old)).toBe(renderMarkdown(bundle).replace(/^- \*\*Isolation\*\*.*\n/m, ""));
    expect(renderHtml(old)).not.toContain("Isolation");
    await rm(folder, { recursive: true });
    await writeBundle(folder, sealBundle(old, key));
    expect(await problems()).toEqual([]);
  });

  test("show the sentence that was signed, whatever this version would say", () => {
    const said = { ...bundle, lab: { ...bundle.lab, isolation: { kind: "room" as const, says: "As an earlier version said it." } } };
    expect(renderMarkdown(said)).toContain("- **Isolation**: As an earlier version said it.");
  });

  test("say what has become of the promotion, also where it could not be seen", async () => {
    expect(bundle.promotion).toMatchObject({ status: "observed", value: { state: "promoted" } });
    expect(renderMarkdown(bundle)).toMatch(/^## The promotion now\n\nBasis: live\. production is promoted to .*\n\n\| Fact \| Value \|/m);
    const back = await collect((lab) => {
      lab.commit("5", "Back", "Ada", { [overlay("production")]: kustomization("production", "0.1.0", "a") });
      lab.follow("production", "0.1.0", "a");
    });
    expect(back.verdict).toBe("pass");
    expect(back.rollback).toMatchObject({ status: "observed", value: { commit: shaOf("4") } });
    expect(renderMarkdown(back)).toMatch(/^\| state \| rolled back \|$/m);
    expect(renderHtml(back)).toContain("waiting: 0 s of 120 s");
    const blind = await collect(undefined, { git: unreachable("127.0.0.1:3000") });
    expect(renderMarkdown(blind)).toMatch(/## The promotion now\n\nNot observed: fetch failed/);
  });

  test("fetch nothing", () => {
    expect(renderHtml(bundle)).not.toMatch(/<link|<script|<img|<iframe|\bsrc=|url\(|@import/);
  });

  test("say for each fact whether it is live, simulated or not seen", async () => {
    const simulated = await collect((lab) => (lab.learner.cluster.nodes = "simulated"));
    const rows = renderMarkdown(simulated)
      .split("\n")
      .filter((line) => line.startsWith("| production |"));
    expect(rows.map((row) => row.split(" | ")[2])).toEqual(["live", "live", "live", "simulated", "live"]);
    const blind = await collect((lab) => (lab.find("ImagePolicy", "backend", "production")["status"].latestRef = 1));
    expect(renderMarkdown(blind)).toMatch(
      /\| production \| selected by the policy \| not observed \| error: ImagePolicy production\/backend/,
    );
  });
});

describe("the lab's key", () => {
  test("is made once, for its owner alone", async () => {
    const keys = await Promise.all([evidenceKey(root), evidenceKey(root), evidenceKey(root)]);
    expect(new Set(keys.map(fingerprintOf)).size).toBe(1);
    const path = join(root, "evidence-key.pem");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(fingerprintOf(createPrivateKey(await readFile(path)))).toBe(fingerprintOf(keys[0]!));
    expect((await readdir(root)).toSorted()).toEqual(["bundles", "evidence-key.pem"]);
  });

  test("that can't be read is named", async () => {
    await mkdir(join(root, "home"));
    await writeFile(join(root, "home", "evidence-key.pem"), "none");
    await expect(evidenceKey(join(root, "home"))).rejects.toMatchObject({ code: "evidence-key-invalid" });
  });
});
