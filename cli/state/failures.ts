import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import { shellWord } from "../../shared/shell-word.ts";
import { nameOfBackend, ownBackendUrl } from "../../tools/backend.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { backendUrl, stateFolder } from "./backend.ts";
import { unlock } from "./locks.ts";
import { passphraseError } from "./passphrase.ts";

/** Pulumi's words if it can't get at a state at all, before it has done anything: version 3.259. */
const sayings = {
  passphrase: /incorrect passphrase|passphrase must be set|invalid or corrupt passphrase/i,
  locked: /stack is currently locked by|Another update is currently in progress/i,
  broken: /failed to load checkpoint|snapshot integrity failure|could not deserialize|unmarshal(l?ing)? (checkpoint|deployment)/i,
  backend:
    /unable to open (state directory|state database|bucket)|could not log in to|could not get cloud url|read "\.pulumi|PULUMI_ACCESS_TOKEN must be set|Legacy DIY state|state store unsupported|corrupt store|invalid access token|error listing stacks|list bucket/i,
} as const;

/** The errors that say that a state can't be got at. */
export const stateErrors: ReadonlySet<string> = new Set([
  "passphrase-foreign",
  "state-locked",
  "state-broken",
  "backend-unusable",
  "secrets-foreign",
]);

/** Pulumi's message as an error that helps, if it is about the state as a whole; undefined for anything else. */
export async function stateFailure(cohort: string, error: unknown): Promise<LabError | undefined> {
  if (error instanceof LabError) return undefined;
  const text = messageOf(error);
  if (sayings.passphrase.test(text)) return passphraseError(cohort, error);
  if (sayings.locked.test(text)) {
    const holder = /created by ([^\n]+)/.exec(text)?.[1];
    return new LabError(
      "state-locked",
      `The state of cohort ${cohort} is locked${holder === undefined ? "" : ` by ${holder}`}: another operation works on it, or was killed. If one still runs, wait for it to end. If none does, take the lock away with \`${unlock(cohort)}\` and run the command again.`,
      { cause: error },
    );
  }
  if (sayings.backend.test(text)) return backendError(lastError(text), error);
  if (sayings.broken.test(text))
    return new LabError(
      "state-broken",
      `The state of cohort ${cohort} can't be used: ${lastError(text)} \`./lab down ${cohort}\` removes the cohort without it; \`./lab up ${cohort}\` then makes it anew.`,
      { cause: error },
    );
  return undefined;
}

async function backendError(says: string, cause: unknown): Promise<LabError> {
  const url = (await backendUrl()) ?? "";
  const folder = await stateFolder();
  const isOwn = url === ownBackendUrl();
  const isFromShell = (await pulumiEnvironment())["PULUMI_BACKEND_URL"] !== undefined;
  const missing =
    folder !== undefined && /no such file or directory/.test(says)
      ? ` Make the folder with \`mkdir -p ${shellWord(folder)}\` where a state is to begin there.`
      : "";
  const back = isOwn
    ? ` \`./lab doctor\` tells about the lab's folder.`
    : ` To go on with a state of the lab's own, which knows nothing of what is kept there, run \`${isFromShell ? "unset PULUMI_BACKEND_URL" : "pulumi logout"}\` before.`;
  return new LabError("backend-unusable", `Pulumi's state backend ${nameOfBackend(url)} can't be used: ${says}${missing}${back}`, {
    exitCode: ExitCode.unknown,
    cause,
  });
}

/** The last thing that Pulumi calls an error, in one line that ends as a sentence does. */
function lastError(text: string): string {
  const line =
    text
      .split("\n")
      .filter((one) => /^\s*(stderr: )?error: /.test(one))
      .at(-1) ??
    text.trim().split("\n").at(-1) ??
    "";
  const words = line.replace(/^\s*(stderr: )?error: /, "").trim();
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** Does something with a cohort's state. If Pulumi can't get at the state, its message becomes an error that helps. */
export async function withState<T>(cohort: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw (await stateFailure(cohort, error)) ?? error;
  }
}
