import { childEnvironment } from "../shared/environment.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { run } from "../shared/exec.ts";
import { goProgram } from "./go-settings.ts";

/** Folder and version of the Go of PATH or of the cache; the one on PATH may be a link or a script that leads to another folder. Throws LabError `go-missing`. */
export async function goHere(): Promise<{ readonly root: string; readonly version: string }> {
  const result = await run(await goProgram(), ["env", "GOROOT", "GOVERSION"], {
    env: childEnvironment("program", { GOENV: "off", GOWORK: "off", GOTOOLCHAIN: "local", GOCACHE: "/nowhere" }),
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
  const [root = "", version = ""] = result.failed ? [] : result.stdout.split("\n");
  if (root !== "" && version !== "") return { root, version };
  throw new LabError(
    "go-missing",
    result.code === "ENOENT"
      ? "The lab builds the backend's images itself and found no Go, neither on PATH nor in the cache. Install Go 1.26 or newer, or run `./lab setup`, which brings one; then run the command again."
      : `The lab builds the backend's images itself, and \`go env\` failed: ${result.stderr || (result.shortMessage ?? "it says nothing")}. Check the Go installation with \`go version\`.`,
    { exitCode: ExitCode.badInput },
  );
}
