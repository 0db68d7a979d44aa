import { stat } from "node:fs/promises";
import { join } from "node:path";
import { recentLimitHits } from "../host/limits/hits.ts";
import { drillRunsFile, readRuns } from "../records/drills.ts";
import { exerciseRecordsFile, readRecords } from "../records/exercises.ts";
import { quizAttemptsFile, readAttempts } from "../records/quiz.ts";
import type { Environment } from "../shared/names.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { cohortPaths } from "../shared/paths.ts";
import { gitChain } from "../verification/bundle/git-chain.ts";
import { desiredImage } from "../verification/desired-image.ts";
import { gitReader, type GitReader } from "../verification/git-reader.ts";
import type { BranchFacts, LearnerFacts } from "./facts.ts";

const commitLimit = 200;
const mostHits = 20;
const gitSeconds = 30;

/** Files by whose times it shows that something of a learner is another, and how that is read then. */
export interface Sign {
  readonly name: string;
  readonly files: readonly string[];
  readonly read: () => Promise<Partial<LearnerFacts>>;
}

/** The signs of what the lab itself keeps of a learner, on this machine. */
export function signsOf(cohort: string, id: string): readonly Sign[] {
  const own = cohortPaths(cohort).learner(id);
  return [
    {
      name: "exercise records",
      files: [exerciseRecordsFile(cohort, id)],
      read: async () => ({ exercises: await readRecords(cohort, id) }),
    },
    { name: "quiz attempts", files: [quizAttemptsFile(cohort, id)], read: async () => ({ attempts: await readAttempts(cohort, id) }) },
    { name: "drill runs", files: [drillRunsFile(cohort, id)], read: async () => ({ drills: await readRuns(cohort, id) }) },
    { name: "limits", files: [own.limitHits], read: async () => ({ limitHits: (await recentLimitHits(own)).slice(-mostHits) }) },
  ];
}

/** Files of a repository that are others when a branch or what the pipeline noted has moved. */
export function refsIn(repository: string, branch: string): readonly string[] {
  // A ref is a file of its own or a line in the last.
  return [`refs/heads/${branch}`, "refs/notes/pipeline", "packed-refs"].map((ref) => join(repository, ref));
}

/** Where the learner's repository is if the lab host serves it; nothing is there otherwise. */
export function repositoryFolder(cohort: string, { id, git }: LearnerOutputs): string {
  return join(cohortPaths(cohort).git, id, new URL(git.url).pathname.split("/").at(-1) ?? "");
}

/** When a file was last written; replaced ones differ by their inode as well. */
export async function timeOf(file: string): Promise<string> {
  try {
    const { mtimeMs, ino } = await stat(file);
    return `${mtimeMs}/${ino}`;
  } catch {
    return "absent";
  }
}

/** Files of commits, which never change, by commit and path. */
export type CommitFiles = Map<string, Promise<string | undefined>>;

/**
 * Reads the branch that Flux follows: its commits, and which image each environment wants. Throws where the repository does
 * not answer.
 *
 * @param files what was read before; gets what is read now
 */
export async function readBranch(
  { git, registry }: LearnerOutputs,
  environments: readonly Environment[],
  files: CommitFiles,
): Promise<BranchFacts> {
  await using remote = gitReader(git, AbortSignal.timeout(gitSeconds * 1000));
  const reader = remembering(remote, files);
  const tip = await reader.head();
  const { commits, truncated } = await gitChain(reader, commitLimit, environments, registry.repository);
  const images = [];
  for (const name of environments) {
    const image = await desiredImage(reader, tip, name, registry.repository);
    images.push({ name, ...(image && { image }) });
  }
  return { name: git.branch, tip, commits, truncated, environments: images };
}

/** A reader that reads each file of each commit once. */
function remembering(reader: GitReader, files: CommitFiles): GitReader {
  return {
    ...reader,
    readFile(treeish, path) {
      const key = `${treeish}:${path}`;
      let content = files.get(key);
      if (content === undefined) {
        files.set(key, (content = reader.readFile(treeish, path)));
        content.catch(() => files.delete(key));
      }
      return content;
    },
  };
}
