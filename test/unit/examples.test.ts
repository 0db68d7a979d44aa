import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";

const folder = join(import.meta.dirname, "../../examples");

test.each(readdirSync(folder).filter((file) => file.endsWith(".yaml")))("the example %s is a cohort", (file) => {
  expect(file).toMatch(/^Pulumi\.[a-z][a-z0-9-]*\.yaml$/);
  const text = readFileSync(join(folder, file), "utf8");
  expect(planCohort("example", parseCohortFile(text, `examples/${file}`)).learners.length).toBeGreaterThan(0);
  // An example has nothing to decrypt.
  expect(text).not.toMatch(/secure:|encryptionsalt/);
});
