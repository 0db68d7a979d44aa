import { createDecipheriv, pbkdf2 } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { labHome } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { cohortFileText, cohortNames, hasSecrets, saltIn } from "../cohort-file.ts";
import { stateFolder } from "./backend.ts";
import { readCheckpoint } from "./files.ts";

/** The lab's own passphrase, for users who chose none. */
export const ownPassphraseFile = (home: string = labHome()) => join(home, "passphrase");

const derive = promisify(pbkdf2);

/**
 * Whether a passphrase belongs to what Pulumi calls the encryption salt: it holds a word encrypted with the key that is made of both
 * (pkg/secrets/passphrase/manager.go). Takes a good part of a second of processor time.
 */
export async function opens(salt: string, passphrase: string): Promise<boolean> {
  const [version, bytes, , nonce, sealed] = salt.split(":");
  if (version !== "v1" || bytes === undefined || nonce === undefined || sealed === undefined) return false;
  const key = await derive(passphrase, Buffer.from(bytes, "base64"), 1_000_000, 32, "sha256");
  const message = Buffer.from(sealed, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
    decipher.setAuthTag(message.subarray(-16));
    return Buffer.concat([decipher.update(message.subarray(0, -16)), decipher.final()]).toString() === "pulumi";
  } catch {
    return false;
  }
}

/** The cohorts whose files hold something that is encrypted with a passphrase. */
export async function cohortsWithSecrets(): Promise<string[]> {
  const names = await cohortNames();
  const texts = await Promise.all(names.map(async (name) => ({ name, text: (await cohortFileText(name)) ?? "" })));
  return texts.flatMap(({ name, text }) => (saltIn(text) !== undefined && hasSecrets(text) ? [name] : []));
}

/** Throws LabError `secrets-foreign` (exit code 2) where a cohort file holds values that the passphrase in use does not open. */
export async function requireOwnSecrets(cohort: string): Promise<void> {
  const text = (await cohortFileText(cohort)) ?? "";
  const salt = saltIn(text);
  if (salt === undefined || !hasSecrets(text)) return;
  const passphrase = await passphraseInUse();
  if (passphrase === undefined || (await opens(salt, passphrase))) return;
  throw new LabError(
    "secrets-foreign",
    `stacks/Pulumi.${cohort}.yaml holds values that were encrypted with another passphrase (\`secure:\` and \`encryptionsalt:\`), so they can't be read. ${await remedy(cohort, salt, "take those lines out and set the values anew: docs/github.md says how")}`,
    { exitCode: ExitCode.badInput },
  );
}

/** The passphrase that Pulumi gets; undefined where its file can't be read. */
async function passphraseInUse(): Promise<string | undefined> {
  const { PULUMI_CONFIG_PASSPHRASE: word, PULUMI_CONFIG_PASSPHRASE_FILE: file } = await pulumiEnvironment();
  if (word !== undefined) return word;
  return (await readIfExists(file ?? "").catch(() => undefined))?.trim();
}

/** The error for a state that was encrypted with another passphrase; it says what opens it. */
export async function passphraseError(cohort: string, cause: unknown): Promise<LabError> {
  const folder = await stateFolder();
  const state = folder === undefined ? undefined : await readCheckpoint(folder, cohort);
  const salt = State.safeParse(state).data?.checkpoint.latest.secrets_providers.state.salt ?? saltIn((await cohortFileText(cohort)) ?? "");
  return new LabError(
    "passphrase-foreign",
    `The state of cohort ${cohort} was encrypted with another passphrase than ${await nameOfPassphrase()}. ${await remedy(cohort, salt, `\`./lab down ${cohort}\` removes the cohort without it`)}`,
    { cause },
  );
}

const State = z.object({
  checkpoint: z.object({ latest: z.object({ secrets_providers: z.object({ state: z.object({ salt: z.string() }) }) }) }),
});

async function nameOfPassphrase(): Promise<string> {
  const { PULUMI_CONFIG_PASSPHRASE: word, PULUMI_CONFIG_PASSPHRASE_FILE: file } = await pulumiEnvironment();
  if (word !== undefined) return "the one in PULUMI_CONFIG_PASSPHRASE";
  return file === ownPassphraseFile() ? `the lab's own in ${file}` : `the one in ${file}, which PULUMI_CONFIG_PASSPHRASE_FILE names`;
}

/**
 * How to give Pulumi the passphrase that belongs to the salt; tries the lab's own.
 *
 * @param lost what to do if nobody has it any more
 */
async function remedy(cohort: string, salt: string | undefined, lost: string): Promise<string> {
  const own = await readIfExists(ownPassphraseFile()).catch(() => undefined);
  const [used, variables] = [await passphraseInUse(), "PULUMI_CONFIG_PASSPHRASE PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (own !== undefined && own !== used && salt !== undefined && (await opens(salt, own)))
    return `The lab's own opens it: run \`unset ${variables}\`, then the command again.`;
  return `Give the one with which cohort ${cohort} was made, in PULUMI_CONFIG_PASSPHRASE or as a file: \`unset PULUMI_CONFIG_PASSPHRASE; export PULUMI_CONFIG_PASSPHRASE_FILE=<file>\`; a lab that was made with another GITOPS_LAB_HOME keeps it there, in the file \`passphrase\`. If nobody has it any more, ${lost}.`;
}
