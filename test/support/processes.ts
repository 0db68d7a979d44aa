import { readdirSync, readFileSync } from "node:fs";

/** The environments of the running processes that have something in theirs; a process that has ended and was not waited for has none. */
export function processesWith(part: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/environ`, "utf8")];
      } catch {
        return [];
      }
    })
    .filter((environment) => environment.includes(part));
}
