import { createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { buffer } from "node:stream/consumers";
import { createGzip, createGunzip } from "node:zlib";
import { extract, pack } from "tar-stream";
import { z } from "zod";
import { LabError, messageOf } from "../../shared/errors.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { excerpt } from "../../shared/printable.ts";
import { fingerprintOf, sha256 } from "../../verification/bundle/seal.ts";

/*
 * An archive is a gzipped tar: `results.json`, `cohort.yaml`, `learners/<id>/evidence/` and `learners/<id>/records/`, then
 * `manifest.json` with the digest of each of them and `manifest.sig`, the raw Ed25519 signature over the manifest.
 */
export const manifestName = "manifest.json";
const signatureName = "manifest.sig";

const Manifest = z.strictObject({
  schemaVersion: z.literal(1),
  cohort: z.string(),
  createdAt: z.iso.datetime(),
  /** SHA-256 of each file, in hexadecimal. */
  files: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
  /** Ed25519, SPKI as PEM. */
  publicKey: z.string(),
});
export type ArchiveManifest = z.output<typeof Manifest>;

/** Larger than any course's archive: a file that unpacks to more is not ours. */
const largestBytes = 1024 ** 3;

/** The content of an archive file with these files in it, sealed by the key. */
export async function packArchive(cohort: string, files: ReadonlyMap<string, Buffer>, privateKey: KeyObject): Promise<Buffer> {
  const manifest: ArchiveManifest = {
    schemaVersion: 1,
    cohort,
    createdAt: new Date().toISOString(),
    files: Object.fromEntries([...files].map(([name, content]) => [name, sha256(content)])),
    publicKey: createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString(),
  };
  const sealed = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  const tar = pack();
  for (const [name, content] of [...files, [manifestName, sealed], [signatureName, sign(null, sealed, privateKey)]] as const)
    tar.entry({ name, mode: 0o600, mtime: new Date(manifest.createdAt) }, content);
  tar.finalize();
  return buffer(tar.pipe(createGzip()));
}

/** The files in an archive's content, manifest and signature included. Throws LabError `archive-unreadable` for anything else. */
export async function unpackArchive(content: Buffer, name: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const untar = extract();
  let size = 0;
  untar.on("entry", (header, stream, next) => {
    size += header.size ?? 0;
    if (header.type !== "file" || files.has(header.name) || size > largestBytes)
      return untar.destroy(new Error(`its entry ${JSON.stringify(header.name)} is no file, comes twice or is too large`));
    buffer(stream).then(
      (bytes) => {
        files.set(header.name, bytes);
        next();
      },
      (error: unknown) => untar.destroy(error instanceof Error ? error : undefined),
    );
  });
  try {
    await pipeline(Readable.from([content]), createGunzip(), untar);
  } catch (error) {
    throw new LabError(
      "archive-unreadable",
      `${name} is no archive of a course, or only a part of one: ${excerpt(messageOf(error))}. Name a file that \`./lab archive\` wrote.`,
      { cause: error },
    );
  }
  return files;
}

export interface ArchiveCheck {
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  readonly manifest?: ArchiveManifest | undefined;
  /** Of the key that the archive names. */
  readonly fingerprint?: string | undefined;
}

/** Checks the signature, the digest of each file, and that none is missing or added. The caller compares who signed. */
export function checkArchive(files: ReadonlyMap<string, Buffer>): ArchiveCheck {
  const [sealed, signature] = [files.get(manifestName), files.get(signatureName)];
  if (sealed === undefined || signature === undefined)
    return { problems: [`${sealed === undefined ? manifestName : signatureName} is missing.`] };
  let manifest: ArchiveManifest;
  let key: KeyObject;
  try {
    manifest = Manifest.parse(JSON.parse(sealed.toString("utf8")));
    key = createPublicKey(manifest.publicKey);
  } catch {
    return { problems: [`${manifestName} is not in the documented form.`] };
  }
  const listed = Object.entries(manifest.files);
  const known = new Set([...listed.map(([name]) => name), manifestName, signatureName]);
  const problems = [
    ...(key.asymmetricKeyType === "ed25519" && verify(null, sealed, key, signature)
      ? []
      : [`${signatureName} is no signature of ${manifestName} by the key that it names.`]),
    ...listed.flatMap(([name, digest]) => {
      const content = files.get(name);
      return content === undefined ? [`${name} is missing.`] : sha256(content) === digest ? [] : [`${name} is not as it was archived.`];
    }),
    ...[...files.keys()].filter((name) => !known.has(name)).map((name) => `${name} does not belong to the archive.`),
  ];
  return { problems, manifest, fingerprint: fingerprintOf(key) };
}

/**
 * Refuses files that hold a credential of these learners. No part of an archive should hold one, but a learner may have
 * committed one, and an archive is handed on. Throws LabError `archive-secret`, which names the files.
 */
export function refuseCredentials(
  files: ReadonlyMap<string, Buffer>,
  learners: readonly Pick<LearnerOutputs, "cluster" | "git" | "registry">[],
): void {
  const secrets = learners
    .flatMap(({ cluster, git, registry }) => [
      git.password,
      registry.password,
      ...keyLines(git.ssh?.privateKey),
      ...[cluster.kubeconfig, cluster.adminKubeconfig].flatMap(keysIn),
    ])
    // A learner with an account of their own has no password here, and nothing is in every file.
    .filter((secret) => secret !== "");
  const found = [...files]
    .filter(([, content]) => secrets.some((secret) => content.includes(secret) || content.includes(JSON.stringify(secret).slice(1, -1))))
    .map(([name]) => name);
  if (found.length === 0) return;
  throw new LabError(
    "archive-secret",
    `A credential of a learner stands in ${found.join(", ")}, so no archive was written. The learner wrote it, for example into the subject of a commit; \`./lab evidence <learner>\` shows where. Change it there and run the command again.`,
  );
}

/** The lines of an SSH key that are its own: all but the last few are alike in keys of one kind. */
function keyLines(privateKey: string | undefined): string[] {
  return (privateKey ?? "")
    .split("\n")
    .filter((line) => /^[A-Za-z0-9+/=]{20,}$/.test(line))
    .slice(2);
}

/** The private parts of a kubeconfig. */
function keysIn(kubeconfig: string): string[] {
  return [...kubeconfig.matchAll(/(?:client-key-data|token|password): *"?([^\s"]+)/g)].map(([, secret]) => secret!);
}

/** What a cohort file, as parsed YAML, says of the cohort: without Pulumi's salt and key, and without values that Pulumi encrypted. */
export function withoutSecrets(file: unknown): unknown {
  return typeof file === "object" && file !== null && "config" in file ? { config: redacted(file.config) } : {};
}

function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== "object" || value === null) return value;
  if ("secure" in value) return "[secret]";
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redacted(inner)]));
}
