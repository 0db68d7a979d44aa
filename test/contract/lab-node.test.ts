import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../shared/exec.ts";

const module = join(import.meta.dirname, "../../tools/go/node");

test("lab-node's own tests pass", { timeout: 180_000 }, async () => {
  const { stdout } = await run("go", ["test", "-mod=readonly", "./lab-node"], { cwd: module, env: { GOWORK: "off" }, stdin: "ignore" });
  expect(stdout).toMatch(/^ok\s/m);
});
