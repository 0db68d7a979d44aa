import { mkdir, open, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { shortenLog } from "../../host/daemon/logs.ts";
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
