import { glob, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { endOne, findMarked, type ProcessIdentity } from "../../ledger/process-identity.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { toolPath } from "../../tools/locate.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A cohort of a test's own: its file in stacks/, its lab home, and `./lab` run on it as an instructor would. */
export class TestCohort {
  readonly name: string;
  readonly home: string;
  readonly #learners: string[];
  readonly #file: string;
  readonly #parameters: Readonly<Record<string, unknown>> | undefined;
  readonly #cluster: object | undefined;
  readonly #more: Record<string, unknown> = {};

  /** @param cluster what the cohort file says of clusters; nothing where it is not given */
  constructor(name: string, home: string, learners: readonly string[], parameters?: Readonly<Record<string, unknown>>, cluster?: object) {
    this.name = name;
    this.home = home;
    this.#learners = [...learners];
    this.#file = join(root, "stacks", `Pulumi.${name}.yaml`);
    this.#parameters = parameters;
    this.#cluster = cluster;
  }

  /** Says more in the cohort file, or other things than before; undefined takes a field out. */
  async set(fields: Readonly<Record<string, unknown>>): Promise<void> {
    Object.assign(this.#more, fields);
    await this.writeFile();
  }

  async setLearners(learners: readonly string[]): Promise<void> {
    this.#learners.splice(0, Infinity, ...learners);
    await this.writeFile();
  }

  async writeFile(): Promise<void> {
    const learners = this.#learners.map((id) => ({ id, name: `Learner ${id}`, email: `${id}@example.org` }));
    await writeFile(
      this.#file,
      stringify({
        config: {
          "pulumi:disable-default-providers": ["kubernetes"],
          "gitops-lab:cohort": {
            course: "End-to-end test",
            ...(this.#parameters && { parameters: this.#parameters }),
            ...(this.#cluster && { cluster: this.#cluster }),
            learners,
            ...this.#more,
          },
        },
      }),
    );
  }

  /** The processes that carry the cohort's mark; so do children of theirs. */
  marked(): ReturnType<typeof findMarked> {
    return findMarked(cohortPaths(this.name, this.home).daemon);
  }

  /** One of them by its name; throws where there is none. */
  processNamed(name: string): ProcessIdentity {
    const marked = this.marked();
    const found = marked.find((process) => process.name === name);
    if (found === undefined) throw new Error(`no process ${name}; there are ${marked.map((process) => process.name).join(", ")}`);
    return found.identity;
  }

  /** Takes away all of it, in whatever state it is, and a folder of the test's. */
  async takeAway(folder: string): Promise<void> {
    await this.lab("down", this.name);
    for (const { identity } of this.marked()) endOne(identity);
    await this.removeFile();
    await rm(folder, { recursive: true, force: true });
  }

  readFile(): Promise<string> {
    return readFile(this.#file, "utf8");
  }

  async removeFile(): Promise<void> {
    await rm(this.#file, { force: true });
    // Of learners who were taken out of the file.
    for await (const backup of glob(`backups/${this.name}-*`, { cwd: root })) await rm(join(root, backup), { recursive: true });
  }

  /** Runs `./lab` with these arguments; never throws. */
  async lab(...args: string[]): Promise<CommandResult> {
    return this.run(join(root, "lab"), args);
  }

  /** Starts `./lab` in a process group of its own and returns it running, to be killed. */
  startLab(...args: string[]) {
    return run(join(root, "lab"), args, {
      cwd: root,
      env: childEnvironment("lab", this.environment),
      reject: false,
      detached: true,
      all: true,
    });
  }

  async run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
    const { exitCode, stdout, stderr } = await run(command, args, {
      cwd: root,
      env: childEnvironment("lab", { ...this.environment, ...env }),
      reject: false,
      stdin: "ignore",
    });
    return { exitCode: exitCode ?? -1, stdout, stderr };
  }

  /** Runs Pulumi's CLI as `./lab` does; never throws. */
  async pulumi(...args: string[]): Promise<CommandResult> {
    return this.run(await toolPath("pulumi"), args, await pulumiEnvironment({ ...process.env, ...this.environment }));
  }

  /** What the finished cohort tells, secrets included. */
  async outputs(): Promise<CohortOutputs> {
    const { exitCode, stdout, stderr } = await this.pulumi("stack", "output", "--json", "--show-secrets", "--stack", this.name);
    if (exitCode !== 0) throw new Error(`the outputs of ${this.name} can't be read: ${stderr}${stdout}`);
    return CohortOutputs.parse(JSON.parse(stdout));
  }

  get environment(): Record<string, string> {
    const { PULUMI_HOME } = process.env;
    // Where Pulumi's own plugins are installed decides which Kubernetes plugin answers.
    return { GITOPS_LAB_HOME: this.home, NO_COLOR: "1", ...(PULUMI_HOME && { PULUMI_HOME }) };
  }
}
