import { existsSync } from "node:fs";
import { join } from "node:path";
import { homeFolder, programFolders } from "../../shared/environment.ts";
import { isProgram } from "../../tools/locate.ts";
import { isPluginInstalled, type ResourcePlugin } from "../../tools/resource-plugin.ts";
import type { ProviderCondition } from "../condition.ts";
import type { Login } from "./login.ts";

/** What the clusters of a cloud need: a login, the cloud's own program, Pulumi's plugin. */
export async function cloudConditions(
  { command, program, programHint, variables, files }: Login,
  plugin: ResourcePlugin,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ProviderCondition[]> {
  const { name, version } = plugin;
  const found = variables.find((variable) => env[variable]) ?? files.find((file) => existsSync(join(homeFolder(env) ?? "/", file)));
  const installed = isPluginInstalled(plugin, env);
  const hasProgram = (await Promise.all(programFolders(env).map((folder) => isProgram(join(folder, program))))).includes(true);
  return [
    { name: "credentials", met: found !== undefined, found: found === undefined ? `none; log in: \`${command}\`` : `${found} (not tried)` },
    { name: program, met: hasProgram, found: hasProgram ? "on PATH" : `not on PATH: ${programHint}` },
    {
      name: `Pulumi's plugin ${name} ${version}`,
      met: installed,
      found: installed ? "installed" : "`./lab setup <cohort>` installs it",
      bySetup: true,
    },
  ];
}
