import { existsSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, LabError } from "../shared/errors.ts";
import { childEnvironment } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { pulumiHome } from "./plugin-choice.ts";
import { toolPath } from "./locate.ts";

/** A Pulumi plugin for a cloud, as in `pulumi plugin install resource <name> <version>`. */
export interface CloudPackage {
  readonly name: "gcp" | "aws" | "digitalocean";
  readonly version: string;
}

/** The plugin of each cluster provider that is in a cloud; installed for cohorts that choose it. */
export const cloudPackages = {
  gke: { name: "gcp", version: "9.37.0" },
  eks: { name: "aws", version: "7.48.0" },
  doks: { name: "digitalocean", version: "4.80.1" },
} as const satisfies Readonly<Record<string, CloudPackage>>;

export type CloudKind = keyof typeof cloudPackages;

export function isCloudKind(kind: string): kind is CloudKind {
  return Object.hasOwn(cloudPackages, kind);
}

/** Whether the plugin is in Pulumi's folder. */
export function isCloudInstalled(kind: CloudKind, env: NodeJS.ProcessEnv = process.env): boolean {
  const { name, version } = cloudPackages[kind];
  return existsSync(join(pulumiHome(env), "plugins", `resource-${name}-v${version}`, `pulumi-resource-${name}`));
}

/**
 * Installs the plugin of a cloud, unless it is there. Throws LabError `plugin-unreachable` with Pulumi's own reason.
 *
 * @param say called with what is going on
 */
export async function installCloudPlugin(
  kind: CloudKind,
  say: (activity: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (isCloudInstalled(kind, env)) return;
  const { name, version } = cloudPackages[kind];
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
    `Pulumi's plugin ${name} ${version}, which clusters of kind ${kind} need, could not be installed: ${reason.replace(/\.$/, "")}. Nothing was created. Connect this machine to get.pulumi.com, or install the plugin by hand with \`pulumi plugin install resource ${name} v${version} --file <archive>\`, and run the command again.`,
    { exitCode: ExitCode.badInput },
  );
}
