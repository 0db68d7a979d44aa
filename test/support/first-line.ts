import { join } from "node:path";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { cacheHome } from "../../shared/paths.ts";
import { root } from "./sources.ts";

/** What a command has loaded when it writes its first line. */
export interface UntilFirstLine {
  readonly line: string;
  /** Modules of ours and of npm's packages. */
  readonly modules: number;
  readonly ofPulumi: number;
  /** Milliseconds of processor time of the process. */
  readonly processorMs: number;
}

/** Runs the command line until it writes its first line, and no further. @param home the lab's folder meanwhile */
export async function untilFirstLine(args: readonly string[], home: string): Promise<UntilFirstLine> {
  const { stdout } = await run(process.execPath, ["--import", join(import.meta.dirname, "until-first-line.ts"), "cli/start.ts", ...args], {
    cwd: root,
    env: {
      ...childEnvironment("lab", { GITOPS_LAB_HOME: home }),
      // As in ./lab.
      NODE_COMPILE_CACHE: join(cacheHome(), "node-compile-cache"),
    },
    stdin: "ignore",
  });
  return JSON.parse(stdout) as UntilFirstLine;
}
