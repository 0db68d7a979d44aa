import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { foreignCheckout } from "../support/checkouts.ts";
import { combined, hostileEnvironments, type HostileEnvironment } from "../support/hostile-environments.ts";
import { wholeLife } from "../support/hostile-trial.ts";
import { TestCohort } from "../support/lab-cli.ts";

/*
 * The twenty hostile environments, several at once: a lab comes up, a change is pushed and promoted to production, the evidence
 * is proved, the lab goes. `node bench/hostile.ts` has them one by one.
 */
let folder: string;
let cohort: TestCohort;
let all: readonly HostileEnvironment[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-env-"));
  cohort = new TestCohort(`e2e-env-${process.pid}`, join(folder, "lab"), ["ada"], { interval: "10s" });
  all = await hostileEnvironments(folder);
  await cohort.writeFile();
});

afterAll(async () => {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(folder, { recursive: true, force: true });
});

const groups = [
  [0, 2, 4, 8, 9, 12, 16],
  [1, 3, 7, 10, 11, 13, 17],
  [5, 6, 14, 15, 18, 19],
];
const minutes = 60_000;

describe("a lab's whole life", () => {
  test("is tried under every one of the twenty, and none hides another", () => {
    expect(groups.flat().toSorted((a, b) => a - b)).toEqual([...all.keys()]);
    const names = (number: number) => Object.keys(all[number]!.variables);
    for (const group of groups) {
      const twice = group.flatMap((one) =>
        group.flatMap((other) => (one < other ? names(one).filter((name) => names(other).includes(name)) : [])),
      );
      expect(twice).toEqual([]);
    }
  });

  test.each(groups.map((group, index) => [index, group] as const))(
    "goes well in group %i of environments: %j",
    async (index, group) => {
      let lab: string | undefined;
      if (index === groups.length - 1) {
        // This one from a clone with Windows' line ends asked for, in a path with spaces, through a link.
        const checkout = await foreignCheckout(folder);
        const file = `stacks/Pulumi.${cohort.name}.yaml`;
        await copyFile(fileURLToPath(new URL(`../../${file}`, import.meta.url)), join(checkout.root, file));
        lab = checkout.lab;
      }
      const steps = await wholeLife(combined(group.map((number) => all[number]!)), cohort.name, "ada", cohort.home, lab);
      expect(steps.flatMap(({ what, exitCode, said }) => (exitCode === 0 ? [] : [`${what} ended with ${exitCode}: ${said}`]))).toEqual([]);
      expect(steps.map(({ what }) => what)).toEqual(["up", "push and promote", "verify", "down"]);
      expect(steps.at(-1)?.said).toContain("nothing is left");
      // No trace of Git's, no warning of Node's and no word of another language in what a person reads.
      const noise = steps.flatMap(({ said }) => said.split("\n").filter((line) => /\(node:\d+\)|trace: |noise/.test(line)));
      expect(noise).toEqual([]);
    },
    12 * minutes,
  );
});
