import { readdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { toolPath } from "../../tools/locate.ts";
import { handoutFiles, handoutOf, shellWord } from "../../lab-templates/handout/document.ts";
import { renderPage } from "../../lab-templates/handout/html.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note, print } from "../terminal.ts";

export interface HandoutOptions {
  readonly cohort: string;
  /** Folder for the handout: new, empty, or one that holds a handout already. */
  readonly out?: string | undefined;
}

/** Writes a learner's handout with the files that hold the credentials. Returns the exit code. */
export async function handout(learner: string, options: HandoutOptions): Promise<number> {
  return writeHandout(await readOutputs(parseCohortName(options.cohort)), learner, options);
}

export async function writeHandout(outputs: CohortOutputs, id: string, { out }: Omit<HandoutOptions, "cohort">): Promise<number> {
  const learner = selectLearner(outputs, id);
  const folder = resolve(out ?? join("handouts", `${outputs.cohort}-${id}`));
  await refuseOther(folder);
  const folders = [...new Set((await Promise.all((["kubectl", "flux", "crane"] as const).map((tool) => toolPath(tool)))).map(dirname))];
  const page = handoutOf(outputs, learner, labTemplate(outputs.template));
  await makePrivateFolder(folder);
  await makePrivateFolder(dirname(join(folder, handoutFiles.registry)));
  const files = { "handout.md": page, "handout.html": renderPage(page), [handoutFiles.environment]: environmentOf(folders), ...credentialsOf(learner) };
  for (const [name, content] of Object.entries(files)) await writePrivateFile(join(folder, name), content);
  print(relative("", folder) || ".");
  note(`For ${learner.name}. The folder holds credentials: hand it over as a whole, to nobody else.`);
  return ExitCode.ok;
}

/** The mode of the folder is changed and files in it are replaced, so it must be a handout's own. */
async function refuseOther(folder: string): Promise<void> {
  const present: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as string[];
    throw new LabError("handout-folder-unusable", `${folder} can't be used for a handout: ${error.message}. Name another with \`--out\`.`, { exitCode: ExitCode.badInput, cause: error });
  });
  if (present.length === 0 || present.includes("handout.md")) return;
  throw new LabError("handout-folder-taken", `${folder} holds other files and no handout. Name a new folder with \`--out\`.`, { exitCode: ExitCode.badInput });
}

/** Found by the place of the file itself in bash and zsh, by the current folder in other shells. */
function environmentOf(folders: readonly string[]): string {
  return `# Source this in the shell in which you work: . ./${handoutFiles.environment}
HANDOUT=$(CDPATH= cd -- "$(dirname -- "\${BASH_SOURCE:-$0}")" && pwd)
export HANDOUT
export KUBECONFIG="$HANDOUT/${handoutFiles.kubeconfig}"
export DOCKER_CONFIG="$HANDOUT/${dirname(handoutFiles.registry)}"
export PATH=${folders.map(shellWord).join(":")}:"$PATH"
`;
}

function credentialsOf({ cluster, git, registry }: LearnerOutputs): Record<string, string> {
  const url = new URL(git.url);
  const login = `${encodeURIComponent(git.username)}:${encodeURIComponent(git.password)}`;
  const auth = Buffer.from(`${registry.username}:${registry.password}`).toString("base64");
  return {
    [handoutFiles.kubeconfig]: cluster.kubeconfig,
    ...(git.password !== "" && { [handoutFiles.git]: `${url.protocol}//${login}@${url.host}\n` }),
    [handoutFiles.registry]: registry.shared ? "{}\n" : `${JSON.stringify({ auths: { [registry.repository.split("/", 1)[0]!]: { auth } } }, null, 2)}\n`,
  };
}
