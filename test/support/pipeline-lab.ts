import { mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fluxUsername } from "../../host/access.ts";
import { gitRepository, type GitRepositoryOutput } from "../../git-hosts/embedded/repository.ts";
import type { RepositoryAccess } from "../../host/images/crane.ts";
import { bareRepository } from "../../host/pipeline/bare-repository.ts";
import { writePipelineConfig } from "../../host/pipeline/config.ts";
import { jobsHere } from "../../host/jobs/jobs.ts";
import { Pipeline } from "../../host/pipeline/pipeline.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import type { Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { newestTag } from "../../shared/tags.ts";
import { desiredImage } from "../../verification/desired-image.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import { proposalBranch, recordPath } from "../../verification/promotion-record.ts";
import { GitClient } from "./git-client.ts";
import { LearnerClone, seedOf, writeOverlay } from "./learner-clone.ts";
import { environmentObjects, type Json } from "./lab-state.ts";
import { startLabServer, startRegistry, type LabServer, type RunningRegistry } from "./lab-server.ts";

const cohort = "demo";

/**
 * The pipeline on a real Git server and a real registry. Flux and the cluster are played: every environment runs what its
 * overlay on main says, and image automation proposes when a test lets it.
 */
export class PipelineLab {
  /** Learners whose branch the pipeline said has moved. */
  readonly moved: string[] = [];
  readonly #byHand = new Map<string, { readonly tag: string; readonly digest: string }>();
  readonly #home: string;
  readonly #paths: CohortPaths;
  #server!: LabServer;
  #registry!: RunningRegistry;

  constructor(home: string, paths: CohortPaths) {
    this.#home = home;
    this.#paths = paths;
  }

  async start(): Promise<void> {
    this.#server = await startLabServer(this.#paths, this.newPipeline());
    this.#registry = await startRegistry(this.#paths, this.#server);
  }

  async stop(): Promise<void> {
    await this.#registry.stop();
    await this.#server.close();
  }

  /** A pipeline as a daemon that starts has it. */
  newPipeline(): Pipeline {
    return new Pipeline({
      cohort,
      paths: this.#paths,
      kubeReader: (learner) => this.#kube(learner),
      jobs: jobsHere(async () => "none"),
      onBranchMoved: (learner) => this.moved.push(learner),
    });
  }

  /** A learner's seeded repository and images. */
  async learner(id: string): Promise<PipelineLearner> {
    const { registry, files } = await seedOf(id, { cohort, registry: this.#registry.host });
    const seed = { files, message: "Seed", author: { name: "Lab", email: "lab@localhost" }, date: 1767225600 };
    const { output: repository } = await gitRepository.ensure({
      cohort,
      learner: id,
      repository: "gitops",
      baseUrl: this.#server.url,
      branch: "main",
      seed,
    });
    // The kubeconfig only names the learner to the played cluster.
    await writePipelineConfig(cohort, id, { repository: "gitops", environments: [...template.environments], kubeconfig: id, registry });
    const work = await mkdtemp(join(this.#home, "work-"));
    const git = new GitClient(this.#server.url, { username: repository.learnerUsername, password: repository.learnerPassword });
    await git.git(work, "clone", "--quiet", repository.url, ".");
    const flux = new GitClient(this.#server.url, { username: fluxUsername(id), password: repository.fluxPassword });
    return new PipelineLearner(id, registry, repository, git, flux, work, this.#home);
  }

  /** Lets an environment run an image that Git does not name, as after `flux suspend` and `kubectl set image`. */
  setByHand(learner: string, environment: Environment, image: { readonly tag: string; readonly digest: string }): void {
    this.#byHand.set(`${learner} ${environment}`, image);
  }

  #kube(learner: string): KubeReader {
    const git = bareRepository(join(this.#paths.git, learner, "gitops.git"));
    const repository = `${this.#registry.host}/${learner}/backend`;
    const list = async (_apiVersion: string, kind: string, namespace?: string): Promise<Json[]> => {
      const environment = namespace as Environment;
      const byHand = this.#byHand.get(`${learner} ${environment}`);
      const image = byHand ? { repository, ...byHand } : await desiredImage(git, "refs/heads/main", environment, repository);
      return environmentObjects(environment, image as Required<NonNullable<typeof image>>).filter((object) => object["kind"] === kind);
    };
    return {
      list,
      get: async (apiVersion, kind, namespace, name) =>
        (await list(apiVersion, kind, namespace)).find((object) => object["metadata"].name === name),
    };
  }
}

export class PipelineLearner extends LearnerClone {
  readonly id: string;
  readonly #flux: GitClient;
  readonly #home: string;
  readonly #repository: GitRepositoryOutput;

  constructor(
    id: string,
    registry: RepositoryAccess,
    repository: GitRepositoryOutput,
    git: GitClient,
    flux: GitClient,
    work: string,
    home: string,
  ) {
    super(git, work, registry);
    this.id = id;
    this.#flux = flux;
    this.#home = home;
    this.#repository = repository;
  }

  /** The repository as a reader of it needs to know it. */
  get remote(): LearnerOutputs["git"] {
    const { url, branch, seedCommit, learnerUsername: username, learnerPassword: password } = this.#repository;
    return { kind: "embedded", url, branch, seedCommit, username, password };
  }

  /** Commits these files on the newest main and pushes; returns what the pipeline said, or throws with it. */
  async push(files: Readonly<Record<string, string | undefined>>, message = "Change"): Promise<string> {
    await this.pull();
    await this.commit(files, message);
    return this.pushAsIs();
  }

  async pushAsIs(): Promise<string> {
    return (await this.git.try(this.work, "push", "origin", "HEAD:main")).stderr;
  }

  /** Ships another app under a version. */
  async ship(version: string): Promise<string> {
    await this.pull();
    const main = await readFile(join(this.work, "app/main.go"), "utf8");
    return this.push({ "app/VERSION": `${version}\n`, "app/main.go": main.replace(/msg := ".*"|serving.*?"/, `serving ${version}"`) });
  }

  /** What image automation does: writes the newest tag of an environment, to main in develop, else as a proposal. */
  async automate(environment: Environment, tag?: string): Promise<void> {
    const newest = tag ?? newestTag(await this.tags(), environment)!;
    const digest = await this.digest(newest);
    const clone = await mkdtemp(join(this.#home, "flux-"));
    await this.#flux.git(clone, "clone", "--quiet", this.#repository.url, ".");
    const branch = environment === "develop" ? "main" : proposalBranch(environment);
    const exists = await this.#flux.git(clone, "ls-remote", "--heads", "origin", branch);
    await this.#flux.git(clone, "checkout", "--quiet", exists === "" ? "-b" : "-B", branch, ...(exists === "" ? [] : [`origin/${branch}`]));
    await writeOverlay(clone, environment, { tag: newest, digest });
    await this.#flux.git(clone, "-c", "user.name=gitops-lab-bot", "commit", "--quiet", "--all", "--message", `Update ${environment}`);
    await this.#flux.git(clone, "push", "--quiet", "origin", branch);
  }

  async promote(from: Environment, to: Environment, note?: string): Promise<string> {
    return this.push({ [recordPath(to)]: await this.recordOf(from, note) }, `Promote to ${to}`);
  }

  async journal(commit: string): Promise<JournalEntry[]> {
    return bareRepository(this.#repository.path).journal(commit);
  }
}
