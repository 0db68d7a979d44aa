import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { cacheHome } from "../../shared/paths.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";
import { installFolder, locate } from "../../tools/locate.ts";
import { setupTools } from "../../tools/install.ts";
import type { Step } from "../../tools/progress.ts";
import { fillCache, linkPrograms, useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();

/** A machine with Go and Git whose cache has everything but crane, the quickest to build. */
async function machineWithoutCrane() {
  const env = {
    ...process.env,
    XDG_CACHE_HOME: await newFolder(),
    PATH: await linkPrograms(await newFolder(), ["go", "git"]),
    CGO_ENABLED: "0",
    // Else Go would follow XDG_CACHE_HOME and compile everything anew.
    GOCACHE: (await run("go", ["env", "GOCACHE"], {})).stdout,
  };
  await fillCache(env, ["crane", "git"]);
  await writeFile(join(cacheHome(env), `kubernetes-plugin-${pluginChoice("kubernetes", env).version}-tried`), String(Date.now()));
  return { env, folder: installFolder("crane", env), parent: join(cacheHome(env), "tools", "crane") };
}

/** Milliseconds: crane with all that it is made of, where nothing is compiled yet. */
const buildMs = 300_000;

const setup = `
  import { setupTools } from ${JSON.stringify(join(import.meta.dirname, "../../tools/install.ts"))};
  await setupTools({ onProgress: ({ what, activity }) => console.log(what + ": " + activity) });
`;

/** Runs a set-up in a process of its own. */
function setupProcess(env: NodeJS.ProcessEnv) {
  return run(process.execPath, ["--input-type=module", "--eval", setup], { env, extendEnv: false });
}

test("two set-ups at once install a tool once", { timeout: buildMs }, async () => {
  const { env, folder, parent } = await machineWithoutCrane();
  const outputs = await Promise.all([setupProcess(env), setupProcess(env)]);
  const installed = outputs.flatMap(({ stdout }) => stdout.split("\n")).filter((line) => line.endsWith(": installed"));
  expect(installed).toHaveLength(1);
  expect(await readdir(parent)).toEqual([folder.slice(parent.length + 1)]);
  expect((await run(join(folder, "crane"), ["version"])).stdout).toMatch(/^v?0\.22\.1$/);
});

test("a set-up that was killed leaves nothing that the next one takes for a tool", { timeout: buildMs }, async () => {
  const { env, folder, parent } = await machineWithoutCrane();
  const first = setupProcess(env);
  for await (const said of first.stdout) if (String(said).includes("building from source")) break;
  first.kill("SIGKILL");
  await expect(first).rejects.toMatchObject({ signal: "SIGKILL" });
  expect(await readdir(parent)).toEqual(expect.arrayContaining([".lock", expect.stringMatching(/^\.staging-/)]));
  expect(await locate("crane", env)).toBeUndefined();

  const { stdout } = await setupProcess(env);
  expect(stdout).toMatch(/installed$/);
  expect(stdout).not.toContain("waiting for another");
  expect(await readdir(parent)).toEqual([folder.slice(parent.length + 1)]);
  expect((await run(join(folder, "crane"), ["version"])).stdout).toMatch(/^v?0\.22\.1$/);
});

test("what is there already is left alone, without a word", async () => {
  const { env } = await machineWithoutCrane();
  await fillCache(env, ["git"]);
  const steps: Step[] = [];
  await setupTools({ env, onProgress: (step) => steps.push(step) });
  expect(steps).toEqual([]);
});

test("no set-up goes on without Git", async () => {
  const { env } = await machineWithoutCrane();
  await expect(setupTools({ env: { ...env, PATH: await newFolder() } })).rejects.toMatchObject({ code: "tool-missing" });
});
