import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real control planes, engines and registries start within tests.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Node runs the modules as it runs the program; Vite's rewriting would end up in what Pulumi serializes.
    experimental: { viteModuleRunner: false },
    // Two cores: more files at once only make each other slow.
    maxWorkers: 2,
  },
});
