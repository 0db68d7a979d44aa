import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cloudPlugins, isCloudKind, type CloudKind } from "../../shared/cloud-plugins.ts";
import type { ClusterKind } from "../../shared/cluster-spec.ts";
import { vclusterVersion } from "../../shared/pins.ts";
import { childEnvironment, homeFolder, programFolders } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { isPluginInstalled } from "../../tools/resource-plugin.ts";
import { isInstalledAsset, isProgram, locate } from "../../tools/locate.ts";

/** One thing that a cluster provider needs of this machine or of whoever uses it. */
export interface ProviderCondition {
  readonly name: string;
  readonly met: boolean;
  /** What was found, and where it is not met what helps. */
  readonly found: string;
  /** True for what is better but not needed. */
  readonly advice?: true;
  /** True for what `./lab setup <cohort>` brings. */
  readonly bySetup?: true;
}

/** What a kind of cluster needs besides the tools of every lab, and whether it is there. Creates nothing and asks no cloud. */
export async function providerConditions(kind: ClusterKind, env: NodeJS.ProcessEnv = process.env): Promise<readonly ProviderCondition[]> {
  if (kind === "embedded") return [];
  if (kind === "kind") return kindConditions(env);
  if (kind === "shared") {
    const [helm, hasChart] = [await locate("helm", env), await isInstalledAsset("vcluster-chart", env)];
    return [
      { name: "helm", met: helm !== undefined, found: helm?.path ?? "`./lab setup <cohort>` builds it", bySetup: true },
      { name: "vcluster's chart", met: hasChart, found: hasChart ? vclusterVersion : "`./lab setup <cohort>` brings it", bySetup: true },
    ];
  }
  return cloudConditions(kind, env);
}

/** kind's documentation, "Known issues", section "Pod errors due to too many open files". */
const wantedLimits = { max_user_instances: 512, max_user_watches: 524_288 };

async function kindConditions(env: NodeJS.ProcessEnv): Promise<ProviderCondition[]> {
  const ask = (...args: string[]) =>
    run("docker", args, { env: childEnvironment("docker", {}, env), reject: false, stdin: "ignore", timeout: 20_000 });
  const engine = await ask("version", "--format", "{{.Server.Version}}");
  const kind = await locate("kind", env);
  const cgroups = engine.failed ? "" : (await ask("info", "--format", "{{.CgroupVersion}}")).stdout.trim();
  const limits = await Promise.all(
    Object.entries(wantedLimits).map(async ([name, wanted]): Promise<ProviderCondition> => {
      const has = Number(await readFile(`/proc/sys/fs/inotify/${name}`, "utf8").catch(() => Infinity));
      return {
        name: `fs.inotify.${name}`,
        met: has >= wanted,
        found: has >= wanted ? `${has}` : `${has}; run \`sudo sysctl fs.inotify.${name}=${wanted}\``,
        advice: true,
      };
    }),
  );
  const said =
    engine.code === "ENOENT" ? "there is no docker command on PATH; install Docker Engine" : `${engine.stderr.trim().split("\n").at(-1)}`;
  return [
    { name: "Docker engine", met: !engine.failed, found: engine.failed ? said : `version ${engine.stdout.trim()}` },
    { name: "kind", met: kind !== undefined, found: kind?.path ?? "`./lab setup <cohort>` builds it", bySetup: true },
    // A kubelet of 1.35 or later does not start on version 1 unless its configuration says `failCgroupV1: false`.
    ...(cgroups === ""
      ? []
      : [
          {
            name: "cgroups",
            met: cgroups === "2",
            found:
              cgroups === "2"
                ? "version 2"
                : `version ${cgroups}; nodes of Kubernetes 1.35 or later want 2, so name an older \`cluster.image\``,
            advice: true as const,
          },
        ]),
    ...limits,
    await openFiles(),
  ];
}

async function openFiles(): Promise<ProviderCondition> {
  const soft = /^Max open files +(\d+)/m.exec(await readFile("/proc/self/limits", "utf8").catch(() => ""))?.[1];
  const met = soft === undefined || Number(soft) >= 1024;
  return { name: "open files", met, found: met ? (soft ?? "unlimited") : `${soft}; run \`ulimit -n 1024\``, advice: true };
}

interface Cloud {
  readonly login: string;
  readonly program: string;
  readonly programHint: string;
  /** How the cloud's plugin finds who we are: environment variables, files below the home folder. */
  readonly variables: readonly string[];
  readonly files: readonly string[];
}

const clouds: Readonly<Record<CloudKind, Cloud>> = {
  gke: {
    login: "gcloud auth application-default login",
    program: "gke-gcloud-auth-plugin",
    programHint: "gcloud components install gke-gcloud-auth-plugin",
    variables: ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN"],
    files: [".config/gcloud/application_default_credentials.json"],
  },
  eks: {
    login: "aws sso login",
    program: "aws",
    programHint: "install the AWS CLI, version 2",
    variables: ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    files: [".aws/credentials", ".aws/config"],
  },
  doks: {
    login: "export DIGITALOCEAN_TOKEN=... (an API token with read and write)",
    program: "doctl",
    programHint: "install doctl",
    // The first is read by the plugin, which knows no file.
    variables: ["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"],
    files: [],
  },
};

async function cloudConditions(kind: string, env: NodeJS.ProcessEnv): Promise<ProviderCondition[]> {
  if (!isCloudKind(kind)) return [];
  const { login, program, programHint, variables, files } = clouds[kind];
  const { name, version } = cloudPlugins[kind];
  const found = variables.find((variable) => env[variable]) ?? files.find((file) => existsSync(join(homeFolder(env) ?? "/", file)));
  const installed = isPluginInstalled(cloudPlugins[kind], env);
  const hasProgram = (await Promise.all(programFolders(env).map((folder) => isProgram(join(folder, program))))).includes(true);
  return [
    { name: "credentials", met: found !== undefined, found: found === undefined ? `none; log in: \`${login}\`` : `${found} (not tried)` },
    { name: program, met: hasProgram, found: hasProgram ? "on PATH" : `not on PATH: ${programHint}` },
    {
      name: `Pulumi's plugin ${name} ${version}`,
      met: installed,
      found: installed ? "installed" : "`./lab setup <cohort>` installs it",
      bySetup: true,
    },
  ];
}
