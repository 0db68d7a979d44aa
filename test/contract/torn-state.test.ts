import { cp, mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cohortsInState, statePlaces } from "../../cli/state/files.ts";
import { awaitUnlocked } from "../../cli/state/locks.ts";
import { mendState } from "../../cli/state/mend.ts";
import { createPulumiProject, type PulumiProject } from "../support/pulumi-project.ts";

/*
 * What an engine that is killed, or a machine without power, leaves of each file that Pulumi's file backend writes: Pulumi itself says
 * which of these it can't read, and reads the state again after it was mended. Two stacks of one backend, as two cohorts have.
 */
let project: PulumiProject;
let backend: string;
let copy: string;

const [own, other] = ["demo", "evening"];
const places = (cohort = own) => statePlaces(backend, cohort);

beforeAll(async () => {
  project = await createPulumiProject("gitops-lab");
  backend = fileURLToPath(project.environment["PULUMI_BACKEND_URL"]!);
  copy = `${backend}-copy`;
  for (const name of [own, other]) {
    await succeeded(["stack", "init", name]);
    for (const round of [1, 2]) {
      await project.write(`export const round = ${round};`);
      await succeeded(["up", "--yes", "--skip-preview", "--stack", name]);
    }
    await succeeded(["stack", "tag", "set", "course", "autumn", "--stack", name]);
  }
  await cp(backend, copy, { recursive: true, preserveTimestamps: true });
}, 120_000);

beforeEach(async () => {
  await rm(backend, { recursive: true });
  await cp(copy, backend, { recursive: true, preserveTimestamps: true });
});

afterAll(() => project.remove());

async function succeeded(args: readonly string[]): Promise<string> {
  const { exitCode, text } = await project.pulumi(args);
  expect(exitCode, `pulumi ${args.join(" ")}: ${text}`).toBe(0);
  return text;
}

const half = async (path: string) => truncate(path, Math.floor((await readFile(path)).length / 2));
const empty = (path: string) => truncate(path);
const zeros = async (path: string) => writeFile(path, Buffer.alloc((await readFile(path)).length));

async function newest(folder: string, ending: RegExp): Promise<string> {
  return join(
    folder,
    (await readdir(folder))
      .filter((file) => ending.test(file))
      .sort()
      .at(-1)!,
  );
}

