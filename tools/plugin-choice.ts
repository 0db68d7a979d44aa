import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { childEnvironment } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { cacheHome, requireHomeFolder } from "../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../shared/private-files.ts";
import { toolPath } from "./locate.ts";

/** A resource plugin that has a stand-in in this repository: tools/<name>-plugin. */
export type StandInName = "kubernetes" | "github";

/** Which resource plugin answers: Pulumi's own where it is installed, else the stand-in. */
export interface PluginChoice {
  readonly implementation: "official" | "fallback";
  readonly version: string;
}

/** The version is that of the SDK in node_modules. */
export function pluginChoice(name: StandInName, env: NodeJS.ProcessEnv = process.env): PluginChoice {
  const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };
  const official = existsSync(join(pulumiHome(env), "plugins", `resource-${name}-v${version}`, `pulumi-resource-${name}`));
  return { implementation: official ? "official" : "fallback", version };
}

/** Pulumi's own folder: credentials and plugins. */
export function pulumiHome(env: NodeJS.ProcessEnv = process.env): string {
  // As Pulumi has it: what is empty is not set.
  return env["PULUMI_HOME"] || join(requireHomeFolder(env), ".pulumi");
}

const dayMs = 24 * 60 * 60 * 1000;

/**
 * Tries once a day, for a minute at most, to install Pulumi's own plugin, and tells `say` of it. That it can't be had
 * is no error: the stand-in answers then.
 */
export async function tryOfficialPlugin(
  name: StandInName,
  say: (activity: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const { implementation, version } = pluginChoice(name, env);
  const attempt = join(cacheHome(env), `${name}-plugin-${version}-tried`);
  const lastTried = Number((await readIfExists(attempt)) ?? 0);
  if (implementation === "official" || Date.now() - lastTried < dayMs) return;
  const pulumi = await toolPath("pulumi", env);
  say("downloading");
  const { failed } = await run(pulumi, ["plugin", "install", "resource", name, `v${version}`], {
    env: childEnvironment("pulumi", { PULUMI_SKIP_UPDATE_CHECK: "true" }, env),
    stdin: "ignore",
    reject: false,
    timeout: 60_000,
  });
  await writePrivateFile(attempt, String(Date.now()));
  say(failed ? "not to be had from here, so the fallback answers" : "installed");
}
