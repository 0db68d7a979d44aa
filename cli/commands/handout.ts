import { readdir } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { entryUrl, issueEntry } from "../../dashboard/access.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { cacheHome } from "../../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { checkScript } from "../../lab-templates/handout/check-script.ts";
import { handoutFiles, handoutOf, shellWord } from "../../lab-templates/handout/document.ts";
import { renderPage } from "../../lab-templates/handout/html.ts";
import { credentialFiles, toolFolders } from "../learner-files.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note, print } from "../terminal.ts";

export interface HandoutOptions {
  readonly cohort: string;
  /** Folder for the handout: new, empty, or one that holds a handout already. */
  readonly out?: string | undefined;
  /** Also write it as one file, `<folder>.tar.gz`. */
  readonly archive?: boolean;
}

/** A handout may be given out some days before a course. */
const linkLifetime = 7 * 24 * 3_600_000;

/** Writes a learner's handout with the files that hold the credentials. Returns the exit code. */
export async function handout(learner: string, options: HandoutOptions): Promise<number> {
  return writeHandout(await readOutputs(parseCohortName(options.cohort)), learner, options);
}

export async function writeHandout(
  outputs: CohortOutputs,
  id: string,
  { out, archive = false }: Omit<HandoutOptions, "cohort">,
): Promise<number> {
  const learner = selectLearner(outputs, id);
  const folder = resolve(out ?? join("handouts", `${outputs.cohort}-${id}`));
  await refuseOther(folder);
  const page = handoutOf(outputs, learner, labTemplate(outputs.template));
  await makePrivateFolder(folder);
  await makePrivateFolder(dirname(join(folder, handoutFiles.registry)));
  const files: Record<string, string> = {
    "handout.md": page,
    "handout.html": renderPage(page),
    [handoutFiles.environment]: environmentOf(await toolFolders(), learner),
    [handoutFiles.check]: checkScript(learner),
    ...credentialFiles(learner),
    ...(learner.open && {
      [handoutFiles.page]: `${entryUrl(learner.open.page, await issueEntry(outputs.cohort, { role: "learner", learner: id }, linkLifetime))}\n`,
    }),
  };
  for (const [name, content] of Object.entries(files)) await writePrivateFile(join(folder, name), content);
  print(relative("", folder) || ".");
  if (archive) {
    const file = `${folder}.tar.gz`;
    await writePrivateFile(file, await packFolder(basename(folder), files));
    print(relative("", file));
  }
  note(`For ${learner.name}. The folder holds credentials: hand it over as a whole, to nobody else.`);
  return ExitCode.ok;
}

/** This changes the folder's mode and replaces files in it, so the folder must be a handout's own. */
async function refuseOther(folder: string): Promise<void> {
  const present: string[] = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as string[];
    throw new LabError("handout-folder-unusable", `${folder} can't be used for a handout: ${error.message}. Name another with \`--out\`.`, {
      exitCode: ExitCode.badInput,
      cause: error,
    });
  });
  if (present.length === 0 || present.includes("handout.md")) return;
  throw new LabError("handout-folder-taken", `${folder} holds other files and no handout. Name a new folder with \`--out\`.`, {
    exitCode: ExitCode.badInput,
  });
}

/**
 * bash and zsh find the handout by the place of the file itself, other shells by the current folder. The lab's own programs are
 * for the account that the lab belongs to: another has no access to them and should not learn where they are.
 */
export function environmentOf(folders: readonly string[], { open }: Pick<LearnerOutputs, "open">): string {
  // Only for crane: the others read kubeconfig and Git's configuration, and other sites have other authorities.
  const crane = open ? `crane() { SSL_CERT_FILE="$HANDOUT/${handoutFiles.authority}" command crane "$@"; }\n` : "";
  const ofLab = folders.map((folder) => relative(cacheHome(), folder)).filter((folder) => !folder.startsWith(".."));
  return `# Source this in the shell in which you work: . ./${handoutFiles.environment}
HANDOUT=$(CDPATH= cd -- "$(dirname -- "\${BASH_SOURCE:-$0}")" && pwd)
export HANDOUT
export KUBECONFIG="$HANDOUT/${handoutFiles.kubeconfig}"
export DOCKER_CONFIG="$HANDOUT/${dirname(handoutFiles.registry)}"
lab_cache=\${XDG_CACHE_HOME:-}
case $lab_cache in /*) ;; *) lab_cache=\${HOME:-}/.cache ;; esac
for lab_folder in ${ofLab.map(shellWord).join(" ")}; do
  if [ -d "$lab_cache/gitops-lab/$lab_folder" ]; then export PATH="$lab_cache/gitops-lab/$lab_folder:$PATH"; fi
done
for lab_program in git kubectl flux crane; do
  command -v "$lab_program" >/dev/null || echo "$lab_program is not on your PATH: install it, or ask who runs the lab." >&2
done
unset lab_cache lab_folder lab_program
${crane}`;
}

/** A gzipped tar with one folder in it. */
async function packFolder(name: string, files: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack();
  for (const [path, content] of Object.entries(files)) tar.entry({ name: `${name}/${path}`, mode: 0o600 }, content);
  tar.finalize();
  return buffer(tar.pipe(createGzip()));
}