/** Old enough not to be taken for a file that somebody writes right now. */
async function leaveBehind(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await utimes(path, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
}

async function mended(): Promise<void> {
  await awaitUnlocked(backend, own, "refuse");
  await mendState(backend, own);
}

const lockFile = () => join(places().locks, "0f0c5b8e.json");

/** What each tear keeps Pulumi from. */
const looks = ["stack", "output", "--json", "--stack", own];
const history = ["stack", "history", "--json", "--stack", own];
const refresh = ["refresh", "--yes", "--skip-preview", "--stack", own];
const list = ["stack", "ls"];

const tears: readonly (readonly [name: string, tear: () => Promise<void>, fails: readonly string[] | undefined])[] = [
  ["the checkpoint's sidecar, empty", () => empty(`${places().checkpoint}.attrs`), looks],
  ["the checkpoint's sidecar, half", () => half(`${places().checkpoint}.attrs`), looks],
  ["the sidecar of the copy before, empty", () => empty(`${places().checkpoint}.bak.attrs`), undefined],
  ["the sidecar of meta.yaml, empty", () => empty(join(backend, ".pulumi", "meta.yaml.attrs")), looks],
  ["another cohort's sidecar, empty", () => empty(`${places(other).checkpoint}.attrs`), list],
  ["the sidecar of the last record, empty", async () => empty(await newest(places().history, /history\.json\.attrs$/)), history],
  ["the tags' sidecar, empty", () => empty(`${places().tags}.attrs`), refresh],
  ["meta.yaml, empty", () => empty(join(backend, ".pulumi", "meta.yaml")), looks],
  ["meta.yaml, half", () => half(join(backend, ".pulumi", "meta.yaml")), looks],
  ["meta.yaml, not written to the disk", () => zeros(join(backend, ".pulumi", "meta.yaml")), looks],
  ["the tags, empty", () => empty(places().tags), refresh],
  ["the last record, empty", async () => empty(await newest(places().history, /history\.json$/)), history],
  ["the last record, half", async () => half(await newest(places().history, /history\.json$/)), history],
  ["the checkpoint, empty", () => empty(places().checkpoint), looks],
  ["the checkpoint, half", () => half(places().checkpoint), looks],
  ["the checkpoint, not written to the disk", () => zeros(places().checkpoint), looks],
  ["a draft of the checkpoint", () => leaveBehind(`${places().checkpoint}.18a3f0.tmp`, '{"version":'), undefined],
  ["a lock, empty", () => leaveBehind(lockFile(), ""), refresh],
  ["a lock, half", () => leaveBehind(lockFile(), '{"pid":'), refresh],
  ["a draft of a lock", () => leaveBehind(`${lockFile()}.18a3f0.tmp`, ""), refresh],
  ["a lock's sidecar, empty", () => leaveBehind(`${lockFile()}.attrs`, ""), undefined],
];

test.each(tears)("%s: Pulumi reads the state again", { timeout: 60_000 }, async (_, tear, fails) => {
  await tear();
  if (fails !== undefined) expect((await project.pulumi(fails)).exitCode, "Pulumi reads this as it is").not.toBe(0);
  await mended();
  expect(JSON.parse(await succeeded(looks))).toEqual({ round: 2 });
  if (fails !== undefined && fails !== looks) await succeeded(fails);
});

test("all of them at once: Pulumi reads the state again, and goes on", { timeout: 60_000 }, async () => {
  for (const [, tear] of tears) await tear();
  await mended();
  expect(JSON.parse(await succeeded(looks))).toEqual({ round: 2 });
  for (const args of [history, refresh, list]) await succeeded(args);
});

test.each([
  ["empty", empty],
  ["half", half],
])("a checkpoint that is %s and has no copy is made anew", { timeout: 60_000 }, async (_, tear) => {
  await tear(places().checkpoint);
  for (const path of [`${places().checkpoint}.bak`, places().backups, places().history]) await rm(path, { recursive: true });
  await mended();
  expect(await cohortsInState(backend)).not.toContain(own);
  await succeeded(["stack", "init", own]);
  await succeeded(refresh);
});

test("a checkpoint whose copy is cut off as well comes from the newest that is whole", { timeout: 60_000 }, async () => {
  await empty(places().checkpoint);
  await half(`${places().checkpoint}.bak`);
  await mended();
  expect(JSON.parse(await succeeded(looks))).toEqual({ round: 2 });
});

test("another cohort's checkpoint is left as it is, and keeps nobody from the own", { timeout: 60_000 }, async () => {
  await empty(places(other).checkpoint);
  await mended();
  expect(await readFile(places(other).checkpoint, "utf8")).toBe("");
  expect(await cohortsInState(backend)).toEqual(expect.arrayContaining([own, other]));
  expect(JSON.parse(await succeeded(looks))).toEqual({ round: 2 });
});

test("writes nothing where all is well", { timeout: 60_000 }, async () => {
  const before = await readdir(backend, { recursive: true });
  await mended();
  expect(await readdir(backend, { recursive: true })).toEqual(before);
});

test("without sidecars the engine writes none", { timeout: 60_000 }, async () => {
  await rm(backend, { recursive: true });
  await mkdir(backend);
  const env = { PULUMI_BACKEND_URL: `${project.environment["PULUMI_BACKEND_URL"]}?metadata=skip` };
  for (const args of [
    ["stack", "init", own],
    ["up", "--yes", "--skip-preview", "--stack", own],
  ])
    expect(await project.pulumi(args, env)).toMatchObject({ exitCode: 0 });
  expect((await readdir(backend, { recursive: true })).filter((path) => path.endsWith(".attrs"))).toEqual([]);
});
