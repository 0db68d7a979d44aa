import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Receipt } from "../../ledger/receipt.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { kubernetesPlugins } from "../support/pulumi-project.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * A cohort with each Kubernetes plugin that answers on this machine: the stand-in always, and Pulumi's own where it is
 * installed. All other end-to-end tests run with the one that `./lab` takes by itself.
 */
const minutes = 60_000;

describe.each(kubernetesPlugins)("a cohort with the %s plugin", (plugin) => {
  let folder: string;
  let cohort: TestCohort;
  let before: Set<string>;
  const own = process.env["PULUMI_HOME"];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gl-plugins-"));
    if (plugin === "fallback") process.env["PULUMI_HOME"] = join(folder, "pulumi-home");
    before = new Set(await temporary());
    cohort = new TestCohort(`e2e-plugins-${process.pid}`, join(folder, "lab"), ["ada"]);
    await cohort.writeFile();
  });
  afterAll(async () => {
    await cohort.lab("down", cohort.name);
    await cohort.removeFile();
    if (own === undefined) delete process.env["PULUMI_HOME"];
    else process.env["PULUMI_HOME"] = own;
    await rm(folder, { recursive: true, force: true });
  }, 2 * minutes);

  /** What plugins may leave among the temporary files. */
  const temporary = async () => (await readdir(tmpdir())).filter((name) => /^(kubeconfig\d|gitops-lab-plugin-)/.test(name));

  test("comes up, and says which plugin it was", { timeout: 8 * minutes }, async () => {
    expect(succeeded(await cohort.lab("up", cohort.name)).stdout.match(/✓/g)).toHaveLength(4);
    expect((await cohort.outputs()).kubernetesPlugin.implementation).toBe(plugin);
  });

  test("has nothing to do the second time, and takes new credentials", { timeout: 8 * minutes }, async () => {
    expect(succeeded(await cohort.lab("up", cohort.name, "--engine")).stderr).toContain("0 changes");
    succeeded(await cohort.lab("rotate", "ada", "--cohort", cohort.name));
    succeeded(await cohort.lab("verify", "ada", "--cohort", cohort.name));
  });

  test("goes without a rest, also of what the plugin wrote elsewhere", { timeout: 4 * minutes }, async () => {
    const file = join(folder, "receipt.json");
    succeeded(await cohort.lab("down", cohort.name, "--receipt", file));
    expect(Receipt.parse(JSON.parse(await readFile(file, "utf8")))).toMatchObject({ result: "zero" });
    // Of other labs, which run beside this one, there may be some; of this one's home there are none.
    expect((await temporary()).filter((name) => name.startsWith("kubeconfig") && !before.has(name))).toEqual([]);
  });
});
