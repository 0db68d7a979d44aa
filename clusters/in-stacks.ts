import { isAbsolute, join } from "node:path";

/** Path of a file that the cohort file names, relative to the folder that cohort files are in. */
export function inStacks(file: string): string {
  return isAbsolute(file) ? file : join(import.meta.dirname, "../stacks", file);
}
