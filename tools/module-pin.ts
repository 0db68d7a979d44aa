import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { GoBuild } from "./tool.ts";

/* What go.mod and go.sum say, for who has no Go to ask. */

/** Path and version of each required module, those that stand in for others in their place. */
export function requiredModules(goMod: string): [string, string][] {
  const lines = goMod.split("\n").map((line) => line.replace(/\s*\/\/.*$/, "").trim());
  const replaced = new Map(
    lines.flatMap((line) => {
      const match = /^(?:replace )?(\S+)(?: v\S+)? => (\S+) (v\S+)$/.exec(line);
      return match ? [[match[1]!, [match[2]!, match[3]!] as [string, string]] as const] : [];
    }),
  );
  return lines.flatMap((line) => {
    const match = /^(?:require )?([^\s=()]+\.[^\s=()]+) (v\d\S*)$/.exec(line);
    return match ? [replaced.get(match[1]!) ?? ([match[1]!, match[2]!] as [string, string])] : [];
  });
}

/** The sums of a go.sum, by `<module> <version>`. */
export function moduleSums(goSum: string): ReadonlyMap<string, string> {
  return new Map(goSum.split("\n").map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
}

/** Folder of one of our modules, with its go.mod and go.sum. */
export function moduleRoot(module: GoBuild["module"]): string {
  return fileURLToPath(new URL(`go/${module}`, import.meta.url));
}

/** Which version of a module one of ours takes, and the sum that proves it. */
export function pinnedModule(module: string, root: GoBuild["module"]): { readonly version: string; readonly sum: string } {
  const read = (file: string) => readFileSync(`${moduleRoot(root)}/${file}`, "utf8");
  const version = requiredModules(read("go.mod")).find(([name]) => name === module)?.[1];
  const sum = version && moduleSums(read("go.sum")).get(`${module} ${version}`);
  if (version === undefined || sum === undefined) throw new Error(`tools/go/${root} pins no ${module}`);
  return { version, sum };
}
