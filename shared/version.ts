import { createRequire } from "node:module";

/** The version of this program. It stands in package.json and nowhere else in the code. */
export function productVersion(): string {
  return (createRequire(import.meta.url)("../package.json") as { version: string }).version;
}
