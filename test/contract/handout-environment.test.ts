import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { environmentOf } from "../../cli/commands/handout.ts";
import { run } from "../../shared/exec.ts";
import { cacheHome } from "../../shared/paths.ts";

/* What a learner sources, in the shells that people have, with what they have in their environments. */
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-env-sh-"));
  await writeFile(join(folder, "env.sh"), environmentOf([join(cacheHome(), "tools/flux/1")], {}));
});
afterEach(() => rm(folder, { recursive: true }));

async function sourced(shell: string, options: string, env: Record<string, string>) {
  const script = `set ${options}\n. ./env.sh\nset +u\necho "$PATH"\necho "$KUBECONFIG"\necho "$lab_cache$lab_folder$lab_program"`;
  const { stdout, stderr } = await run(shell, ["-c", script], {
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", ...env },
    extendEnv: false,
    // From a socket bash would take its start-up files.
    stdin: "ignore",
  });
  const [path, kubeconfig, left] = stdout.split("\n");
  return { path, kubeconfig, left, stderr };
}

test.each(["sh", "bash"])("in %s that stops at every error it names what is missing and leaves nothing else behind", async (shell) => {
  const { path, kubeconfig, left, stderr } = await sourced(shell, "-eu", {});
  expect({ path, kubeconfig, left }).toEqual({ path: "/usr/bin:/bin", kubeconfig: join(folder, "kubeconfig.yaml"), left: "" });
  expect(stderr).toContain("flux is not on your PATH");
});

test("takes the lab's programs from the own cache, also one that is elsewhere, and never from the working directory", async () => {
  for (const cache of ["home/.cache", "other", "relative"])
    await mkdir(join(folder, cache, "gitops-lab/tools/flux/1"), { recursive: true });
  const pathWith = async (env: Record<string, string>) => (await sourced("sh", "-eu", env)).path;
  const home = join(folder, "home");
  expect(await pathWith({ HOME: home })).toBe(`${home}/.cache/gitops-lab/tools/flux/1:/usr/bin:/bin`);
  expect(await pathWith({ HOME: home, XDG_CACHE_HOME: join(folder, "other") })).toBe(
    `${folder}/other/gitops-lab/tools/flux/1:/usr/bin:/bin`,
  );
  expect(await pathWith({ HOME: home, XDG_CACHE_HOME: "relative" })).toBe(`${home}/.cache/gitops-lab/tools/flux/1:/usr/bin:/bin`);
});
