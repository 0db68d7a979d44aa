import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { seedImages } from "../../host/drivers/seed-images.ts";
import { withRepository, type RepositoryAccess } from "../../host/images/crane.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { imageRepository } from "../../registries/embedded/repository.ts";
import type { Environment } from "../../shared/names.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import type { GitClient } from "./git-client.ts";

/** A learner's image path with the template's releases in it, and the files of their seed commit. */
export async function seedOf(
  id: string,
  { cohort = "demo", registry: host, gitHost }: { readonly cohort?: string; readonly registry: string; readonly gitHost?: "github" },
): Promise<{ readonly registry: RepositoryAccess & { readonly insecure: true }; readonly files: Readonly<Record<string, string>> }> {
  const { output: images } = await imageRepository.ensure({ cohort, learner: id, name: "backend", registry: host });
  const registry = {
    repository: images.repository,
    username: images.pipelineUsername,
    password: images.pipelinePassword,
    insecure: true,
  } as const;
  const params = template.params.parse({});
  const releases = template
    .releases(params)
    .map((release) => ({ ...release, tags: template.environments.map((environment) => template.tag(environment, release)) }));
  const { output: seeded } = await seedImages.ensure({ ...registry, app: template.app(params), releases });
  const files = template.seed({
    params,
    learner: { id, name: id, email: `${id}@example.org` },
    imageRepository: registry.repository,
    insecureRegistry: true,
    gitUrl: "",
    branch: "main",
    ...(gitHost && { gitHost }),
    digests: seeded.digests,
  });
  return { registry, files };
}

/** A learner's clone of their repository, and their images: what a test does in it as the learner would. */
export abstract class LearnerClone {
  readonly git: GitClient;
  readonly work: string;
  readonly registry: RepositoryAccess;

  constructor(git: GitClient, work: string, registry: RepositoryAccess) {
    this.git = git;
    this.work = work;
    this.registry = registry;
  }

  /** Commits these files as the clone is; undefined takes one away. */
  async commit(files: Readonly<Record<string, string | Buffer | undefined>>, message = "Change"): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      const file = join(this.work, path);
      await mkdir(dirname(file), { recursive: true });
      if (content === undefined) await rm(file, { recursive: true });
      else await writeFile(file, content);
    }
    await this.git.git(this.work, "add", "--all");
    await this.git.git(this.work, "commit", "--quiet", "--message", message);
  }

  async pull(): Promise<void> {
    await this.git.git(this.work, "fetch", "--quiet", "origin");
    await this.git.git(this.work, "reset", "--quiet", "--hard", "origin/main");
  }

  /** What an environment's overlay on main names. */
  async image(environment: Environment): Promise<{ tag: string; digest: string }> {
    await this.pull();
    const overlay = await readFile(join(this.work, overlayPath(environment)), "utf8");
    return { tag: /newTag: (\S+)/.exec(overlay)![1]!, digest: /digest: (\S+)/.exec(overlay)![1]! };
  }

  /** The record that asks for what an environment's overlay names. */
  async recordOf(environment: Environment, note?: string): Promise<string> {
    const image = await this.image(environment);
    return `tag: ${image.tag}\ndigest: ${image.digest}\n${note === undefined ? "" : `note: ${note}\n`}`;
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
}

/** Lets the overlay of an environment in a clone name another image, as image automation writes it. */
export async function writeOverlay(
  clone: string,
  environment: Environment,
  image: { readonly tag: string; readonly digest: string },
): Promise<void> {
  const path = join(clone, overlayPath(environment));
  const overlay = await readFile(path, "utf8");
  await writeFile(path, overlay.replace(/newTag: \S+/, `newTag: ${image.tag}`).replace(/digest: \S+/, `digest: ${image.digest}`));
}
