import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LabError, messageOf } from "../../shared/errors.ts";
import { labHome } from "../../shared/paths.ts";
import { createPrivateFile, readIfExists } from "../../shared/private-files.ts";

/**
 * The Ed25519 key with which this lab signs evidence; made when there is none. It lives in the lab's folder and goes with
 * it, so that nobody can sign for a lab that is gone: its bundles carry the public half, which is all a check needs.
 */
export async function evidenceKey(home: string = labHome()): Promise<KeyObject> {
  const path = join(home, "evidence-key.pem");
  if ((await readIfExists(path)) === undefined)
    await createPrivateFile(path, generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }));
  try {
    return createPrivateKey(await readFile(path));
  } catch (error) {
    throw new LabError(
      "evidence-key-invalid",
      `${path} is no private key: ${messageOf(error)}. Remove it, and the next bundle is signed with a new key.`,
      { cause: error },
    );
  }
}
