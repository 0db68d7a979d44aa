import { availableParallelism, cpus, totalmem } from "node:os";

/** The machine as each report names it. */
export const machine = {
  cores: availableParallelism(),
  processor: cpus()[0]?.model,
  memoryGiB: totalmem() / 1024 ** 3,
  node: process.version,
};
