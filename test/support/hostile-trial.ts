import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../shared/exec.ts";
import type { HostileEnvironment } from "./hostile-environments.ts";
import type { CommandResult } from "./lab-cli.ts";

const ours = fileURLToPath(new URL("../../lab", import.meta.url));

/** Runs `./lab` in a hostile environment, as a person's shell would. Never throws. */
export async function labUnder(
  { variables, shell }: HostileEnvironment,
  home: string,
  args: readonly string[],
  lab: string = ours,
): Promise<CommandResult> {
  const env = Object.fromEntries(
    Object.entries({ ...process.env, ...variables, GITOPS_LAB_HOME: home }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
  // The limits and the mask are of a shell's own; it must not itself be what the variables turn into another.
  const script = `${shell || ":"}; exec "$@"`;
  const command = ["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), lab, ...args];
  const result = await run("bash", ["-c", script, "bash", "env", "-i", ...command], {
    cwd: join(ours, ".."),
    env: { PATH: process.env["PATH"] ?? "" },
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    // What hangs is a finding, too.
    timeout: 600_000,
  });
  return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
}

export interface TrialStep {
  readonly what: string;
  readonly exitCode: number;
  readonly seconds: number;
  readonly said: string;
}

/** A lab's whole life in that environment: `up`, a push with its promotion to production, `verify`, `down`. Ends at the first failure, but for `down`. */
export async function wholeLife(
  environment: HostileEnvironment,
  cohort: string,
  learner: string,
  home: string,
  lab: string = ours,
): Promise<TrialStep[]> {
  const steps: TrialStep[] = [];
  const step = async (what: string, ...args: string[]) => {
    const before = performance.now();
    const attempt = () => labUnder(environment, home, args, lab);
    let { exitCode, stdout, stderr } = await attempt();
    // Nothing failed, and something could not be looked at in time: a machine that runs other tests is that busy.
    if (exitCode === 3) ({ exitCode, stdout, stderr } = await attempt());
    steps.push({ what, exitCode, seconds: Math.round((performance.now() - before) / 1000), said: `${stdout}\n${stderr}` });
    return exitCode === 0;
  };
  if (await step("up", "up", cohort))
    if (await step("push and promote", "exercise", "solve", "git-only-promotion", learner, "--cohort", cohort))
      await step("verify", "verify", "--cohort", cohort);
  await step("down", "down", cohort);
  return steps;
}
