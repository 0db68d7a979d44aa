import { readdirSync, readFileSync } from "node:fs";
import { statFields } from "../../shared/proc.ts";
import type { Ended } from "./accounting.ts";

interface Seen {
  readonly parent: number;
  readonly label: string;
  /** Seconds of processor time until it was last looked at. */
  readonly processor: number;
}

/** Processor time of a family of processes, by program. */
export class Census {
  readonly #isOwn: (pid: number) => boolean;
  /** By pid. What was there before has its time of then taken off. */
  readonly #seen = new Map<number, Seen>();
  readonly #before = new Map<number, number>();
  readonly #own = new Set<number>();

  /** @param isOwn whether a process that was not seen before is the family's, whoever started it */
  constructor(isOwn: (pid: number) => boolean) {
    this.#isOwn = isOwn;
    this.look();
    for (const [pid, { processor }] of this.#seen) this.#before.set(pid, processor);
  }

  look(): void {
    for (const entry of readdirSync("/proc")) {
      const pid = Number(entry);
      const fields = Number.isInteger(pid) ? statFields(pid) : undefined;
      if (fields === undefined) continue;
      // Fields 4, 14 and 15 of proc_pid_stat(5); Linux counts in hundredths of a second.
      const parent = Number(fields[1]);
      if (this.#own.has(parent) || (!this.#seen.has(pid) && this.#isOwn(pid))) this.#own.add(pid);
      const known = this.#seen.get(pid);
      const isNamed = known !== undefined && !/^(node|git|lab|bash|exe|program|setsid|lab-room|MainThread)?$/.test(known.label);
      this.#seen.set(pid, {
        parent,
        label: isNamed ? known.label : labelOf(pid),
        processor: (Number(fields[11]) + Number(fields[12])) / 100,
      });
    }
  }

  /** Seconds by program since the beginning; what has ended counts as the kernel tells it. */
  tally(ended: readonly Ended[]): Record<string, { seconds: number; processes: number }> {
    this.look();
    // Who started somebody may end before or after.
    for (let size = -1; size !== this.#own.size; ) {
      size = this.#own.size;
      for (const { pid, parent } of ended) if (this.#own.has(parent)) this.#own.add(pid);
    }
    const gone = new Set(ended.map(({ pid }) => pid));
    const rows = [
      ...ended
        .filter(({ pid }) => this.#own.has(pid))
        .map(({ pid, name, processor }) => ({ pid, label: this.#seen.get(pid)?.label ?? name, processor })),
      ...[...this.#seen].flatMap(([pid, { label, processor }]) =>
        this.#own.has(pid) && !gone.has(pid) ? [{ pid, label, processor }] : [],
      ),
    ];
    const sums: Record<string, { seconds: number; processes: number }> = {};
    for (const { pid, label, processor } of rows) {
      const sum = (sums[label] ??= { seconds: 0, processes: 0 });
      sum.seconds += processor - (this.#before.get(pid) ?? 0);
      sum.processes += 1;
    }
    return sums;
  }
}

/** A program by what it was called with: what a `node` or a `git` does can't be told from its name. */
function labelOf(pid: number): string {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8")
      .split("\0")
      .filter((word) => word !== "");
    const [program = "", ...rest] = words;
    if (/\/node$/.test(program))
      return `node ${
        rest
          .find((word) => /[./]/.test(word) && !word.startsWith("-"))
          ?.split("/")
          .slice(-2)
          .join("/") ?? ""
      }`.trim();
    if (name === "git") return `git ${rest.find((word) => /^[a-z][a-z-]+$/.test(word)) ?? ""}`.trim();
    return name;
  } catch {
    return "";
  }
}
