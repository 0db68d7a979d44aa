import { globSync, mkdtempSync } from "node:fs";
import { rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { statePlaces } from "../../cli/state/files.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * A cohort whose state Pulumi can't read any more, in each way that a killed engine or a power loss leaves it, beside another cohort that
 * has it worse. What the contract test tears one by one is torn here where a lab hangs on it. The tests build on each other.
 */
const home = mkdtempSync(join(tmpdir(), "gl-torn-"));
const cohort = new TestCohort(`e2e-torn-${process.pid}`, join(home, "lab"), ["ada"]);
const backend = join(cohort.home, "pulumi");
const places = statePlaces(backend, cohort.name);
const other = statePlaces(backend, "another-cohort");
const minutes = 60_000;

const marked = () => cohort.marked();
const processes = () =>
  Object.fromEntries(marked().flatMap(({ name, identity }) => (name.startsWith("ada/") ? [[name, identity.pid]] : [])));

/** The sidecars of a version that wrote them, as an engine leaves them that is killed while it writes one. */
async function tearSidecars(): Promise<void> {
  for (const path of [places.checkpoint, `${places.checkpoint}.bak`, join(backend, ".pulumi", "meta.yaml"), other.checkpoint])
    await writeFile(`${path}.attrs`, "");
  for (const path of globSync(join(places.history, "*.json"))) await writeFile(`${path}.attrs`, '{"user.cache_control":"');
}

async function tearOther(): Promise<void> {
  await writeFile(other.checkpoint, "");
  await writeFile(`${other.checkpoint}.bak`, '{"version":3,"checkp');
}

async function dropCopies(): Promise<void> {
  for (const path of [`${places.checkpoint}.bak`, places.backups, places.history]) await rm(path, { recursive: true, force: true });
}

beforeAll(async () => {
  await cohort.writeFile();
  succeeded(await cohort.lab("up", cohort.name));
  await tearOther();
}, 4 * minutes);

afterAll(async () => {
  await cohort.takeAway(home);
}, minutes);

test("no sidecar is written any more", () => {
  expect(globSync(join(backend, ".pulumi", "**", "*.attrs"))).toEqual([]);
});

test("empty sidecars, empty records and the draft of a lock are no reason not to verify, and not to come up again", {
  timeout: 4 * minutes,
}, async () => {
  await tearSidecars();
  expect(succeeded(await cohort.lab("verify", "--cohort", cohort.name)).stdout).toContain("ada");
  await tearSidecars();
  for (const path of globSync(join(places.history, "*.history.json"))) await truncate(path);
  const before = processes();
  expect(succeeded(await cohort.lab("up", cohort.name, "--engine")).stderr).toContain("0 changes");
  expect(processes()).toEqual(before);
});

test("an empty checkpoint comes back from its copy", { timeout: 4 * minutes }, async () => {
  const before = processes();
  await truncate(places.checkpoint);
  const { stderr } = succeeded(await cohort.lab("up", cohort.name));
  expect(stderr).toContain("its newest copy is taken");
  expect(stderr).toContain("0 changes");
  expect(processes()).toEqual(before);
});

test("a checkpoint without any copy is made anew by `up` around what is there", { timeout: 4 * minutes }, async () => {
  const before = processes();
  await dropCopies();
  await truncate(places.checkpoint, 1000);
  const { stderr, stdout } = succeeded(await cohort.lab("up", cohort.name));
  expect(stderr).toContain("no copy of it is whole");
  expect(stdout).toContain("ada");
  expect(Object.keys(processes()).sort()).toEqual(Object.keys(before).sort());
  succeeded(await cohort.lab("verify", "--cohort", cohort.name));
});

test("and by `retry`", { timeout: 4 * minutes }, async () => {
  await dropCopies();
  await truncate(places.checkpoint);
  expect(succeeded(await cohort.lab("retry", cohort.name)).stderr).toContain("no copy of it is whole");
  succeeded(await cohort.lab("verify", "--cohort", cohort.name));
});

test("a cluster whose folder and state are gone is made anew by `up`, though its processes run", { timeout: 4 * minutes }, async () => {
  const before = processes();
  await rm(cohortPaths(cohort.name, cohort.home).learner("ada").cluster, { recursive: true });
  await dropCopies();
  await truncate(places.checkpoint);
  succeeded(await cohort.lab("up", cohort.name));
  succeeded(await cohort.lab("verify", "--cohort", cohort.name));
  const after = processes();
  expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort());
  expect(after["ada/kube-apiserver"]).not.toBe(before["ada/kube-apiserver"]);
});

test("`down` needs no state, and says nothing of the other's", { timeout: 2 * minutes }, async () => {
  await dropCopies();
  await truncate(places.checkpoint, 1000);
  await tearSidecars();
  const { stdout } = succeeded(await cohort.lab("down", cohort.name));
  expect(stdout).not.toContain("another-cohort");
  expect(marked()).toEqual([]);
  expect(globSync(join(backend, ".pulumi", "**", `${cohort.name}*`))).toEqual([]);
});
