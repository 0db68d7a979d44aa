import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";

/** What `./lab` says to somebody who has made a slip, or has no lab up. */
let folder: string;
const lab = fileURLToPath(new URL("../../lab", import.meta.url));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-usage-"));
});
afterAll(() => rm(folder, { recursive: true }));

test.concurrent.each<[string, number, RegExp]>([
  ["upp", 2, /Did you mean up\?/],
  ["up --parallel 0", 2, /whole number from 1 to 999999\.\n\(`\.\/lab up --help`/],
  ["up --nope", 2, /unknown option '--nope'\n\(`\.\/lab up --help` shows how it is used\)/],
  ["exercise check", 2, /missing required argument 'exercise-and-learner'\n\(`\.\/lab exercise check --help`/],
  ["rotate --only git ada", 2, /'ada' is invalid\. Allowed: kubeconfig, git, registry, page\. The learner is named before --only/],
  ["verify --cohort nope", 2, /Cohort nope is not up, and stacks\/Pulumi\.nope\.yaml does not exist\. Known cohorts: .*demo/],
  ["handout ada", 2, /Cohort demo is not up\. Run `\.\/lab up demo`/],
  ["status", 2, /Cohort demo is not up\. Run `\.\/lab up demo`/],
  ["retry", 2, /so there is nothing to try again/],
  ["down nope", 0, /stacks\/Pulumi\.nope\.yaml does not exist either/],
])("./lab %s ends with %i and says what helps", { timeout: 60_000 }, async (args, code, says) => {
  const { exitCode, stderr } = await run(lab, args.split(" "), {
    // One each: `down` takes away a home that holds no cohort, under whoever reads in it.
    env: { GITOPS_LAB_HOME: join(folder, args.replaceAll(" ", "_")), NO_COLOR: "1" },
    reject: false,
    stdin: "ignore",
  });
  expect([exitCode, stderr]).toEqual([code, expect.stringMatching(says)]);
});
