import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Backstage, WorkTree } from "../../lab-templates/workbench.ts";
import { colleagueUsername, PushRefused } from "../../lab-templates/workbench.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { resetUsername, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { waitUntil } from "../../shared/wait.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import { toolPath } from "../../tools/locate.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { gitCredentials, gitEnvironment } from "../../verification/git-reader.ts";
import { imageChanges } from "../../verification/held-rollback.ts";
import { promotionTrailer, proposalBranch, recordPath } from "../../verification/promotion-record.ts";
import type { CheckContext } from "../../verification/types.ts";
import { observe } from "../../verification/verify.ts";
import { issueCredential } from "../access.ts";
import { interrupt } from "../git/outage.ts";
import { withRepository } from "../images/crane.ts";
import { layoutDigest, writeLayout } from "../images/layout.ts";
import { buildModule, tarOf } from "../images/program.ts";
import { toolchain } from "../images/toolchain.ts";
import { readPipelineConfig } from "../pipeline/config.ts";
import { learnerRooms } from "../jobs/jobs.ts";

/** Calls `use` with a workbench for a learner's lab on this host; its folder, which holds credentials, goes afterwards. */
export async function withWorkbench<T>(
  cohort: string,
  learner: LearnerOutputs,
  environments: readonly Environment[],
  use: (bench: Backstage) => Promise<T>,
): Promise<T> {
  const folder = await makeScratchFolder("bench");
  try {
    return await use(await openWorkbench(folder, cohort, learner, environments));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Committer {
  readonly name: string;
  readonly email: string;
  readonly credential: { readonly username: string; readonly password: string };
}

async function openWorkbench(
  folder: string,
  cohort: string,
  learner: LearnerOutputs,
  environments: readonly Environment[],
): Promise<Backstage> {
  if (!isOnLabHost(learner.git)) {
    throw new LabError(
      "workbench-elsewhere",
      `The repository of learner ${learner.id} is on ${new URL(learner.git.url).host}, where the lab pushes nothing in a learner's or a colleague's name: drills and \`exercise solve\` need \`git.kind: embedded\`. \`./lab exercise check\` works all the same.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const lab = cohortPaths(cohort);
  const paths = lab.learner(learner.id);
  const registry = async () => {
    const config = await readPipelineConfig(cohort, learner.id);
    if (config !== undefined) return config.registry;
    throw new LabError("pipeline-missing", `The pipeline of learner ${learner.id} is not set up on this host. Run \`./lab up ${cohort}\`.`);
  };
  const kubeconfigs = { learner: join(folder, "learner.yaml"), admin: join(folder, "admin.yaml") };
  await writePrivateFile(kubeconfigs.learner, learner.cluster.kubeconfig);
  await writePrivateFile(kubeconfigs.admin, learner.cluster.adminKubeconfig);
  const tool = async (name: "kubectl" | "flux", kubeconfig: string, args: readonly string[], input?: string) => {
    const { stdout } = await run(await toolPath(name), args, {
      env: childEnvironment("login", { KUBECONFIG: kubeconfig, HOME: folder }),
      ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    });
    return stdout;
  };

  const own: Committer = { name: learner.name, email: learner.email, credential: learner.git };
  const colleague = async (): Promise<Committer> => ({
    name: "Casey Colleague",
    email: "casey@example.org",
    credential: await issueCredential(paths.access, "git", colleagueUsername(learner.id), "write"),
  });
  const resetter = async (): Promise<Committer> => ({
    name: "gitops-lab",
    email: "gitops-lab@localhost",
    credential: await issueCredential(paths.access, "git", resetUsername(learner.id), "write"),
  });
  const pushChange = (who: Committer, change: (git: Git, clone: string) => Promise<void>) => push(folder, learner.git, who, change);
  const committing = (message: string, change: (files: WorkTree) => Promise<void>) => async (git: Git, clone: string) => {
    await change(workTree(clone));
    await git("add", "--all");
    await git("commit", "--quiet", "--message", message);
  };

  return {
    learner,
    environments,
    observe: (look) => observe(learner, environments, look),
    commit: (message, change) => pushChange(own, committing(message, change)),
    commitAsColleague: async (message, change) => pushChange(await colleague(), committing(message, change)),
    revert: (commit) => pushChange(own, async (git) => void (await git("revert", "--no-edit", commit))),
    kubectl: (...args) => tool("kubectl", kubeconfigs.learner, args),
    flux: (...args) => tool("flux", kubeconfigs.learner, args),
    adminKubectl: (args, input) => tool("kubectl", kubeconfigs.admin, args, input),
    waitFor: <T>(what: string, look: (context: CheckContext) => Promise<T | undefined>, timeoutSeconds = 60) =>
      waitUntil<T>(
        async () => {
          try {
            const value = await observe(learner, environments, look);
            return value === undefined ? { done: false, because: "not yet." } : { done: true, value };
          } catch (error) {
            return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
          }
        },
        {
          what: `${what} in the lab of learner ${learner.id}`,
          timeoutSeconds,
          intervalMs: 250,
          remedy: `\`./lab verify ${learner.id}\` shows the lab's state.`,
        },
      ),
    tags: async () =>
      withRepository(await registry(), async (client) => {
        const tags = await client.tags();
        return new Map(await Promise.all(tags.map(async (tag) => [tag, await client.digest(tag)] as const)));
      }),
    tag: async (digest, tag) => withRepository(await registry(), (client) => client.tag(digest, tag)),
    untag: async (tag) => withRepository(await registry(), (client) => client.untag(tag)),
    async restoreFiles(commit, message) {
      const images = await observe(learner, environments, (context) => imagesAt(context, commit));
      return pushChange(await resetter(), (git) => restoreFiles(git, commit, message, environments, images));
    },
    async dropProposals() {
      const { git } = await cloneOf(folder, learner.git, await resetter());
      const refs = environments.map((environment) => `refs/heads/${proposalBranch(environment)}`);
      const present = (await git("ls-remote", "--refs", "origin", ...refs))
        .split("\n")
        .flatMap((line) => refs.filter((ref) => line.endsWith(`\t${ref}`)));
      if (present.length > 0) await git("push", "--quiet", "origin", "--delete", ...present);
    },
    interruptGit: (until) => interrupt(paths.gitOutage, until),
    async buildImage(version, change) {
      const clone = await cloneOf(folder, learner.git, own);
      await change(workTree(clone.path));
      const tools = await toolchain();
      const layout = join(clone.path, "..", "image");
      const room = learner.isolation === "room" ? await learnerRooms(cohort, lab)(learner.id) : "none";
      const built = await buildModule(await tarOf(join(clone.path, "app")), room);
      if (!("program" in built)) throw new LabError("image-build-failed", "words" in built ? built.words : built.fault);
      await writeLayout(layout, built.program, {
        version,
        revision: "0000000",
        created: Math.floor(Date.now() / 1000),
        arch: tools.arch,
      });
      const digest = await layoutDigest(layout);
      await withRepository(await registry(), (client) => client.push(layout, digest));
      return digest;
    },
  };
}

type Git = (...args: string[]) => Promise<string>;

/** A fresh clone in a folder of its own. */
async function cloneOf(
  folder: string,
  { url, branch }: LearnerOutputs["git"],
  who: Committer,
): Promise<{ readonly path: string; readonly git: Git }> {
  const path = join(await mkdtemp(join(folder, "clone-")), "work");
  await mkdir(path);
  const identity = { GIT_AUTHOR_NAME: who.name, GIT_AUTHOR_EMAIL: who.email, GIT_COMMITTER_NAME: who.name, GIT_COMMITTER_EMAIL: who.email };
  const env = { ...gitEnvironment(), ...identity, ...gitCredentials({ url, ...who.credential }) };
  const git: Git = async (...args) => (await run("git", args, { cwd: path, env, stdin: "ignore" })).stdout;
  await git("clone", "--quiet", "--branch", branch, "--", url, ".");
  return { path, git };
}

/** The commit that gave an environment the image that it had at an earlier commit. */
interface EarlierImage {
  readonly environment: Environment;
  readonly broughtBy: string;
}

/** Commits the files of an earlier commit, unless they are there already. */
async function restoreFiles(
  git: Git,
  commit: string,
  message: string,
  environments: readonly Environment[],
  images: readonly EarlierImage[],
): Promise<void> {
  const differing = async (from: string) => (await git("diff", "--name-only", from)).split("\n").filter((path) => path !== "");
  const changed = await differing(commit);
  if (changed.length === 0) return;
  await git("read-tree", "--reset", "-u", commit);
  // What brought an image is committed anew, so that the newest commit of an image is the one to revert, as it was before.
  const replayed = images.filter(({ environment }) => changed.includes(overlayPath(environment)));
  for (const { environment, broughtBy } of replayed) await git("checkout", "--quiet", `${broughtBy}^`, "--", overlayPath(environment));
  await git("commit", "--quiet", "--allow-empty", "--message", message);
  const restored = await git("rev-parse", "HEAD");
  for (const { environment, broughtBy } of replayed) {
    await git("checkout", "--quiet", commit, "--", overlayPath(environment));
    await git("commit", "--quiet", "--allow-empty", `--reuse-message=${broughtBy}`);
  }
  // A record that changed would be a promotion to carry out; this says that it was.
  const trailers = environments
    .filter((environment) => changed.includes(recordPath(environment)))
    .map((environment) => `${promotionTrailer}: ${environment} ${restored}`);
  if (trailers.length > 0)
    await git("commit", "--quiet", "--allow-empty", "--message", `${message}: nothing is promoted anew\n\n${trailers.join("\n")}`);
}

/** The commits that brought the environments their images, as of an earlier commit. */
async function imagesAt({ git, learner, environments }: CheckContext, commit: string): Promise<EarlierImage[]> {
  const found = await Promise.all(
    environments.map(async (environment) => {
      for (const change of await imageChanges(git, environment, learner.registry.repository)) {
        if (await git.isAncestor(change.commit, commit)) return [{ environment, broughtBy: change.commit }];
      }
      return [];
    }),
  );
  return found.flat();
}

/** Makes a change on the newest state of the branch and pushes it, again when somebody else was faster. */
async function push(
  folder: string,
  repository: LearnerOutputs["git"],
  who: Committer,
  change: (git: Git, clone: string) => Promise<void>,
): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const { path, git } = await cloneOf(folder, repository, who);
    await change(git, path);
    try {
      await git("push", "--quiet", "origin", `HEAD:refs/heads/${repository.branch}`);
      return await git("rev-parse", "HEAD");
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
      const refusal = [...said.matchAll(/^remote: refused: (.*?)\s*$/gm)].map(([, text]) => text).join("\n");
      if (refusal !== "") throw new PushRefused(refusal, { cause: error });
      if (attempt === 5 || !/fetch first|non-fast-forward|cannot lock ref|failed to update ref/.test(said)) throw error;
    }
  }
}

function workTree(clone: string): WorkTree {
  return {
    read: (path) => readIfExists(join(clone, path)),
    async write(path, content) {
      await mkdir(dirname(join(clone, path)), { recursive: true });
      await writeFile(join(clone, path), content);
    },
    remove: (path) => rm(join(clone, path), { recursive: true }),
  };
}
