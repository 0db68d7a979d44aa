import { childEnvironment, goSettings, type Environment } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { locate } from "./locate.ts";

/** The go command: of PATH or of the cache, the one that is recent enough; where there is none, that of PATH, whatever it is. */
export async function goProgram(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return (await locate("go", env))?.path ?? "go";
}

/**
 * The environment for Go: where modules come from and lie, as the user has it in variables or by `go env -w`, and nothing that
 * would build another program, such as GOOS, GOFLAGS or CGO_ENABLED. Where Go does not say, its own defaults hold.
 */
export async function goEnvironment(from: Environment, own: Environment = {}): Promise<Record<string, string>> {
  return childEnvironment("go", { ...(await said(from)), ...own }, from);
}

async function said(from: Environment): Promise<Record<string, string>> {
  const { failed, stdout } = await run(await goProgram(from), ["env", "-json", ...goSettings], {
    // Above no go.mod, which would ask for another Go.
    cwd: "/",
    env: childEnvironment("go-settings", {}, from),
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
  if (failed) return {};
  const settings = JSON.parse(stdout) as Record<string, string>;
  // An empty value means Go's own default, and naming it would mean none.
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== ""));
}
