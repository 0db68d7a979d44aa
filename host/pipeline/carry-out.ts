import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import { gitEnvironment, labRefs } from "../git/repository.ts";
import { pipelineAuthor, type BareRepository } from "./bare-repository.ts";

/** One file of a branch, changed by the pipeline itself. */
export interface OwnCommit {
  readonly branch: string;
  /** The branch's tip that the commit goes on top of. */
  readonly parent: string;
  readonly path: string;
  readonly content: string;
  readonly message: string;
  /** What the journal says of the commit. */
  readonly entry: JournalEntry;
}

/** Where a commit waits until the journal knows of it; nobody but the lab sees this ref. */
const waiting = `${labRefs}/carrying-out`;

/**
 * Puts a commit of the pipeline's own on a branch; undefined where the branch's tip is another by now. The journal has it
 * before the branch does, so that no kill between the two leaves an image on the branch that nobody seems to have brought.
 * Author and committer are the pipeline: whoever proposed the content could have called themselves anything.
 */
export async function commitAsPipeline(repository: BareRepository, commit: OwnCommit): Promise<string | undefined> {
  const { branch, parent, path, content, message, entry } = commit;
  const who = `${pipelineAuthor.name} <${pipelineAuthor.email}> ${Math.floor(Date.now() / 1000)} +0000`;
  const stream = [
    "feature done",
    `commit ${waiting}`,
    "mark :1",
    `author ${who}`,
    `committer ${who}`,
    data(`${message}\n`),
    `from ${parent}`,
    `M 100644 inline ${JSON.stringify(path)}`,
    data(content),
    "get-mark :1",
    "done\n",
  ].join("\n");
  // The ref may be there from one who was killed.
  const id = await git(repository, ["fast-import", "--quiet", "--force"], stream);
  if (id === undefined) throw new Error(`the commit "${message.split("\n")[0]}" could not be written`);
  await repository.note(id, entry);
  const moved = await git(repository, ["update-ref", `refs/heads/${branch}`, id, parent]);
  await git(repository, ["update-ref", "-d", waiting]);
  return moved === undefined ? undefined : id;
}

/** What git says; undefined where it refuses. */
async function git({ path }: BareRepository, args: readonly string[], input = ""): Promise<string | undefined> {
  const result = await run(await toolPath("git"), [`--git-dir=${path}`, ...args], {
    env: gitEnvironment(),
    reject: false,
    input,
  });
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}

function data(content: string): string {
  return `data ${Buffer.byteLength(content)}\n${content}`;
}
