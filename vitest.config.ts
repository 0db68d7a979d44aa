import { defineConfig } from "vitest/config";

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
    // Two cores: more files at once only make each other slow.
    maxWorkers: 2,
  },
});
