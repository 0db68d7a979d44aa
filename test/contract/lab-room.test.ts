import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../shared/exec.ts";

const module = join(import.meta.dirname, "../../tools/go/room");

test.each(["lab-room", "lab-hook"])("%s's own tests pass", { timeout: 180_000 }, async (program) => {
  const { stdout } = await run("go", ["test", "-mod=readonly", `./${program}`], { cwd: module, env: { GOWORK: "off" }, stdin: "ignore" });
  expect(stdout).toMatch(/^ok\s/m);
});
