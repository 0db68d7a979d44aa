import { mkdtemp, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../../shared/exec.ts";
import { toolPath } from "../../../tools/locate.ts";
import type { FakeRepository } from "./state.ts";

/** GitHub Actions as the lab's workflows need them: each push runs the repository's own scripts that it would start. */
export interface ActionsRunner {
  /** What every job wrote, oldest first. */
  readonly jobs: readonly {
    readonly repository: string;
    readonly script: string;
    readonly exitCode: number | undefined;
    readonly output: string;
  }[];
  readonly onPushed: (repository: FakeRepository) => void;
  /** Resolves when nothing is left to run. */
  idle(): Promise<void>;
}

type Refs = ReadonlyMap<string, string>;

/** @param folder for the jobs' clones */
export function actionsRunner(folder: string): ActionsRunner {
  const jobs: ActionsRunner["jobs"][number][] = [];
  const seen = new Map<number, Refs>();
  let queue = Promise.resolve();
  let bin: string | undefined;

  const git = async (path: string, ...args: string[]) =>
    (await run("git", [`--git-dir=${path}`, ...args], { env: { GIT_CONFIG_GLOBAL: "/dev/null" } })).stdout;
  async function refsOf({ path }: FakeRepository): Promise<Refs> {
    const lines = await git(path, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads");
    return new Map(
      lines
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split(" ", 2) as [string, string]),
    );
  }

  async function job(repository: FakeRepository, script: string): Promise<void> {
    if (bin === undefined) {
      bin = await mkdtemp(join(folder, "bin-"));
      await symlink(await toolPath("crane"), join(bin, "crane"));
    }
    const clone = await mkdtemp(join(folder, "job-"));
    await run("git", ["clone", "--quiet", repository.path, "."], { cwd: clone });
    const env = { PATH: `${bin}:${process.env["PATH"]}`, HOME: clone, GIT_CONFIG_NOSYSTEM: "1", ...Object.fromEntries(repository.secrets) };
    const { exitCode, all } = await run("bash", [`.github/pipeline/${script}.sh`], {
      cwd: clone,
      env,
      extendEnv: false,
      reject: false,
      all: true,
    });
    jobs.push({ repository: repository.name, script, exitCode, output: all });
    await rm(clone, { recursive: true });
  }

  async function work(repository: FakeRepository): Promise<void> {
    const [before, after] = [seen.get(repository.id) ?? new Map<string, string>(), await refsOf(repository)];
    const [old, main] = ["refs/heads/main"].flatMap((ref) => [before.get(ref), after.get(ref)]);
    const scripts = new Set<string>();
    if (main !== undefined && main !== old) {
      const changed = (
        old === undefined
          ? await git(repository.path, "ls-tree", "-r", "--name-only", main)
          : await git(repository.path, "diff", "--name-only", old, main)
      ).split("\n");
      if (changed.some((path) => path.startsWith("app/"))) scripts.add("build");
      if (changed.some((path) => path.startsWith("promotion/"))) scripts.add("promote").add("take-proposal");
    }
    if ([...after].some(([ref, commit]) => ref.startsWith("refs/heads/image-updates/") && before.get(ref) !== commit))
      scripts.add("take-proposal");
    for (const script of scripts) await job(repository, script);
    // What a job pushes with its own token starts nothing: that is to main. A proposal that came meanwhile is still to be taken.
    const now = await refsOf(repository);
    seen.set(repository.id, new Map([...after, ...[...now].filter(([ref]) => ref === "refs/heads/main")]));
  }

  return {
    jobs,
    onPushed: (repository) => {
      if (repository.actions.enabled)
        queue = queue
          .then(() => work(repository))
          .catch(
            (error: unknown) =>
              void jobs.push({ repository: repository.name, script: "runner", exitCode: undefined, output: String(error) }),
          );
    },
    idle: () => queue,
  };
}
