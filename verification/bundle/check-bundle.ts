import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import { excerpt } from "../../shared/printable.ts";
import { verdict } from "../verdict.ts";
import { renderHtml } from "./render-html.ts";
import { renderMarkdown } from "./render-markdown.ts";
import { EvidenceBundle, Manifest, partNames } from "./schema.ts";
import { fingerprintOf, manifestName, sha256, signatureName } from "./seal.ts";

/** Ten times what a bundle of a long course has; it is all read into memory. */
const largestBytes = 64 * 1024 ** 2;

export interface BundleCheck {
  readonly valid: boolean;
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  /** Of the key that the bundle names; undefined where it names none. */
  readonly fingerprint?: string | undefined;
  /** What the bundle says; undefined where it is not valid. */
  readonly bundle?: EvidenceBundle | undefined;
}

/**
 * Checks a bundle offline: the signature, the digest of each part, that nothing is missing or added, that the data is in
 * the documented form, and that verdict and pages say what the data says. Without `fingerprint` any key will do, so that
 * only changes since the signing are found, not who signed. Throws LabError `bundle-unreadable` where there is no folder.
 */
export async function checkBundle(folder: string, options: { readonly fingerprint?: string | undefined } = {}): Promise<BundleCheck> {
  const { files, problems } = await readFiles(folder);
  const [manifestFile, signature] = [files.get(manifestName), files.get(signatureName)];
  const manifest = manifestFile && readPart(Manifest, manifestName, manifestFile, problems);
  const key = manifest && publicKey(manifest, problems);
  const fingerprint = key && fingerprintOf(key);
  if (key && manifestFile && signature && !verify(null, manifestFile, key, signature)) {
    problems.push(`${signatureName} is no signature of ${manifestName} by the key that it names.`);
  }
  if (fingerprint && options.fingerprint !== undefined && fingerprint !== options.fingerprint) {
    problems.push(`The bundle is signed by the key ${fingerprint}, not by ${options.fingerprint}.`);
  }
  for (const name of partNames) {
    const content = files.get(name);
    if (content && manifest && sha256(content) !== manifest.parts[name]) problems.push(`${name} is not as it was signed.`);
  }
  const data = files.get("evidence.json");
  const bundle = data && readPart(EvidenceBundle, "evidence.json", data, problems);
  if (bundle) problems.push(...contradictions(bundle, files));
  const valid = problems.length === 0;
  return { valid, problems, fingerprint, bundle: valid ? bundle : undefined };
}

/** The files that belong to a bundle; what is missing or does not belong is a problem. */
async function readFiles(folder: string): Promise<{ files: Map<string, Buffer>; problems: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new LabError(
      "bundle-unreadable",
      `${folder} can't be read as a folder: ${messageOf(error)}. Name the folder that \`./lab evidence\` wrote.`,
      {
        exitCode: ExitCode.badInput,
        cause: error,
      },
    );
  });
  const expected: readonly string[] = [...partNames, manifestName, signatureName];
  const files = new Map<string, Buffer>();
  const problems: string[] = [];
  for (const entry of entries) {
    if (!expected.includes(entry.name)) problems.push(`${JSON.stringify(entry.name)} does not belong to the bundle.`);
    else if (!entry.isFile()) problems.push(`${entry.name} is not a file.`);
    else if ((await stat(join(folder, entry.name))).size > largestBytes)
      problems.push(`${entry.name} is larger than any part of a bundle.`);
    else files.set(entry.name, await readFile(join(folder, entry.name)));
  }
  const present = entries.map(({ name }) => name);
  problems.push(...expected.filter((name) => !present.includes(name)).map((name) => `${name} is missing.`));
  return { files, problems };
}

/** A part in the form that it must have; undefined where it has not, with a sentence more among the problems. */
export function readPart<S extends z.ZodType>(schema: S, name: string, content: Buffer, problems: string[]): z.output<S> | undefined {
  let json: unknown;
  try {
    json = JSON.parse(content.toString("utf8"));
  } catch (error) {
    problems.push(`${name} is no JSON: ${excerpt(messageOf(error))}.`);
    return undefined;
  }
  try {
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    problems.push(`${name} is not in the documented form: ${excerpt(z.prettifyError(parsed.error), 1000)}.`);
  } catch {
    problems.push(`${name} is not in the documented form: it is nested too deeply.`);
  }
  return undefined;
}

function publicKey(manifest: Manifest, problems: string[]): KeyObject | undefined {
  try {
    const key = createPublicKey(manifest.publicKey);
    if (key.asymmetricKeyType === "ed25519") return key;
    problems.push(`The key in ${manifestName} is ${key.asymmetricKeyType}, not ed25519.`);
  } catch (error) {
    problems.push(`The key in ${manifestName} can't be read: ${messageOf(error)}.`);
  }
  return undefined;
}

/** Where verdict or pages say something else than the data. */
function contradictions(bundle: EvidenceBundle, files: ReadonlyMap<string, Buffer>): string[] {
  const problems: string[] = [];
  const recomputed = verdict(bundle.items);
  if (recomputed !== bundle.verdict) problems.push(`The verdict says ${bundle.verdict}, the items make it ${recomputed}.`);
  const pages = { "evidence.md": renderMarkdown(bundle), "evidence.html": renderHtml(bundle) };
  for (const [name, page] of Object.entries(pages)) {
    const content = files.get(name);
    if (content && !content.equals(Buffer.from(page))) problems.push(`${name} does not show what evidence.json says.`);
  }
  return problems;
}
