import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import { pluginChoice, pulumiHome, type PluginChoice } from "../../tools/plugin-choice.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));

/** The passphrase of every test stack's secrets. */
const passphrase = "test";

export type Implementation = PluginChoice["implementation"];

/** The Kubernetes plugins that answer on this machine. What is the same with both is tried with each. */
export const kubernetesPlugins: readonly Implementation[] =
  pluginChoice("kubernetes").implementation === "official" ? ["fallback", "official"] : ["fallback"];

export interface PulumiRun {
  readonly exitCode: number | undefined;
  /** Standard output and error. */
  readonly text: string;
}

/** A Pulumi project with one stack, in a folder of its own with its own backend and Pulumi home. */
export interface PulumiProject {
  readonly environment: Readonly<Record<string, string>>;
  /** Replaces the program, an ES module. */
  write(program: string): Promise<void>;
  /** Runs the engine; does not throw when it fails. */
  pulumi(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<PulumiRun>;
  remove(): Promise<void>;
}

/** @param plugin whether Pulumi's own Kubernetes plugin answers, which has to be installed then, or the stand-in */
export async function createPulumiProject(name = "test", plugin: Implementation = "fallback"): Promise<PulumiProject> {
  const root = await mkdtemp(join(tmpdir(), "pulumi-project-"));
  const program = join(root, "program");
  const [pulumi, languageHost] = [await toolPath("pulumi"), await toolPath("pulumi-language-nodejs")];
  const folders = [dirname(process.execPath), dirname(pulumi), dirname(languageHost), join(repository, "tools", "pulumi-plugins")];
  const environment = {
    PATH: [...folders, process.env["PATH"]].join(delimiter),
    HOME: root,
    XDG_CACHE_HOME: join(root, "cache"),
    PULUMI_HOME: join(root, "home"),
    PULUMI_BACKEND_URL: pathToFileURL(join(root, "state")).href,
    PULUMI_CONFIG_PASSPHRASE: passphrase,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
  await mkdir(join(root, "state"));
  if (plugin === "official") {
    await mkdir(join(root, "home"));
    await symlink(join(pulumiHome(), "plugins"), join(root, "home", "plugins"));
  }
  await mkdir(program);
  await symlink(join(repository, "node_modules"), join(program, "node_modules"));
  await writeFile(join(program, "package.json"), JSON.stringify({ name: "test", private: true, type: "module", main: "index.ts" }));
  await writeFile(join(program, "Pulumi.yaml"), `name: ${name}\nruntime: {name: nodejs, options: {typescript: false}}\n`);

  const project: PulumiProject = {
    environment,
    write: (text) => writeFile(join(program, "index.ts"), text),
    async pulumi(args, env = {}) {
      const { exitCode, all } = await run(pulumi, [...args, "--non-interactive"], {
        cwd: program,
        env: { ...environment, ...env },
        extendEnv: false,
        all: true,
        reject: false,
        stdin: "ignore",
      });
      return { exitCode, text: all };
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
  const made = await project.pulumi(["stack", "init", "test"]);
  if (made.exitCode !== 0) throw new Error(made.text);
  return project;
}
