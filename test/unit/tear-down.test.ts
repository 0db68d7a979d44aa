import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RunReporter } from "../../cli/progress/reporter.ts";
import { listThings } from "../../cli/tear-down/find.ts";
import { forgetGone, lookBack, makeOut } from "../../cli/tear-down/look-back.ts";
import type { Removal } from "../../cli/tear-down/removal.ts";
import { destroy, removeFromHost, takeAway } from "../../cli/tear-down/take-away.ts";
import { newRemoval, steps } from "../../cli/tear-down/tear-down.ts";
import { readInventory, recordCreation } from "../../ledger/inventory.ts";
import { noteRemainder } from "../../ledger/remainders.ts";
import { cohortPaths } from "../../shared/paths.ts";

let home: string;
const open: RunReporter[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-tear-down-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
  vi.stubEnv("PULUMI_BACKEND_URL", `file://${home}`);
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  await mkdir(cohortPaths("x").root, { recursive: true });
});
afterEach(async () => {
  for (const reporter of open.splice(0)) reporter.close();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

/** A removal of cohort x as the steps before have left it. */
function removalWith(fields: Partial<Removal> = {}): Removal {
  const display = { show: () => {}, tick: () => {}, close: () => {} };
  const reporter = new RunReporter({ command: "down", cohort: "x", learners: [], typical: {}, expectedSeconds: 0, display });
  open.push(reporter);
  const interrupt = { signal: new AbortController().signal, check: () => {}, orEnd: <T>(work: Promise<T>) => work };
  return { ...newRemoval({ cohort: "x", paths: cohortPaths("x"), learners: [], parallel: undefined, reporter, interrupt }), ...fields };
}

const stackWith = (destroy: () => Promise<unknown>) =>
  ({
    name: "x",
    workspace: { envVars: {} },
    exportStack: async () => ({ version: 3, deployment: { resources: [] } }),
    destroy,
  }) as unknown as Stack;

/** A folder that exists, and one that does not any more. */
const things = () => [
  { kind: "folder" as const, id: cohortPaths("x").root },
  { kind: "folder" as const, id: join(home, "gone") },
];

describe("the steps of a removal", () => {
  test("know what there is before it is taken away, and look for it afterwards", () => {
    expect(steps.map(({ name }) => name)).toEqual(["listThings", "prepareLooks", "takeAway", "lookBack", "forgetGone", "makeOut"]);
  });

  test("list what the inventory has", async () => {
    await recordCreation("x", ...things());
    const removal = removalWith();
    await listThings(removal);
    expect(removal.items).toMatchObject(things());
  });

  test("have the engine skip checkpoints, as whatever it was about is found gone by the next", async () => {
    const stack = stackWith(async () => undefined);
    await destroy(removalWith({ stack }));
    expect(stack.workspace.envVars).toMatchObject({ PULUMI_SKIP_CHECKPOINTS: "true", PULUMI_K8S_DELETE_UNREACHABLE: "true" });
  });

  test("leave the machine as it is where the engine failed, and say why", async () => {
    const removal = removalWith({ stack: stackWith(() => Promise.reject(new Error("no answer"))) });
    await takeAway(removal);
    expect(removal.problems).toEqual([expect.stringMatching(/^Cohort x was not removed completely\. no answer/)]);
    expect(removal.isForgotten).toBe(false);
  });

  test("pass on what is a defect", async () => {
    const removal = removalWith();
    vi.spyOn(removal.reporter, "phase").mockRejectedValue(new TypeError("a defect"));
    await expect(takeAway(removal)).rejects.toThrow("a defect");
  });

  test("remove what is on the machine without a stack", async () => {
    const removal = removalWith();
    await removeFromHost(removal);
    expect(removal.isForgotten).toBe(true);
  });

  test("remember all but the gone where something is left, and tell of it", async () => {
    await recordCreation("x", ...things());
    const removal = removalWith();
    await listThings(removal);
    await lookBack(removal);
    expect(removal.seen.map(({ sight }) => sight.state)).toEqual(["left", "gone"]);
    await forgetGone(removal);
    expect(await readInventory("x")).toMatchObject([things()[0]]);
    await makeOut(removal);
    expect(removal.receipt).toMatchObject({ cohort: "x", result: "remainder", problems: [] });
  });

  test("tell what stays elsewhere", async () => {
    await noteRemainder("x", "a network of the cloud");
    const removal = removalWith({ problems: ["The engine failed."] });
    await makeOut(removal);
    expect(removal.receipt?.problems).toEqual(["The engine failed.", expect.stringContaining("a network of the cloud")]);
  });
});
