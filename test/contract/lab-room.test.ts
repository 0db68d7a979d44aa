import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../shared/exec.ts";

const module = join(import.meta.dirname, "../../tools/go/room");

test("lab-room's own tests pass", { timeout: 180_000 }, async () => {
  const { stdout } = await run("go", ["test", "-mod=readonly", "./lab-room"], { cwd: module, env: { GOWORK: "off" }, stdin: "ignore" });
  expect(stdout).toMatch(/^ok\s/m);
});
