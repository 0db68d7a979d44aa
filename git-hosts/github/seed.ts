import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabError } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import { gitCredentials, gitEnvironment } from "../../verification/git-reader.ts";
import { createRepository, seedRepository, type Seed } from "../../host/git/repository.ts";

export interface RemoteBranch {
  /** HTTP(S) clone URL without credentials. */
  readonly url: string;
  readonly branch: string;
  readonly username: string;
  readonly password: string;
}

/**
 * Pushes the seed as one commit to a repository elsewhere and returns its id. A branch that is there already is never
 * touched: then its first commit is the seed.
 */
export async function seedRemote(remote: RemoteBranch, seed: Seed): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gitops-lab-seed-"));
  const ref = `refs/heads/${remote.branch}`;
  const git = async (...args: readonly string[]) => {
    const result = await run(await toolPath("git"), [`--git-dir=${folder}`, ...args], {
      env: { ...gitEnvironment(), ...gitCredentials(remote) },
      reject: false,
      stdin: "ignore",
    });
    if (result.exitCode === 0) return result.stdout.trim();
    throw new LabError(
      "git-unreachable",
      `\`git ${args[0]}\` at ${remote.url} failed: ${result.stderr.trim()}. The credential must be allowed to push there, workflow files included. Run the command again.`,
    );
  };
  try {
    await createRepository(folder, remote.branch);
    // The pattern is of the end of a name.
    if (!(await git("ls-remote", remote.url, ref)).split("\n").some((line) => line.endsWith(`\t${ref}`))) {
      const commit = await seedRepository(folder, remote.branch, seed);
      await git("push", "--quiet", remote.url, `${commit}:${ref}`);
      return commit;
    }
    // Commits alone, without the files.
    await git("fetch", "--quiet", "--filter=tree:0", remote.url, `+${ref}:refs/gitops-lab/there`);
    return (await git("rev-list", "--max-parents=0", "refs/gitops-lab/there")).split("\n").at(-1) ?? "";
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
