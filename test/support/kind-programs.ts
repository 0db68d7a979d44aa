import { appendFile, chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "../../shared/exec.ts";

export interface FakeCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly kubeconfig: string;
  readonly provider: string;
}

/** `kind` and `docker` of test/support/fake-kind.mjs, first on this process' PATH. */
export interface FakeKind {
  /** Calls so far, without those of `kind version`. */
  calls(): Promise<readonly FakeCall[]>;
  /** Makes the next call of a command (`kind create`) fail. */
  failNext(failure: { command: string; stderr: string; code?: number; leaves?: "nothing" | "container" | "hangs" }): Promise<void>;
  /** Containers by cluster. */
  state(): Promise<Record<string, { id: string; state: string }[]>>;
  setState(state: Record<string, { id: string; state: string }[]>): Promise<void>;
  remove(): Promise<void>;
}

/** @param kubeconfig what a new cluster's will be */
export async function installFakeKind(kubeconfig: string): Promise<FakeKind> {
  const folder = await mkdtemp(join(tmpdir(), "fake-kind-"));
  const bin = join(folder, "bin");
  await mkdir(bin);
  await copyFile(join(import.meta.dirname, "fake-kind.mjs"), join(folder, "fake.mjs"));
  for (const program of ["kind", "docker"]) {
    await writeFile(
      join(bin, program),
      `#!/bin/sh\nFAKE_KIND="${folder}" exec "${process.execPath}" "${join(folder, "fake.mjs")}" ${program} "$@"\n`,
    );
    await chmod(join(bin, program), 0o755);
  }
  await writeFile(join(folder, "kubeconfig.yaml"), kubeconfig);
  await appendFile(join(folder, "calls.jsonl"), "");
  const before = process.env["PATH"];
  process.env["PATH"] = [bin, before].join(delimiter);
  const json = async (file: string) => JSON.parse(await readFile(join(folder, file), "utf8").catch(() => "{}"));
  return {
    calls: async () =>
      (await readFile(join(folder, "calls.jsonl"), "utf8"))
        .split("\n")
        .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as FakeCall])),
    failNext: (failure) => writeFile(join(folder, "fail.json"), JSON.stringify({ leaves: "nothing", ...failure })),
    state: () => json("state.json"),
    setState: (state) => writeFile(join(folder, "state.json"), JSON.stringify(state)),
    async remove() {
      process.env["PATH"] = before;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Whether a Docker engine answers on this machine. */
export async function dockerAnswers(): Promise<boolean> {
  return !(await run("docker", ["version"], { reject: false, stdin: "ignore", timeout: 20_000 })).failed;
}
