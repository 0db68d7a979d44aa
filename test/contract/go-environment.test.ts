import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { build } from "../../tools/build.ts";
import { goEnvironment } from "../../tools/go-settings.ts";
import { manifest } from "../../tools/manifest.ts";
import { combined, hostileEnvironments } from "../support/hostile-environments.ts";

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "gitops-lab-go-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a tool is built for this machine, whatever Go's variables and its own file say", async () => {
  const hostile = combined((await hostileEnvironments(folder)).filter(({ name }) => /^(Go's variables|go env -w)$/.test(name)));
  const { variables } = hostile;
  expect(Object.keys(variables)).toEqual(expect.arrayContaining(["GOENV", "GOOS", "GOFLAGS", "GOROOT"]));
  // Its packages are the standard library's alone, so that no proxy is needed for it.
  await build("lab-build", manifest["lab-build"].build!, folder, { ...process.env, ...variables });
  const program = join(folder, "lab-build");
  expect((await stat(program)).size).toBeGreaterThan(100_000);
  // One of another system does not start.
  expect((await run(program, ["nothing"], { reject: false })).exitCode).toBeTypeOf("number");
});

test("where modules come from is taken of variables and of the file that `go env -w` writes", async () => {
  const file = join(folder, "env");
  await writeFile(file, "GOPROXY=https://modules.example\nGONOSUMDB=corp.example\nGOFLAGS=-mod=mod\nGOOS=plan9\n");
  const of = async (more: Record<string, string>) => goEnvironment({ ...process.env, GOENV: file, ...more });
  const found = await of({});
  expect(found).toMatchObject({ GOPROXY: "https://modules.example", GONOSUMDB: "corp.example", GOENV: "off", GOWORK: "off" });
  for (const name of ["GOFLAGS", "GOOS", "GOROOT", "GOTOOLCHAIN"]) expect(found).not.toHaveProperty(name);
  expect(await of({ GOPROXY: "off" })).toHaveProperty("GOPROXY", "off");
});
