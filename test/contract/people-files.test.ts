import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";

/** What `./lab plan` makes of the files of people, as their programs leave them on disk. */
const root = fileURLToPath(new URL("../..", import.meta.url));
const made: string[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-people-"));
});
afterAll(async () => {
  for (const path of [...made, folder]) await rm(path, { recursive: true, force: true });
});

const plan = async (cohort: string) => {
  const { exitCode, stdout, stderr } = await run(join(root, "lab"), ["plan", cohort, "--json"], {
    env: { GITOPS_LAB_HOME: join(folder, cohort), NO_COLOR: "1" },
    reject: false,
    stdin: "ignore",
  });
  return { exitCode, stdout, stderr };
};

let count = 0;
/** A file in stacks/ that goes with the test. */
async function inStacks(name: (id: string) => string, make: (path: string) => Promise<unknown>): Promise<string> {
  const id = `people-${process.pid}-${count++}`;
  const path = join(root, "stacks", name(id));
  made.push(path);
  await make(path);
  return id;
}

const cohortFile = (fields: string) => `config:\n  gitops-lab:cohort:\n    course: Files of people\n${fields}`;
const rows = "id,name,email\njose,José Núñez,jose@example.org\nzoe,Zoë Õ,zoe@example.org\n";

test.concurrent.each<[string, Buffer | string]>([
  [
    "a mark, semicolons, capitals and Windows' line breaks",
    `\ufeffsep=;\r\nID;Name;E-Mail;\r\njose;José Núñez;jose@example.org;\r\n;;;\r\nzoe;Zoë Õ;zoe@example.org;\r\n;;;\r\n`,
  ],
  ["Excel's Unicode Text", Buffer.from(`\ufeff${rows.replaceAll(",", "\t").replaceAll("\n", "\r\n")}`, "utf16le")],
])("a roster with %s is read", { timeout: 60_000 }, async (_, content) => {
  const roster = await inStacks(
    (id) => `${id}.csv`,
    (path) => writeFile(path, content),
  );
  const cohort = await inStacks(
    (id) => `Pulumi.${id}.yaml`,
    (path) => writeFile(path, cohortFile(`    roster: ${roster}.csv\n`)),
  );
  const { exitCode, stdout, stderr } = await plan(cohort);
  expect([exitCode === 0 || exitCode === 1, stderr.includes("defect")]).toEqual([true, false]);
  expect(JSON.parse(stdout)).toMatchObject({ creates: { learners: 2 } });
});

test.concurrent.each<[string, (path: string) => Promise<unknown>, RegExp]>([
  [
    "saved by Excel as plain CSV",
    (path) => writeFile(path, rows, "latin1"),
    /is not UTF-8: line 2 would be "jose,José Núñez,.*"CSV UTF-8"/,
  ],
  ["a workbook", (path) => writeFile(path, "PK\u0003\u0004[Content_Types].xml", "latin1"), /is an Excel workbook, whatever its name says/],
  ["a pipe", (path) => run("mkfifo", [path]), /is no ordinary file/],
  ["a folder", (path) => mkdir(path), /is a folder/],
  ["50 MiB long", (path) => writeFile(path, Buffer.alloc(50 * 1024 * 1024, "a,b\n")), /has 50 MiB, and no more than 1 MiB are read/],
  [
    "with twins",
    (path) => writeFile(path, `${rows}joe,Joe,JOSE@example.org\n`),
    /line 4, column 3 \(email\): "JOSE@example.org" is taken by line 2/,
  ],
])("a roster that is %s is refused in one sentence, and nothing is made", { timeout: 60_000 }, async (_, make, says) => {
  const roster = await inStacks((id) => `${id}.csv`, make);
  const cohort = await inStacks(
    (id) => `Pulumi.${id}.yaml`,
    (path) => writeFile(path, cohortFile(`    roster: ${roster}.csv\n`)),
  );
  const { exitCode, stderr } = await plan(cohort);
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(says)]);
  expect([stderr.trim().split("\n").length, existsSync(join(folder, cohort))]).toEqual([1, false]);
});

const learners = "    learners: [{ id: jose, name: José, email: jose@example.org }]\n";
test.concurrent.each<[string, (path: string) => Promise<unknown>, RegExp]>([
  ["in a code page", (path) => writeFile(path, cohortFile(learners), "latin1"), /is not UTF-8: line 4 would be/],
  ["in UTF-16", (path) => writeFile(path, `\ufeff${cohortFile(learners)}`, "utf16le"), /is UTF-16, and must be UTF-8/],
  ["a folder", (path) => mkdir(path), /is a folder/],
  [
    "in a circle",
    (path) => writeFile(path, "config:\n  gitops-lab:cohort: &a\n    course: *a\n"),
    /`course` is something that holds itself/,
  ],
])("a cohort file that is %s is refused in one sentence, and nothing is made", { timeout: 60_000 }, async (_, make, says) => {
  const cohort = await inStacks((id) => `Pulumi.${id}.yaml`, make);
  const { exitCode, stderr } = await plan(cohort);
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(says)]);
  expect([stderr.trim().split("\n").length, existsSync(join(folder, cohort))]).toEqual([1, false]);
});
