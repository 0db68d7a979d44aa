import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from "jose";
import { z } from "zod";
import type { CohortPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { readState } from "../../shared/state-file.ts";

/** What token service and registry must agree on. */
export const tokens = { issuer: "gitops-lab", service: "gitops-lab-registry", algorithm: "ES256" } as const;

export interface SigningKey {
  readonly key: CryptoKey;
  readonly id: string;
}

/** The public part, as the registry reads it. */
export const publicKeysFile = (paths: CohortPaths) => join(paths.registry, "jwks.json");

export const signingKeyFile = (paths: CohortPaths) => join(paths.registry, "signing-key.json");

/** Makes the key that signs registry tokens, unless there is one, and returns its public part. */
export async function ensureSigningKey(paths: CohortPaths): Promise<JWK> {
  // Of tokens that live for minutes: one that is damaged is made anew.
  const present = await readKey(paths);
  const jwk = present ?? (await newKey());
  if (present === undefined) await writePrivateFile(signingKeyFile(paths), JSON.stringify(jwk));
  const { d, ...publicPart } = jwk;
  return publicPart;
}

/** The key that `ensureSigningKey` made. */
export async function readSigningKey(paths: CohortPaths): Promise<SigningKey> {
  const jwk = await readKey(paths);
  if (jwk === undefined) throw new Error(`no signing key at ${signingKeyFile(paths)}`);
  return { key: (await importJWK(jwk, tokens.algorithm)) as CryptoKey, id: jwk.kid ?? "" };
}

const StoredKey = z.looseObject({ kty: z.string(), d: z.string(), x: z.string(), y: z.string(), kid: z.string() });

async function readKey(paths: CohortPaths): Promise<JWK | undefined> {
  return readState(signingKeyFile(paths), StoredKey, { orElse: undefined });
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(tokens.algorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: tokens.algorithm, use: "sig" };
}
