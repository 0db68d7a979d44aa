import { createPrivateKey } from "node:crypto";
import { constants } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { parseAllDocuments } from "yaml";
import { openOrdinary } from "../../host/processes/logs.ts";
import type { Environment } from "../../shared/environment.ts";
import { labHome } from "../../shared/paths.ts";

/** What holds no secrets of the lab's own and is large: repositories, images, logs, and what a learner's programs keep. */
const notLookedInto = new Set(["git", "storage", "logs", "etcd", "state", "tmp", "history"]);
const largestFile = 1024 * 1024;

/** Of a file with one of these names the whole content is a secret, if it is one line, and each of its long words otherwise. */
const secretFiles = /^(?:passphrase|.*\.(?:pem|key|secret|token)|htpasswd|sessions?.*|.*credential.*|id_[a-z0-9]+)$/i;
/** Values that are called so are secrets, in whatever file. */
const secretNames =
  /password|passphrase|passwd|secret|token|key|hash|salt|cred|authorization|\bauth\b|cookie|session|(?:^|\.)d$|ciphertext/i;
/** Names of things that are public, though called like secrets. */
const publicNames =
  /public|fingerprint|certificate|authority|algorithm|keyid|^kid$|^kty$|keyusage|hostkeys|secretref|name$|path$|file$|url$|kind$/i;

/**
 * Every secret that the lab keeps on this machine: passphrase, keys, tokens, passwords and what is made of them, from all files
 * of its folder. Too many are better than one too few: what is no secret is then left out of what is written.
 */
export async function secretsOnDisk(home: string = labHome()): Promise<Set<string>> {
  const secrets = new Set<string>();
  for (const path of await filesBelow(home)) {
    // Who may come in once is told by a file that is called by the hash.
    const named = /([0-9a-f]{64})\.json$/.exec(path)?.[1];
    if (named !== undefined) secrets.add(named);
    const text = await contentOf(path);
    if (text === undefined) continue;
    for (const secret of secretsIn(path.slice(path.lastIndexOf(sep) + 1), text)) secrets.add(secret);
  }
  return secrets;
}

/** The secrets in a file of that name. */
export function secretsIn(name: string, text: string): string[] {
  const found = keyBodies(text);
  if (secretFiles.test(name)) found.push(...(/^[^\s{[]\S*$/.test(text.trim()) ? [text.trim()] : words(text)));
  if (/\.(?:json|jsonl|ya?ml|conf|config)$|^[^.]+$/.test(name)) found.push(...namedValues(text));
  return found.filter((secret) => secret.length >= 8 && !/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(secret));
}

/** What the caller's environment holds of the kind. */
export function secretsInEnvironment(env: Environment): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && value.length >= 8 && secretNames.test(name) && !/file$|path$|sock$|dir$/i.test(name) ? [value] : [],
  );
}

/** The lines of the private keys in a text, from the third on: what stands before is alike in keys of one kind. */
function keyBodies(text: string): string[] {
  return [...text.matchAll(/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----([\s\S]*?)-----END [A-Z0-9 ]*PRIVATE KEY-----/g)].flatMap(
    ([pem, body = ""]) => {
      const lines = body.split(/\\n|\s+/).filter((line) => /^[A-Za-z0-9+/=]{8,}$/.test(line));
      return [...(lines.length > 3 ? lines.slice(2) : lines), ...numbersOf(pem)];
    },
  );
}

/** The private numbers of a key, as other programs would write them. */
function numbersOf(pem: string): string[] {
  try {
    const { d, p, q } = createPrivateKey(pem.replaceAll("\\n", "\n")).export({ format: "jwk" });
    return [d, p, q].flatMap((number) => {
      if (number === undefined) return [];
      const bytes = Buffer.from(number, "base64url");
      return [number, bytes.toString("base64"), bytes.toString("hex")];
    });
  } catch {
    // Broken off, or with a passphrase.
    return [];
  }
}

const words = (text: string) => text.split(/[\s"',:{}[\]]+/).filter((word) => word.length >= 16 && !/^-+|PRIVATE|BEGIN/.test(word));

function namedValues(text: string): string[] {
  const found: string[] = [];
  for (const value of documentsIn(text)) collect(value, "", found);
  return found;
}

function documentsIn(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    const lines = text.split("\n").filter((line) => line.startsWith("{"));
    if (lines.length > 1)
      return lines.flatMap((line) => {
        try {
          return [JSON.parse(line) as unknown];
        } catch {
          return [];
        }
      });
    try {
      return parseAllDocuments(text, { logLevel: "error" }).map((document) => document.toJS() as unknown);
    } catch {
      return [];
    }
  }
}

function collect(value: unknown, name: string, found: string[]): void {
  if (Array.isArray(value)) for (const one of value) collect(one, name, found);
  else if (typeof value === "object" && value !== null)
    for (const [key, one] of Object.entries(value))
      collect(one, publicNames.test(key) ? key : secretNames.test(key) ? key : `${name}.${key}`, found);
  else if (typeof value === "string") {
    if (secretNames.test(name) && !publicNames.test(name))
      found.push(value, ...keyBodies(value), ...keyBodies(Buffer.from(value, "base64").toString("latin1")));
    // A kubeconfig as a value, and a key.
    else if (value.length > 100) found.push(...keyBodies(value), ...(value.includes("\n") ? namedValues(value) : []));
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (path: string): Promise<void> => {
    for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
      const below = join(path, entry.name);
      // Pulumi's state has its secrets encrypted, and the lab's own folders of these names lie below a cohort.
      if (entry.isDirectory()) {
        if (!notLookedInto.has(entry.name) && relative(folder, below) !== "pulumi") await visit(below);
      } else if (entry.isFile()) found.push(below);
    }
  };
  await visit(folder);
  return found;
}

async function contentOf(path: string): Promise<string | undefined> {
  const file = await openOrdinary(path, constants.O_RDONLY).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    return (await file.stat()).size > largestFile ? undefined : await file.readFile("utf8");
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
