import { existsSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, LabError } from "../shared/errors.ts";
import { childEnvironment } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { pulumiHome } from "./plugin-choice.ts";
import { toolPath } from "./locate.ts";

/** A Pulumi plugin that is nobody's of ours, as in `pulumi plugin install resource <name> <version>`. */
export interface ResourcePlugin {
  readonly name: string;
  readonly version: string;
}

/** Whether the plugin is in Pulumi's folder. */
export function isPluginInstalled({ name, version }: ResourcePlugin, env: NodeJS.ProcessEnv = process.env): boolean {
  return existsSync(join(pulumiHome(env), "plugins", `resource-${name}-v${version}`, `pulumi-resource-${name}`));
}

/**
 * Installs a plugin, unless it is there. Throws LabError `plugin-unreachable` with Pulumi's own reason.
 *
 * @param needed who needs it, as "clusters of kind gke"
 * @param say called with what is going on
 */
export async function installResourcePlugin(
  plugin: ResourcePlugin,
  needed: string,
  say: (activity: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (isPluginInstalled(plugin, env)) return;
  const { name, version } = plugin;
  say("downloading");
  const { failed, stderr } = await run(await toolPath("pulumi", env), ["plugin", "install", "resource", name, `v${version}`], {
    env: childEnvironment("pulumi", { PULUMI_SKIP_UPDATE_CHECK: "true" }, env),
    stdin: "ignore",
    reject: false,
    timeout: 600_000,
  });
  if (!failed) return say("installed");
  const reason = stderr.trim().split("\n").at(-1) ?? "";
  throw new LabError(
    "plugin-unreachable",
    `Pulumi's plugin ${name} ${version}, which ${needed} need, could not be installed: ${reason.replace(/\.$/, "")}. Nothing was created. Connect this machine to get.pulumi.com, or install the plugin by hand with \`pulumi plugin install resource ${name} v${version} --file <archive>\`, and run the command again.`,
    { exitCode: ExitCode.badInput },
  );
}
