const hourMs = 3_600_000;
const unitMs: Readonly<Record<string, number>> = { h: hourMs, d: 24 * hourMs, w: 7 * 24 * hourMs };

/** Milliseconds of a time to live in the form that the cohort file has checked: `12h`, `14d` or `2w`. */
export function ttlMs(ttl: string): number {
  return Number(ttl.slice(0, -1)) * (unitMs[ttl.slice(-1)] ?? NaN);
}
