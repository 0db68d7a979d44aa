import { existsSync, globSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findMarked, leadsGroup } from "../../ledger/process-identity.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { copyOf } from "../../shared/state-file.ts";
import { waitUntil } from "../../shared/wait.ts";
import { GitClient } from "../support/git-client.ts";
import type { TestCohort } from "../support/lab-cli.ts";

/** Of three hints each. */
const exercises = ["rollback", "image-tracking", "policy-analysis", "git-only-promotion"];

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What one learner has done in a lab, and whether all of it is still there. */
export class Work {
  readonly #cohort: TestCohort;
  readonly learner: string;
  readonly commits: string[] = [];
  hints = 0;

  constructor(cohort: TestCohort, learner: string) {
    this.#cohort = cohort;
    this.learner = learner;
  }

  get #repository(): string {
    return join(cohortPaths(this.#cohort.name, this.#cohort.home).git, this.learner, "gitops.git");
  }

  async credential(): Promise<{ readonly username: string; readonly password: string; readonly url: string }> {
    return (await this.#cohort.outputs()).learners[this.learner]!.git;
  }

  /** Pushes a commit with the learner's credential of now, and has one more hint recorded. */
  async go(): Promise<void> {
    const { url, ...credential } = await this.credential();
    const folder = await mkdtemp(join(tmpdir(), "gl-work-"));
    try {
      const client = new GitClient(new URL(url).origin, credential);
      await client.git(folder, "clone", "--quiet", url, "work");
      const commit = await client.commit(join(folder, "work"), `notes/${Date.now()}.md`, `${Math.random()}\n`);
      await client.git(join(folder, "work"), "push", "--quiet", "origin", "HEAD:refs/heads/main");
      this.commits.push(commit);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    const exercise = exercises[Math.floor(this.hints / 3)];
    if (exercise === undefined) return;
    const { exitCode, stderr } = await this.#cohort.lab("exercise", "hint", exercise, this.learner, "--cohort", this.#cohort.name);
    if (exitCode !== 0) throw new Error(`the hint was not given: ${stderr}`);
    this.hints += 1;
  }

  /** Sentences on what is lost; read from the repository's own files, by git, past everything of the lab. */
  async lost(): Promise<string[]> {
    const faults: string[] = [];
    for (const commit of this.commits)
      if (!(await isIn(this.#repository, commit, "refs/heads/main"))) faults.push(`commit ${commit} of ${this.learner} is not on main`);
    const { root: own } = cohortPaths(this.#cohort.name, this.#cohort.home).learner(this.learner);
    if (this.hints > 0 && (await hintsIn(own)) < this.hints) faults.push(`a hint of ${this.learner} is not in the record`);
    return faults;
  }

  /** Sentences on what is in none of the backups that resets have made; afterwards nothing is expected to be in the lab. */
  async lostInBackups(): Promise<string[]> {
    const folders = globSync(`backups/${this.#cohort.name}-${this.learner}-*`, { cwd: root }).map((path) => join(root, path));
    const faults: string[] = [];
    const kept = (await Promise.all(folders.map((folder) => commitsOf(join(folder, "repository.bundle"))))).flat();
    for (const commit of this.commits) if (!kept.includes(commit)) faults.push(`commit ${commit} of ${this.learner} is in no backup`);
    const hints = Math.max(0, ...(await Promise.all(folders.map(hintsIn))));
    if (hints < this.hints) faults.push(`a hint of ${this.learner} is in no backup`);
    this.commits.length = 0;
    this.hints = 0;
    return faults;
  }
}

const git = (...args: string[]) => run("git", ["-c", "safe.directory=*", ...args], { reject: false, stdin: "ignore" });

async function isIn(repository: string, commit: string, ref: string): Promise<boolean> {
  return (await git("--git-dir", repository, "merge-base", "--is-ancestor", commit, ref)).exitCode === 0;
}

async function commitsOf(bundle: string): Promise<string[]> {
  if (!existsSync(bundle)) return [];
  const folder = await mkdtemp(join(tmpdir(), "gl-bundle-"));
  try {
    await git("clone", "--quiet", "--bare", bundle, folder);
    return (await git("--git-dir", folder, "rev-list", "--all")).stdout.split("\n");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How many hints the record below a folder tells, or its copy where the record itself was torn. */
async function hintsIn(folder: string): Promise<number> {
  const file = join(folder, "exercises", "records.json");
  const texts = await Promise.all([file, copyOf(file)].map((path) => readFile(path, "utf8").catch(() => "")));
  for (const text of texts) {
    try {
      const { exercises: all } = JSON.parse(text) as { exercises: Record<string, { hints: string[] }> };
      return Object.values(all).reduce((sum, { hints }) => sum + hints.length, 0);
    } catch {
      // The other one, or none.
    }
  }
  return 0;
}

/** The processes of a cohort that lead a group, by name: how many there are of each. */
export function census({ name, home }: TestCohort): Census {
  const leaders = findMarked(cohortPaths(name, home).daemon).filter(({ identity }) => leadsGroup(identity));
  return Object.fromEntries([...Map.groupBy(leaders, (one) => one.name)].map(([one, all]) => [one, all.length]));
}

export type Census = Readonly<Record<string, number>>;

/** Sentences on what a lab has too much of: processes that are there twice, what an engine left, orphans. */
export async function surplus(cohort: TestCohort, healthy: Census, command?: string): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, count] of Object.entries(census(cohort)))
    if (count > (healthy[name] ?? (name === "pulumi" ? 0 : 1))) faults.push(`${count} processes are called ${name}`);
  for (const lock of globSync(`pulumi/.pulumi/locks/**/${cohort.name}/*.json`, { cwd: cohort.home }))
    faults.push(`the lock ${lock} is left`);
  const { stdout, stderr } = await cohort.lab("down", "--orphans", "--json");
  const { orphans, crumbs, doubts } = JSON.parse(stdout || `{"orphans":[],"crumbs":[],"doubts":[${JSON.stringify(stderr)}]}`) as Record<
    "orphans" | "crumbs" | "doubts",
    readonly unknown[]
  >;
  // By design: what a killed `up` was to do beside bringing up its learners is for the next `up`, also after a `retry`.
  const isForUp = (one: unknown) => command === "retry" && String(one).startsWith("note that `./lab up ");
  for (const one of [...orphans, ...crumbs, ...doubts].filter((other) => !isForUp(other))) faults.push(`orphan: ${JSON.stringify(one)}`);
  return faults;
}

/** Waits until `./lab verify` is green for all learners. */
export async function awaitGreen(cohort: TestCohort, timeoutSeconds = 120): Promise<void> {
  await waitUntil(
    async () => {
      const { exitCode, stdout, stderr } = await cohort.lab("verify", "--cohort", cohort.name);
      return exitCode === 0 ? { done: true, value: undefined } : { done: false, because: `exit code ${exitCode}: ${stdout}${stderr}` };
    },
    { what: `the evidence of ${cohort.name}`, timeoutSeconds, intervalMs: 500, remedy: "" },
  );
}

/** Sentences on what is left of a cohort that was removed. */
export function remains({ name, home }: TestCohort): string[] {
  const paths = cohortPaths(name, home);
  const processes = findMarked(paths.daemon).map(({ name: one, identity }) => `process ${identity.pid} (${one}) is left`);
  return [...processes, ...(existsSync(paths.root) ? [`${paths.root} is left`] : []), ...(existsSync(home) ? [`${home} is left`] : [])];
}
