import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RepositoryAccess } from "../../host/images/crane.ts";
import { bareRepository, type BareRepository } from "../../host/pipeline/bare-repository.ts";
import { run } from "../../shared/exec.ts";
import type { Environment } from "../../shared/names.ts";
import { newestTag } from "../../shared/tags.ts";
import { toolPath } from "../../tools/locate.ts";
import { proposalBranch, recordPath } from "../../verification/promotion-record.ts";
import { GitClient } from "./git-client.ts";
import { LearnerClone, seedOf, writeOverlay } from "./learner-clone.ts";

export interface JobResult {
  readonly exitCode: number | undefined;
  /** What the runner reads: its commands begin with `::`. */
  readonly output: string;
}

/** A builder's command line in the place of Docker's: an image of what it is given, and a log of how it was called. */
const builder = `#!/usr/bin/env bash
set -euo pipefail
echo "$*" >>"$BUILDER/calls"
case $1 in
  build)
    context=\${*: -1}
    if grep -q nonsense "$context/main.go"; then
      printf '%s\\n' '::warning::of the source' 'main.go:3: undefined: "nonsense"' >&2
      exit 1
    fi
    tar -cf "$BUILDER/layer.tar" -C "$context" .
    ;;
  save) crane append --new_layer "$BUILDER/layer.tar" --new_tag "$4" --output "$3" 2>/dev/null ;;
esac
`;

/**
 * A learner's repository as GitHub would have it, on disk, with the real registry. The runner is played: each job gets a
 * fresh clone and runs the repository's own scripts. So is Flux, which proposes when a test lets it.
 */
export class GithubLearner extends LearnerClone {
  readonly bare: string;
  readonly repository: BareRepository;
  readonly #home: string;

  constructor(home: string, registry: RepositoryAccess) {
    super(new GitClient("http://127.0.0.1", undefined), join(home, "work"), registry);
    this.#home = home;
    this.bare = join(home, "bare.git");
    this.repository = bareRepository(this.bare);
  }

  static async create(parent: string, id: string, registryHost: string): Promise<GithubLearner> {
    const { registry, files } = await seedOf(id, { registry: registryHost, gitHost: "github" });
    const learner = new GithubLearner(await mkdtemp(join(parent, "github-")), registry);
    await learner.#start(files);
    return learner;
  }

  async #start(files: Readonly<Record<string, string>>): Promise<void> {
    const bin = join(this.#home, "bin");
    await mkdir(bin);
    await symlink(await toolPath("crane"), join(bin, "crane"));
    await writeFile(join(bin, "docker"), builder);
    await chmod(join(bin, "docker"), 0o755);
    await writeFile(join(this.#home, "calls"), "");
    await this.git.git(this.#home, "init", "--quiet", "--bare", "--initial-branch=main", this.bare);
    await this.git.git(this.#home, "clone", "--quiet", this.bare, this.work);
    await this.commit(files, "Seed");
    await this.git.git(this.work, "push", "--quiet", "origin", "HEAD:main");
  }

  /** Runs a script of the repository as a job of its workflow does. */
  async job(script: "build" | "promote" | "take-proposal"): Promise<JobResult> {
    const clone = await mkdtemp(join(this.#home, "job-"));
    await this.git.git(clone, "clone", "--quiet", this.bare, ".");
    const env = {
      PATH: `${join(this.#home, "bin")}:${process.env["PATH"]}`,
      HOME: clone,
      BUILDER: this.#home,
      GIT_CONFIG_NOSYSTEM: "1",
      REGISTRY_USERNAME: this.registry.username,
      REGISTRY_PASSWORD: this.registry.password,
    };
    const result = await run("bash", [`.github/pipeline/${script}.sh`], { cwd: clone, env, extendEnv: false, reject: false, all: true });
    await rm(clone, { recursive: true });
    return { exitCode: result.exitCode, output: result.all };
  }

  /** Commits these files on the newest main and pushes. */
  async push(files: Readonly<Record<string, string | Buffer | undefined>>): Promise<string> {
    await this.pull();
    await this.commit(files);
    return this.pushAsIs();
  }

  async pushAsIs(): Promise<string> {
    await this.git.git(this.work, "push", "--quiet", "origin", "HEAD:main");
    return this.git.git(this.work, "rev-parse", "HEAD");
  }

  /** Ships another app under a version and lets develop have it. */
  async ship(version: string): Promise<void> {
    await this.push({ "app/VERSION": `${version}\n`, "app/version.go": `package main\n\n// ${version}\n` });
    const { exitCode, output } = await this.job("build");
    if (exitCode !== 0) throw new Error(output);
    await this.automate("develop");
  }

  /** What image automation does: writes the newest tag of an environment, to main in develop, else as a proposal. */
  async automate(environment: Environment): Promise<void> {
    const tag = newestTag(await this.tags(), environment)!;
    const digest = await this.digest(tag);
    await this.pull();
    await writeOverlay(this.work, environment, { tag, digest });
    const author = ["-c", "user.name=gitops-lab-bot", "-c", "user.email=gitops-lab-bot@localhost"];
    await this.git.git(this.work, ...author, "commit", "--quiet", "--all", "--message", `Update ${environment}`);
    const branch = environment === "develop" ? "main" : proposalBranch(environment);
    await this.git.git(this.work, "push", "--quiet", "--force", "origin", `HEAD:refs/heads/${branch}`);
    await this.pull();
  }

  /** Asks for what an environment's overlay names in the next one; returns the commit. */
  async ask(from: Environment, to: Environment, note?: string): Promise<string> {
    return this.push({ [recordPath(to)]: await this.recordOf(from, note) });
  }

  /** How often an image was built. */
  async builds(): Promise<number> {
    return (await readFile(join(this.#home, "calls"), "utf8")).split("\n").filter((call) => call.startsWith("build ")).length;
  }

  /** Somebody else pushes to a ref just before the next push to it. */
  async overtake(ref: string): Promise<void> {
    const hook = join(this.bare, "hooks", "update");
    const flag = join(this.#home, "overtaken");
    const other = `git -c user.name=other -c user.email=other@example.org commit-tree "$1^{tree}" -p "$1" -m Other`;
    await rm(flag, { force: true });
    await writeFile(hook, `#!/bin/sh\n[ "$1" = ${ref} ] && [ ! -e ${flag} ] || exit 0\ntouch ${flag}\ngit update-ref "$1" "$(${other})"\n`);
    await chmod(hook, 0o755);
  }
}
