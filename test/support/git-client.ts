import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../../shared/exec.ts";
import type { Credential } from "../../host/access.ts";

/** Git as a learner's machine has it, without any configuration but the credential for one server. */
export class GitClient {
  readonly #environment: Record<string, string>;

  constructor(server: string, credential: Credential | undefined) {
    const host = server.slice("http://".length);
    const config: Record<string, string> = { "user.name": "Ada", "user.email": "ada@example.org" };
    if (credential !== undefined) config[`url.http://${credential.username}:${credential.password}@${host}/.insteadOf`] = `${server}/`;
    this.#environment = {
      PATH: process.env["PATH"] ?? "",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_COUNT: String(Object.keys(config).length),
      ...Object.fromEntries(
        Object.entries(config).flatMap(([key, value], index) => [
          [`GIT_CONFIG_KEY_${index}`, key],
          [`GIT_CONFIG_VALUE_${index}`, value],
        ]),
      ),
    };
  }

  /** Standard output; throws with what Git wrote on standard error. */
  async git(folder: string, ...args: string[]): Promise<string> {
    return (await this.try(folder, ...args)).stdout;
  }

  async try(folder: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
    return run("git", args, { cwd: folder, env: this.#environment, extendEnv: false });
  }

  /** Commits a file and returns the commit's id. */
  async commit(folder: string, file: string, content: string | Buffer): Promise<string> {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
    await this.git(folder, "add", "--", file);
    await this.git(folder, "commit", "--quiet", "--message", `Change ${file}`);
    return this.git(folder, "rev-parse", "HEAD");
  }
}
