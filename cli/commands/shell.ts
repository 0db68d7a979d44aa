import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { handoutFiles, shellWord } from "../../lab-templates/handout/document.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { callersEnvironment, homeFolder, programFolders, proxyExceptions, type Environment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { addressesOf, type LearnerOutputs } from "../../shared/outputs.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { credentialFiles, toolFolders } from "../learner-files.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note } from "../terminal.ts";

/**
 * Opens a shell, or runs a command, as a learner: with the learner's kubeconfig, Git credential and login to the registry in
 * files of a folder that is removed afterwards. Returns the exit code of the command, or 128 and the number of the signal that ended it.
 */
export async function shell(id: string, command: readonly string[], options: { readonly cohort: string }): Promise<number> {
  const outputs = await readOutputs(parseCohortName(options.cohort));
  const learner = selectLearner(outputs, id);
  const folder = await mkdtemp(join(tmpdir(), "gitops-lab-shell-"));
  try {
    const folders = await toolFolders();
    for (const [name, content] of Object.entries({ ...credentialFiles(learner), gitconfig: gitConfig(learner, folder) }))
      await writePrivateFile(join(folder, name), content);
    const { hostname } = new URL(addressesOf(learner).gitUrl);
    const env = {
      ...own(callersEnvironment()),
      ...proxyExceptions(callersEnvironment(), [hostname]),
      GITOPS_LAB_LEARNER: id,
      KUBECONFIG: join(folder, handoutFiles.kubeconfig),
      DOCKER_CONFIG: dirname(join(folder, handoutFiles.registry)),
      GIT_CONFIG_GLOBAL: join(folder, "gitconfig"),
      GIT_CONFIG_NOSYSTEM: "1",
      // Go reads the system's authorities from folders besides.
      ...(learner.open && { SSL_CERT_FILE: join(folder, handoutFiles.authority) }),
      PATH: [...folders, ...programFolders()].join(":"),
    };
    if (command.length > 0) return await runAs(env, command[0]!, command.slice(1));
    const { gitUrl } = addressesOf(learner);
    note(
      `As ${learner.name} (${id}): kubectl, flux, crane and git are theirs. \`git clone ${gitUrl}\` clones the repository. \`exit\` leaves.`,
    );
    return await runAs(env, ...(await interactive(folder, id, folders)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The learner's own identity, and the credential for nothing but the lab's address. Nothing of the caller's configuration. */
function gitConfig(learner: LearnerOutputs, folder: string): string {
  const { origin } = new URL(addressesOf(learner).gitUrl);
  const quoted = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", " ")}"`;
  return `[user]
	name = ${quoted(learner.name)}
	email = ${quoted(learner.email)}
${learner.git.password === "" ? "" : `[credential ${quoted(origin)}]\n	helper = ${quoted(`store --file=${shellWord(join(folder, handoutFiles.git))}`)}\n`}${learner.open ? `[http ${quoted(origin)}]\n	sslCAInfo = ${quoted(join(folder, handoutFiles.authority))}\n` : ""}`;
}

/** A shell with the learner's name in its prompt: bash if the caller uses it or no other is known, else sh. */
async function interactive(folder: string, id: string, toolFolders: readonly string[]): Promise<[string, string[]]> {
  // The caller's start-up files may put other programs first.
  const settings = `PATH=${shellWord(toolFolders.join(":"))}:"$PATH"\nPS1='(${id}) '"$PS1"\n`;
  if (basename(process.env["SHELL"] ?? "bash") === "bash") {
    const startUp = join(homeFolder() ?? "/", ".bashrc");
    await writePrivateFile(join(folder, "bashrc"), `if [ -f ${shellWord(startUp)} ]; then . ${shellWord(startUp)}; fi\n${settings}`);
    return ["bash", ["--rcfile", join(folder, "bashrc"), "-i"]];
  }
  await writePrivateFile(join(folder, "shrc"), settings);
  return ["env", [`ENV=${join(folder, "shrc")}`, "sh", "-i"]];
}

/** The caller's environment, without settings that would take the place of the learner's: a person works in it. */
function own(caller: Environment): Environment {
  return Object.fromEntries(
    Object.entries(caller).filter(([name]) => !/^(GIT|FLUX|HELM|KUBE|DOCKER|PULUMI|GITOPS_LAB)_|^KUBECONFIG$|_ASKPASS$/.test(name)),
  );
}

async function runAs(env: Environment, command: string, args: readonly string[]): Promise<number> {
  // The terminal sends them to the child as well, which is whom they are meant for.
  const ignore = () => undefined;
  const ended = new AbortController();
  const end = () => ended.abort();
  for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, ignore);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  try {
    const result = await run(command, args, { env, extendEnv: false, stdio: "inherit", reject: false, cancelSignal: ended.signal });
    if (result.code === "ENOENT")
      throw new LabError("command-unknown", `There is no program "${command}" on PATH. Nothing was run.`, { exitCode: ExitCode.badInput });
    return result.exitCode ?? 128 + (constants.signals[result.signal ?? "SIGTERM"] ?? 0);
  } finally {
    for (const signal of ["SIGINT", "SIGQUIT"] as const) process.off(signal, ignore);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, end);
  }
}
