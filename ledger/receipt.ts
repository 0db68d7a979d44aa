import { hostname } from "node:os";
import { z } from "zod";
import { labHome } from "../shared/paths.ts";
import { counted, kinds } from "./inventory.ts";
import { nameOf, type Seen } from "./looks.ts";
import type { Sight } from "./sight.ts";

const Remainder = z.strictObject({
  kind: z.enum(kinds),
  id: z.string(),
  says: z.string(),
  /** The command that removes it. */ remove: z.string(),
});

/** What a teardown came to. `zero`: everything that the inventory names was looked for and is gone, and nothing else is in its place. */
export const Receipt = z.strictObject({
  schemaVersion: z.literal(1),
  cohort: z.string(),
  /** Where only this learner was removed. */
  learner: z.string().optional(),
  host: z.string(),
  home: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  result: z.enum(["zero", "remainder", "unknown"]),
  /** Everything that the lab had, with what was found where it was. */
  items: z.array(
    z.strictObject({
      kind: z.enum(kinds),
      id: z.string(),
      name: z.string().optional(),
      learner: z.string().optional(),
      recordedAt: z.iso.datetime(),
      state: z.enum(["gone", "kept", "left", "foreign", "unknown"]),
      says: z.string().optional(),
    }),
  ),
  /** The lab's, still there. */
  remainder: z.array(Remainder),
  /** Not the lab's, in the place of something of the lab; left alone. */
  foreign: z.array(Remainder),
  unknown: z.array(Remainder),
  /** What went wrong on the way, a paragraph each. */
  problems: z.array(z.string()),
  /** What stays because the cohort file wants it, a sentence each. */
  kept: z.array(z.string()).optional(),
});
export type Receipt = z.output<typeof Receipt>;

export interface Teardown {
  readonly cohort: string;
  readonly learner?: string;
  readonly startedAt: Date;
  readonly problems: readonly string[];
  readonly kept?: readonly string[];
}

export function makeReceipt({ cohort, learner, startedAt, problems, kept = [] }: Teardown, seen: readonly Seen[]): Receipt {
  const found = (state: Exclude<Sight["state"], "gone" | "kept">) =>
    outermost(seen.flatMap(({ kind, id, sight }) => (sight.state === state ? [{ kind, id, says: sight.says, remove: sight.remove }] : [])));
  const [remainder, foreign, unknown] = [found("left"), found("foreign"), found("unknown")];
  return {
    schemaVersion: 1,
    cohort,
    ...(learner !== undefined && { learner }),
    host: hostname(),
    home: labHome(),
    startedAt: startedAt.toISOString(),
    finishedAt: new Date().toISOString(),
    result: remainder.length + foreign.length + problems.length > 0 ? "remainder" : unknown.length > 0 ? "unknown" : "zero",
    items: seen.map(({ kind, id, name, learner: owner, at, sight }) => ({
      ...{ kind, id, recordedAt: at, state: sight.state },
      ...(name !== undefined && { name }),
      ...(owner !== undefined && { learner: owner }),
      ...(sight.says !== undefined && { says: sight.says }),
    })),
    remainder,
    foreign,
    unknown,
    problems: [...problems],
    ...(kept.length > 0 && { kept: [...kept] }),
  };
}

/** Without what is in a folder that is told already. */
function outermost<T extends { readonly id: string }>(found: readonly T[]): T[] {
  return found.filter(
    ({ id }) => !found.some((other) => other.id !== id && other.id.startsWith("/") && id.startsWith(`${other.id}/`) && !id.includes("#")),
  );
}

/** How many of each kind were looked for, such as `12 processes, 4 ports, 1 stack`. */
export function countsOf({ items }: Pick<Receipt, "items">): string {
  const counts = [
    ...Map.groupBy(
      items.filter(({ kind }) => kind !== "run"),
      ({ kind }) => kind,
    ),
  ];
  return counts.map(([kind, { length }]) => counted(kind, length)).join(", ");
}

/** A line for each thing that is not as it should be. */
export function linesOf({ items, remainder, foreign, unknown, problems, kept = [] }: Receipt): string[] {
  return [
    ...problems,
    ...kept.map((sentence) => `kept: ${sentence}`),
    ...remainder.map(({ says, remove }) => `left over: ${says}; remove it with \`${remove}\``),
    ...foreign.map(({ says, remove }) => `not the lab's and left alone: ${says}; \`${remove}\` would remove it`),
    ...unknown.map(({ says, remove }) => `not looked at: ${says}; ${remove}`),
    ...items.flatMap((item) => (item.state === "gone" && item.says !== undefined ? [`${nameOf(item)} is gone; ${item.says}`] : [])),
  ];
}
