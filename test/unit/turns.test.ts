import { expect, test } from "vitest";
import { Turns, weightFor } from "../../host/room/turns.ts";

/** Looks every two seconds at somebody who uses so many cores, and returns the weight at the end. */
function after(
  seconds: number,
  cores: number,
  turns = new Turns(),
  from = { used: 0, at: 0 },
): { weight: number; used: number; at: number } {
  let weight = 1024;
  let { used, at } = from;
  turns.weightOf("ada", used, at);
  for (; at < from.at + seconds; used += 2 * cores) {
    at += 2;
    weight = turns.weightOf("ada", used + 2 * cores, at) ?? weight;
  }
  return { weight, used, at };
}

test("a lab at rest has the whole weight, who burns nearly none, and whoever works now and then is far before the latter", () => {
  expect(after(120, 0.03).weight).toBe(1024);
  const [burning, working] = [after(120, 1.8).weight, after(120, 0.3).weight];
  expect(burning).toBe(2);
  expect(working).toBeGreaterThan(5 * burning);
  expect(weightFor(1.8)).toBeLessThan(weightFor(0.9));
});

test("a weight is come by within seconds, and comes back after some minutes of rest", () => {
  const turns = new Turns();
  const burnt = after(10, 1.8, turns);
  expect(burnt.weight).toBeLessThan(20);
  expect(after(120, 0.02, turns, burnt).weight).toBe(1024);
});

test("only a weight that changes is written, but for the first, which an earlier daemon may have lowered", () => {
  const turns = new Turns();
  expect(turns.weightOf("ada", 100, 0)).toBe(1024);
  expect(turns.weightOf("ada", 104, 2)).toBeLessThan(1024);
  // Its group was made anew.
  expect(turns.weightOf("ada", 1, 4)).toBe(1024);
  expect(turns.weightOf("ada", 1.01, 6)).toBeUndefined();
  expect(turns.weightOf("ada", 1.01, 6)).toBeUndefined();
});
