import { randomBytes } from "node:crypto";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheHome, labHome } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, readIfExists } from "../shared/private-files.ts";
import { loggedInBackend, ownBackend, ownBackendUrl } from "./backend.ts";
import { toolPath } from "./locate.ts";
import { pluginChoice } from "./plugin-choice.ts";

/**
 * What a Pulumi program of this project needs in its environment, on top of `base`: the tools and plugins on PATH, and,
 * where the user has not chosen otherwise, a state backend and a passphrase below the lab home.
 */
export async function pulumiEnvironment(base: NodeJS.ProcessEnv = process.env): Promise<Record<string, string>> {
  const home = await makePrivateFolder(labHome(base));
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(base)) if (value !== undefined) environment[name] = value;

  const folders = [
    dirname(process.execPath),
    dirname(await toolPath("pulumi", base)),
    dirname(await toolPath("pulumi-language-nodejs", base)),
    fileURLToPath(new URL("pulumi-plugins", import.meta.url)),
    ...(base["PATH"]?.split(delimiter) ?? []),
  ];
  environment["PATH"] = [...new Set(folders)].join(delimiter);
  // As in ./lab: without it each of the processes strips the same types again.
  environment["NODE_COMPILE_CACHE"] ??= join(cacheHome(base), "node-compile-cache");
  environment["PULUMI_SKIP_UPDATE_CHECK"] = "true";
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

/** Two first runs agree on one passphrase. */
async function passphraseFile(home: string): Promise<string> {
  const file = join(home, "passphrase");
  if ((await readIfExists(file)) === undefined) await createPrivateFile(file, randomBytes(32).toString("base64url"));
  return file;
}
