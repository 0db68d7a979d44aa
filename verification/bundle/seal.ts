import { createHash, createPublicKey, sign, type KeyObject } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { callersFolderMode } from "../../shared/environment.ts";
import { LabError } from "../../shared/errors.ts";
import { renderHtml } from "./render-html.ts";
import { renderMarkdown } from "./render-markdown.ts";
import type { partNames, EvidenceBundle, Manifest } from "./schema.ts";

export const manifestName = "manifest.json";
export const signatureName = "manifest.sig";

/** The files of a bundle: its parts, the manifest with their digests, and the raw Ed25519 signature over the manifest. */
export function sealBundle(bundle: EvidenceBundle, privateKey: KeyObject): ReadonlyMap<string, Buffer> {
  const parts = new Map<(typeof partNames)[number], Buffer>([
    ["evidence.json", Buffer.from(toJson(bundle))],
    ["evidence.md", Buffer.from(renderMarkdown(bundle))],
    ["evidence.html", Buffer.from(renderHtml(bundle))],
  ]);
  const manifest = {
    schemaVersion: 1,
    parts: Object.fromEntries([...parts].map(([name, content]) => [name, sha256(content)])) as Manifest["parts"],
    publicKey: createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString(),
    signedAt: new Date().toISOString(),
  } satisfies Manifest;
  const signed = Buffer.from(toJson(manifest));
  return new Map<string, Buffer>([...parts, [manifestName, signed], [signatureName, sign(null, signed, privateKey)]]);
}

/** Writes a bundle into a new folder. Throws LabError `bundle-exists` and changes nothing where there is one. */
export async function writeBundle(folder: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  try {
    await mkdir(folder, { mode: callersFolderMode() });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new LabError("bundle-exists", `${folder} exists and evidence is never overwritten. Name another folder with \`--out\`.`);
  }
  for (const [name, content] of files) await writeFile(join(folder, name), content, { flag: "wx" });
}

/** What to compare of a key: `sha256:` and the digest of its public half as SPKI DER. */
export function fingerprintOf(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return `sha256:${sha256(publicKey.export({ type: "spki", format: "der" }))}`;
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
