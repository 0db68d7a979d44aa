import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { imageRepository } from "../../registries/embedded/repository.ts";
import { seedImages } from "../../host/drivers/seed-images.ts";
import { withRepository, type RepositoryAccess } from "../../host/images/crane.ts";
import { bareRepository, type BareRepository } from "../../host/pipeline/bare-repository.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { run } from "../../shared/exec.ts";
import type { Environment } from "../../shared/names.ts";
import { newestTag } from "../../shared/tags.ts";
import { toolPath } from "../../tools/locate.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { proposalBranch, recordPath } from "../../verification/promotion-record.ts";
import { GitClient } from "./git-client.ts";

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
export class GithubLearner {
  readonly git = new GitClient("http://127.0.0.1", undefined);
  readonly work: string;
  readonly bare: string;
  readonly repository: BareRepository;
  readonly registry: RepositoryAccess;
  readonly #home: string;

  constructor(home: string, registry: RepositoryAccess) {
    this.#home = home;
    this.work = join(home, "work");
    this.bare = join(home, "bare.git");
    this.repository = bareRepository(this.bare);
    this.registry = registry;
  }

  static async create(parent: string, id: string, registryHost: string): Promise<GithubLearner> {
    const { output: images } = await imageRepository.ensure({ cohort: "demo", learner: id, name: "backend", registry: registryHost });
    const registry = {
      repository: images.repository,
      username: images.pipelineUsername,
      password: images.pipelinePassword,
      insecure: true,
    };
    const params = template.params.parse({});
    const releases = template
      .releases(params)
      .map((release) => ({ ...release, tags: template.environments.map((environment) => template.tag(environment, release)) }));
    const { output: seeded } = await seedImages.ensure({ ...registry, app: template.app(params), releases });
    const learner = new GithubLearner(await mkdtemp(join(parent, "github-")), registry);
    const files = template.seed({
      params,
      learner: { id, name: id, email: `${id}@example.org` },
      imageRepository: registry.repository,
      insecureRegistry: true,
      gitUrl: "",
      branch: "main",
      gitHost: "github",
      digests: seeded.digests,
    });
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
    await this.#write(files);
    await this.git.git(this.work, "commit", "--quiet", "--message", "Seed");
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

  async commit(files: Readonly<Record<string, string | Buffer | undefined>>): Promise<void> {
    await this.#write(files);
    await this.git.git(this.work, "commit", "--quiet", "--message", "Change");
  }

  async pushAsIs(): Promise<string> {
    await this.git.git(this.work, "push", "--quiet", "origin", "HEAD:main");
    return this.git.git(this.work, "rev-parse", "HEAD");
  }

  async pull(): Promise<void> {
    await this.git.git(this.work, "fetch", "--quiet", "origin");
    await this.git.git(this.work, "reset", "--quiet", "--hard", "origin/main");
  }

  async #write(files: Readonly<Record<string, string | Buffer | undefined>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      const file = join(this.work, path);
      await mkdir(dirname(file), { recursive: true });
      if (content === undefined) await rm(file, { recursive: true });
      else await writeFile(file, content);
    }
    await this.git.git(this.work, "add", "--all");
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
    const file = join(this.work, overlayPath(environment));
    const overlay = await readFile(file, "utf8");
    await writeFile(file, overlay.replace(/newTag: \S+/, `newTag: ${tag}`).replace(/digest: \S+/, `digest: ${digest}`));
    const author = ["-c", "user.name=gitops-lab-bot", "-c", "user.email=gitops-lab-bot@localhost"];
    await this.git.git(this.work, ...author, "commit", "--quiet", "--all", "--message", `Update ${environment}`);
    const branch = environment === "develop" ? "main" : proposalBranch(environment);
    await this.git.git(this.work, "push", "--quiet", "--force", "origin", `HEAD:refs/heads/${branch}`);
    await this.pull();
  }

  /** Asks for what an environment's overlay names in the next one; returns the commit. */
  async ask(from: Environment, to: Environment, note?: string): Promise<string> {
    const { tag, digest } = await this.image(from);
    return this.push({ [recordPath(to)]: `tag: ${tag}\ndigest: ${digest}\n${note === undefined ? "" : `note: ${note}\n`}` });
  }

  /** What an environment's overlay on main names. */
  async image(environment: Environment): Promise<{ tag: string; digest: string }> {
    await this.pull();
    const overlay = await readFile(join(this.work, overlayPath(environment)), "utf8");
    return { tag: /newTag: (\S+)/.exec(overlay)![1]!, digest: /digest: (\S+)/.exec(overlay)![1]! };
  }

  tags(): Promise<string[]> {
    return withRepository(this.registry, (client) => client.tags());
  }

  digest(tag: string): Promise<string> {
    return withRepository(this.registry, (client) => client.digest(tag));
  }

  async tip(): Promise<string> {
    await this.pull();
    return this.git.git(this.work, "rev-parse", "HEAD");
  }

  async hasBranch(branch: string): Promise<boolean> {
    return (await this.git.git(this.work, "ls-remote", "--heads", "origin", branch)) !== "";
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
