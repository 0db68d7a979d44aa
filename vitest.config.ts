import { relative } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes minutes comes first: one of those begun last would keep a single core busy at the end. */
const slowFirst = ["test/faults/", "test/e2e/attempts.test.ts", "test/e2e/", "test/contract/", "test/browser/"];

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = slowFirst.findIndex((folder) => relative(import.meta.dirname, moduleId).startsWith(folder));
      return at === -1 ? slowFirst.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real control planes, engines and registries start within tests.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Node runs the modules as it runs the program; Vite's rewriting would end up in what Pulumi serializes.
    experimental: { viteModuleRunner: false },
    // A shared machine may stall for longer than a test waits. `./lab test` names every test that needed its second try.
    retry: process.env["CI"] === undefined ? 0 : 1,
    // Two cores: three files at once take longer than one after the other, and their waits run into deadlines.
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
  },
});
