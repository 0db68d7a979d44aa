import { createHash } from "node:crypto";

/** Numbers from 0 to below 1 that are the same for the same seed, on every machine. */
export type Random = () => number;

export function randomOf(seed: string): Random {
  let count = 0;
  return () => {
    count += 1;
    return createHash("sha256").update(`${seed}#${count}`).digest().readUInt32BE() / 2 ** 32;
  };
}

export function oneOf<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

/** The same values in another order. */
export function shuffled<T>(random: Random, values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
