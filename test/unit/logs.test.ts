import { mkdir, open, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shortenLog, shortenLogs } from "../../host/processes/logs.ts";
import { ProcessTable } from "../../host/processes/process-table.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();

test("a long log is begun anew, its end is kept, and who writes it goes on", async () => {
  const file = join(home(), "long.log");
  const log = await open(file, "a");
  await log.write(`${"x".repeat(100)}end`);
  await shortenLog(file, 50, 10);
  await log.write("more");
  await log.close();
  expect([await readFile(file, "utf8"), await readFile(`${file}.1`, "utf8")]).toEqual(["more", "xxxxxxxend"]);
});

test("a short one stays, and none is none", async () => {
  const file = join(home(), "short.log");
  await writeFile(file, "short");
  await shortenLog(file, 50, 10);
  await shortenLog(join(home(), "none.log"), 50, 10);
  expect(await readFile(file, "utf8")).toBe("short");
});

test("a link in its place is left alone, and what it leads to; so is a link in the place of the end that is kept", async () => {
  const other = join(home(), "other");
  await writeFile(other, "y".repeat(100));
  await symlink(other, join(home(), "link.log"));
  await shortenLog(join(home(), "link.log"), 50, 10);
  await writeFile(join(home(), "trap.log"), "z".repeat(100));
  await symlink(other, join(home(), "trap.log.1"));
  await shortenLog(join(home(), "trap.log"), 50, 10);
  await mkdir(join(home(), "folder.log"));
  await shortenLog(join(home(), "folder.log"), 0, 10);
  expect(await readFile(other, "utf8")).toBe("y".repeat(100));
  expect(await readFile(join(home(), "trap.log"), "utf8")).toBe("");
});

test("what is kept begins with a whole line", async () => {
  const file = join(home(), "lines.log");
  await writeFile(file, `${"x".repeat(60)}\n{"a":1}\n{"b":2}\n`);
  await shortenLog(file, 50, 20);
  expect(await readFile(`${file}.1`, "utf8")).toBe('{"a":1}\n{"b":2}\n');
});

test("of a cohort's logs all are kept small, and the daemon's own, which is in no table", async () => {
  const table = new ProcessTable(join(home(), "daemon"));
  const [web, own] = [join(home(), "web.log"), join(home(), "daemon.log")];
  const spec = { name: "web", owner: "cohort", command: "/bin/true", args: [], env: {}, cwd: "/", logFile: web };
  await table.write([{ spec, restarts: 0 }]);
  for (const file of [web, own]) await writeFile(file, `${"x".repeat(90)}\nend\n`);
  await shortenLogs(table, own, 50, 10);
  for (const file of [web, own]) expect([await readFile(file, "utf8"), await readFile(`${file}.1`, "utf8")]).toEqual(["", "end\n"]);
});
