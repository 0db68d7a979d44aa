import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { locked } from "../locked.ts";
import { cacheHome } from "../paths.ts";
import { makePrivateFolder, readIfExists, writePrivateFile } from "../private-files.ts";

/** How fast content may be written to a GitHub. */
export interface Pace {
  readonly perMinute: number;
  readonly perHour: number;
}

/**
 * GitHub allows 80 requests that make content a minute and 500 an hour, and asks for a second between two of them
 * (docs.github.com, "Rate limits for the REST API" and "Best practices for using the REST API").
 */
export const githubPace: Pace = { perMinute: 60, perHour: 480 };

const hourMs = 3_600_000;

/** When the next write may start, in milliseconds as in `Date.now()`. */
export function nextSlot(taken: readonly number[], now: number, { perMinute, perHour }: Pace): number {
  const last = taken.at(-1);
  const first = taken.at(-perHour);
  return Math.max(
    now,
    last === undefined ? now : last + 60_000 / perMinute,
    taken.length < perHour || first === undefined ? now : first + hourMs,
  );
}

/** Seconds from the first of so many writes to the last, with nothing written in the hour before. */
export function pacedSeconds(writes: number, pace: Pace): number {
  if (writes <= 1) return 0;
  const [fullHours, rest] = [Math.floor((writes - 1) / pace.perHour), (writes - 1) % pace.perHour];
  return fullHours * 3600 + rest * (60 / pace.perMinute);
}

/**
 * Who may write how fast. The fallback plugin keeps to the lab's own budget. The official one knows only a pause after each
 * of its writes and gets three quarters. If it has more to write than fits into an hour, the pause is so long that it keeps
 * to the hour's limit too.
 *
 * @param writes of the plugin, for the whole cohort
 */
export function paceShares(
  pace: Pace,
  plugin: "official" | "fallback",
  writes: number,
): { readonly pace: Pace; readonly writeDelayMs: number } {
  if (plugin === "fallback") return { pace, writeDelayMs: Math.ceil(60_000 / pace.perMinute) };
  const own = { perMinute: Math.max(1, Math.floor(pace.perMinute / 4)), perHour: Math.max(1, Math.floor(pace.perHour / 4)) };
  const its = { perMinute: Math.max(1, pace.perMinute - own.perMinute), perHour: Math.max(1, pace.perHour - own.perHour) };
  return { pace: own, writeDelayMs: Math.ceil(writes <= its.perHour ? 60_000 / its.perMinute : hourMs / its.perHour) };
}

const Budget = z.object({
  schemaVersion: z.literal(1),
  pace: z.object({ perMinute: z.number(), perHour: z.number() }),
  /** Starts of the writes of the last hour, oldest first; some may lie ahead. */
  taken: z.array(z.number()),
  /** GitHub asked that nobody writes or reads before. */
  blockedUntil: z.number(),
});
type Budget = z.output<typeof Budget>;

/** The writes to one GitHub by every process of this user, in a file. */
export interface WriteBudget {
  /** Waits until the next write may start, and takes its place. */
  take(): Promise<void>;
  /** Waits until GitHub may be asked anything at all. */
  awaitUnblocked(): Promise<void>;
  /** Keeps every process from asking GitHub before that time. */
  block(until: number): Promise<void>;
  setPace(pace: Pace): Promise<void>;
}

/** @param apiUrl base URL of the API, e.g. `https://api.github.com` */
export function writeBudget(apiUrl: string): WriteBudget {
  const file = budgetFile(apiUrl);
  const change = async (update: (budget: Budget) => Budget): Promise<Budget> => {
    await makePrivateFolder(cacheHome());
    return locked(file, async () => {
      const text = await readIfExists(file);
      const parsed = Budget.safeParse(text === undefined ? undefined : JSON.parse(text));
      const next = update(parsed.success ? parsed.data : { schemaVersion: 1, pace: githubPace, taken: [], blockedUntil: 0 });
      await writePrivateFile(file, JSON.stringify(next));
      return next;
    });
  };
  const budget: WriteBudget = {
    async take() {
      const now = Date.now();
      const { taken, blockedUntil } = await change((before) => {
        const recent = before.taken.filter((time) => time > now - hourMs);
        return { ...before, taken: [...recent, Math.max(before.blockedUntil, nextSlot(recent, now, before.pace))] };
      });
      await delay(Math.max(0, (taken.at(-1) ?? now) - Date.now()));
      // Somebody may have been told to hold back while this one waited for its turn.
      if (blockedUntil < Date.now()) await budget.awaitUnblocked();
    },
    async awaitUnblocked() {
      for (;;) {
        const text = await readIfExists(file);
        const parsed = Budget.safeParse(text === undefined ? undefined : JSON.parse(text));
        const wait = (parsed.success ? parsed.data.blockedUntil : 0) - Date.now();
        if (wait <= 0) return;
        await delay(wait);
      }
    },
    async block(until) {
      await change((before) => ({ ...before, blockedUntil: Math.max(before.blockedUntil, until) }));
    },
    async setPace(pace) {
      await change((before) => ({ ...before, pace }));
    },
  };
  return budget;
}

/** In the cache and not with the labs: the writes of the last hour count also after the last lab is gone. */
export function budgetFile(apiUrl: string): string {
  return join(cacheHome(), `github-writes-${new URL(apiUrl).host.replace(/[^a-z0-9.]/gi, "-")}.json`);
}
