/** How far all the downloads of a set-up are. */
export interface Transferred {
  readonly bytes: number;
  /** Of what is known to come; grows where a size was not known before. */
  readonly totalBytes: number;
  /** Over the last ten seconds. */
  readonly bytesPerSecond: number;
  readonly secondsLeft?: number;
}

/** Counts what comes in, by the file it belongs to. */
export interface Meter {
  /** Says how long a file is as a whole. */
  readonly expect: (file: string, bytes: number) => void;
  /** Says how much of a file is here, whether it came just now or in an earlier run. */
  readonly have: (file: string, bytes: number) => void;
  /** Undefined where nothing is awaited. */
  readonly read: () => Transferred | undefined;
}

const windowMs = 10_000;

export function newMeter(now: () => number = performance.now.bind(performance)): Meter {
  const expected = new Map<string, number>();
  const here = new Map<string, number>();
  // What came in, by time: what earlier runs had left is no rate of this one.
  const arrivals: { readonly at: number; readonly bytes: number }[] = [];
  const startedAt = now();
  return {
    expect: (file, bytes) => void expected.set(file, bytes),
    have(file, bytes) {
      const before = here.get(file);
      here.set(file, bytes);
      if (before === undefined || bytes <= before) return;
      arrivals.push({ at: now(), bytes: bytes - before });
    },
    read() {
      const oldest = now() - windowMs;
      while (arrivals[0] !== undefined && arrivals[0].at < oldest) arrivals.shift();
      const bytes = sum(here.values());
      const totalBytes = sum(
        [...new Set([...expected.keys(), ...here.keys()])].map((file) => Math.max(expected.get(file) ?? 0, here.get(file) ?? 0)),
      );
      if (bytes >= totalBytes) return undefined;
      const seconds = Math.max(1, Math.min(windowMs, now() - startedAt) / 1000);
      const bytesPerSecond = sum(arrivals.map((one) => one.bytes)) / seconds;
      return { bytes, totalBytes, bytesPerSecond, ...(bytesPerSecond > 0 && { secondsLeft: (totalBytes - bytes) / bytesPerSecond }) };
    },
  };
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, one) => total + one, 0);
