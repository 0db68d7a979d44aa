import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";

/** Gives the tests of a file a lab home of their own, removed afterwards, and returns where it is. */
export function useLabHome(): () => string {
  const before = process.env["GITOPS_LAB_HOME"];
  let home = "";
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "gitops-lab-test-"));
    process.env["GITOPS_LAB_HOME"] = home;
  });
  afterAll(async () => {
    if (before === undefined) delete process.env["GITOPS_LAB_HOME"];
    else process.env["GITOPS_LAB_HOME"] = before;
    await rm(home, { recursive: true, force: true });
  });
  return () => home;
}
