import { appendFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { groupOf, lastLines, learnerLogs, linesSince, type LogPart } from "../../host/processes/log-parts.ts";
import { log } from "../../host/log.ts";
import { webPlaces } from "../../host/processes/web-places.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();
const parts = async () =>
  new Map((await learnerLogs(cohortPaths("demo"), join(cohortPaths("demo").daemon, "daemon.log"), "ada")).map((part) => [part.name, part]));

beforeEach(async () => {
  const paths = cohortPaths("demo");
  await rm(paths.root, { recursive: true, force: true });
  const { logs } = paths.learner("ada");
  await mkdir(logs, { recursive: true });
  await mkdir(dirname(webPlaces(paths).log), { recursive: true });
  await writeFile(join(logs, "source-controller.log"), "one\ntwo\nthr");
  await writeFile(join(logs, "source-controller.log.1"), "zero\n");
});

test("a learner's logs are those of the own processes and what the cohort's tell of this learner", async () => {
  const lines = [{ learner: "ada", message: "hers" }, { learner: "bob", message: "his of ada" }, { message: "of all" }];
  await writeFile(
    webPlaces(cohortPaths("demo")).log,
    `ada, broken off\n${lines.map((line) => `${JSON.stringify(line)}\n`).join("")}Error: ada\n`,
  );
  const all = await parts();
  expect([...all.keys()]).toEqual(["source-controller", "pipeline", "daemon"]);
  expect((await lastLines(all.get("pipeline")!, 10)).lines).toEqual([JSON.stringify(lines[0])]);
  expect((await lastLines(all.get("daemon")!, 10)).lines).toEqual([]);
});

test("the last lines reach back over a log that was begun anew, and end where a line does", async () => {
  const part = (await parts()).get("source-controller")!;
  expect((await lastLines(part, 10)).lines).toEqual(["zero", "one", "two"]);
  expect((await lastLines(part, 1)).lines).toEqual(["two"]);
});

test("what is added is told once, also after a log was begun anew or is away for a while", async () => {
  const part = (await parts()).get("source-controller")!;
  let { bytes } = await lastLines(part, 1);
  const more = async () => {
    const found = await linesSince(part, bytes);
    bytes = found?.bytes ?? 0;
    return found?.lines;
  };
  expect(await more()).toEqual([]);
  await appendFile(part.file, "ee\nfour\n");
  expect([await more(), await more()]).toEqual([["three", "four"], []]);
  await writeFile(part.file, "new\n");
  expect(await more()).toEqual(["new"]);
  await rename(part.file, `${part.file}.2`);
  expect(await more()).toBeUndefined();
  await writeFile(part.file, "back\n");
  expect(await more()).toEqual(["back"]);
});

test("a link that a program put in a log's place is not followed", async () => {
  const { logs } = cohortPaths("demo").learner("ada");
  await symlink("/etc/passwd", join(logs, "kubelet.log"));
  expect((await lastLines((await parts()).get("kubelet")!, 10)).lines).toEqual([]);
});

test.each([
  ["kube-apiserver", "control-plane"],
  ["kube-controller-manager", "control-plane"],
  ["image-reflector-controller", "controllers"],
  ["kubelet-and-proxy", "kubelet"],
  ["pipeline", "pipeline"],
  ["room", undefined],
])("%s belongs to %s", (name, group) => expect(groupOf(name)).toBe(group));

test("a line of the lab's own is one object, whatever is in it", () => {
  const written = vi.spyOn(console, "error").mockImplementation(() => undefined);
  log("warn", "a push\nof two lines", { learner: "ada", refs: ["refs/heads/\u001b[2J"], error: new Error("x".repeat(20_000)) });
  const [[line]] = written.mock.calls as [[string]];
  written.mockRestore();
  expect([line.includes("\n"), line.length < 30_000]).toEqual([false, true]);
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    message: "a push\nof two lines",
    learner: "ada",
    stack: expect.stringContaining("Error: x"),
  });
  expect((JSON.parse(line) as LogPart & { time: string }).time).toMatch(/Z$/);
});
