import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Credential } from "../../../host/access.ts";
import { handoutFiles } from "../../../lab-templates/handout/document.ts";
import { run } from "../../../shared/exec.ts";
import type { CommandResult } from "../../support/lab-cli.ts";

/** What a learner has, and no more. */
export interface Handout {
  readonly kubeconfig: string;
  readonly gitUrl: string;
  readonly git: Credential;
  /** `host:port/path` of the learner's images. */
  readonly images: string;
  readonly registry: Credential;
}

/** Reads the folder that `./lab handout` wrote. */
export async function readHandout(folder: string): Promise<Handout> {
  const read = (name: string) => readFile(join(folder, name), "utf8");
  const page = await read("handout.md");
  const found = (pattern: RegExp) => {
    const value = pattern.exec(page)?.[1];
    if (value === undefined) throw new Error(`the handout has nothing like ${pattern}`);
    return value;
  };
  const login = new URL((await read(handoutFiles.git)).trim());
  const { auths } = JSON.parse(await read(handoutFiles.registry)) as { auths: Record<string, { auth: string }> };
  const [username = "", password = ""] = Buffer.from(Object.values(auths)[0]!.auth, "base64").toString().split(":");
  return {
    kubeconfig: await read(handoutFiles.kubeconfig),
    gitUrl: found(/^\| repository, .* \| (http\S+) \|/m),
    git: { username: decodeURIComponent(login.username), password: decodeURIComponent(login.password) },
    images: found(/^\| images \| `([^`]+)`/m),
    registry: { username, password },
  };
}

/** Runs Git with a learner's credential and no other configuration; never throws. */
export async function gitAs(learner: Handout | undefined, folder: string, args: readonly string[], input?: Buffer): Promise<CommandResult> {
  const config: Record<string, string> = { "user.name": "Somebody", "user.email": "somebody@example.org", "core.pager": "cat" };
  if (learner !== undefined) {
    const { origin } = new URL(learner.gitUrl);
    const basic = Buffer.from(`${learner.git.username}:${learner.git.password}`).toString("base64");
    config[`http.${origin}/.extraHeader`] = `Authorization: Basic ${basic}`;
  }
  const settings = Object.entries(config).flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  const { exitCode, stdout, stderr } = await run("git", args, {
    cwd: folder,
    env: {
      PATH: process.env["PATH"] ?? "",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_COUNT: String(Object.keys(config).length),
      ...Object.fromEntries(settings),
    },
    extendEnv: false,
    reject: false,
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
  });
  return { exitCode: exitCode ?? -1, stdout, stderr };
}
