import { describe, expect, test } from "vitest";
import { deployedDigest } from "../../verification/checks/deployed-digest.ts";
import { imagePolicyMatch } from "../../verification/checks/image-policy-match.ts";
import { kustomizationsReconciled } from "../../verification/checks/kustomizations-reconciled.ts";
import { rollbackCommit } from "../../verification/checks/rollback-commit.ts";
import { ask } from "../support/ask-check.ts";
import { unreachable } from "../support/lab-state.ts";

const checks = [kustomizationsReconciled, imagePolicyMatch, deployedDigest, rollbackCommit];

describe.each(checks)("$id", (check) => {
  test("passes on a healthy lab", async () => {
    expect(await ask(check)).toMatchObject({ status: "pass", basis: "live" });
  });

  test("is an error when the cluster can't be reached", async () => {
    const result = await ask(check, undefined, { kube: unreachable("127.0.0.1:6443") });
    expect(result).toEqual({ status: "error", reason: "fetch failed: connect ECONNREFUSED 127.0.0.1:6443" });
  });

  test("is an error when it misses the deadline", async () => {
    const never = { list: () => new Promise<never>(() => {}), get: () => new Promise<never>(() => {}) };
    const result = await ask(check, undefined, { kube: never, signal: AbortSignal.timeout(1) });
    expect(result).toEqual({ status: "error", reason: "it could not be observed in time" });
  });
});

test.each([kustomizationsReconciled, imagePolicyMatch, rollbackCommit])("$id is an error when Git can't be reached", async (check) => {
  const result = await ask(check, undefined, { git: unreachable("127.0.0.1:3000") });
  expect(result).toMatchObject({ status: "error", reason: expect.stringContaining("ECONNREFUSED") });
});
