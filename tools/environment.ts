import { randomBytes } from "node:crypto";
import { access, constants, mkdir } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { childEnvironment, programFolders } from "../shared/environment.ts";
import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { claimHome } from "../shared/lab-home.ts";
import { cacheHome, labHome } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, readIfExists } from "../shared/private-files.ts";
import { loggedInBackend, ownBackend, ownBackendUrl } from "./backend.ts";
import { scratchBeginning } from "../shared/scratch.ts";
import { toolPath } from "./locate.ts";
import { pluginChoice, pulumiHome } from "./plugin-choice.ts";

/**
 * The environment of a Pulumi program of this project: what it gets of `base` (shared/environment.ts), the tools and plugins on
 * PATH, and, where the user has not chosen otherwise, a state backend and a passphrase below the lab home.
 */
export async function pulumiEnvironment(base: NodeJS.ProcessEnv = process.env): Promise<Record<string, string>> {
  const home = labHome(base);
  await claimHome(home);
  const environment = childEnvironment("pulumi", { LC_ALL: undefined }, base);
  const folders = [
    dirname(process.execPath),
    dirname(await toolPath("pulumi", base)),
    // Before the language host, which one of these hands over to.
    fileURLToPath(new URL("pulumi-plugins", import.meta.url)),
    dirname(await toolPath("pulumi-language-nodejs", base)),
    ...programFolders(base),
  ];
  environment["PATH"] = [...new Set(folders)].join(delimiter);
  // As in ./lab: without it each of the processes strips the same types again.
  environment["NODE_COMPILE_CACHE"] ??= join(cacheHome(base), "node-compile-cache");
  environment["PULUMI_SKIP_UPDATE_CHECK"] = "true";
  // Without it Pulumi asks the account and not HOME, and the two may differ: under sudo, in a container, in a unit of systemd.
  environment["PULUMI_HOME"] = await usablePulumiHome(base);
  // Where the official Kubernetes plugin has its temporary files, which hold credentials.
  environment["GITOPS_LAB_PLUGIN_SCRATCH"] = scratchBeginning("plugin", undefined, base);
  // The engine would look for the official plugin on the internet before it takes the one on PATH.
  if (pluginChoice("kubernetes", base).implementation === "fallback") {
    environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true";
  }
  if (!base["PULUMI_BACKEND_URL"] && (await loggedInBackend(base)) === undefined) {
    await makePrivateFolder(ownBackend(base));
    environment["PULUMI_BACKEND_URL"] = ownBackendUrl(base);
  }
  if (base["PULUMI_CONFIG_PASSPHRASE"] === undefined && !base["PULUMI_CONFIG_PASSPHRASE_FILE"]) {
    environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = await passphraseFile(home);
  }
  return environment;
}

async function usablePulumiHome(env: NodeJS.ProcessEnv): Promise<string> {
  const folder = pulumiHome(env);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    throw new LabError(
      "pulumi-home-unusable",
      `Pulumi's folder ${folder} cannot be used: ${messageOf(error)}. Set PULUMI_HOME to a folder of yours, and run the command again.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  }
}

/** Two first runs agree on one passphrase. */
async function passphraseFile(home: string): Promise<string> {
  const file = join(home, "passphrase");
  if ((await readIfExists(file)) === undefined) await createPrivateFile(file, randomBytes(32).toString("base64url"));
  return file;
}
