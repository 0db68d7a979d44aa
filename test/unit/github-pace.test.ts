import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockedUntil } from "../../shared/github/api.ts";
import { githubPace, nextSlot, pacedSeconds } from "../../shared/github/pace.ts";

const hour = 3_600_000;

describe("the next write", () => {
  test.each([
    ["may start at once when nothing was written", [], 5000, 5000],
    ["comes a second after the last", [4500], 5000, 5500],
    ["comes a second after one that still waits", [4500, 5500, 6500], 5000, 7500],
    ["may start at once after a pause", [1000], 5000, 5000],
  ])("%s", (_, taken, now, slot) => expect(nextSlot(taken, now, githubPace)).toBe(slot));

  test("waits for the hour to pass when the hour's are used up", () => {
    const taken = Array.from({ length: githubPace.perHour }, (_, index) => index * 1000);
    expect(nextSlot(taken, 480_000, githubPace)).toBe(hour);
    expect(nextSlot(taken.slice(1), 480_000, githubPace)).toBe(480_000);
  });

  test("never makes more of a minute's or an hour's than allowed, however requests come", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 900 }), (pauses) => {
        const taken: number[] = [];
        let now = 0;
        for (const pause of pauses) {
          now += pause;
          taken.push(nextSlot(taken, now, githubPace));
        }
        const within = (from: number, length: number) => taken.filter((time) => time >= from && time < from + length).length;
        expect(Math.max(0, ...taken.map((from) => within(from, 60_000)))).toBeLessThan(80);
        expect(Math.max(0, ...taken.map((from) => within(from, hour)))).toBeLessThan(500);
      }),
      { numRuns: 20 },
    );
  });
});

test.each([
  [0, 0],
  [1, 0],
  [10, 9],
  [480, 479],
  [481, 3600],
  [1100, 7200 + 139],
])("%i writes take %i seconds", (writes, seconds) => expect(pacedSeconds(writes, githubPace)).toBe(seconds));

describe("GitHub wants to be left alone", () => {
  const answer = (status: number, headers: Record<string, string> = {}, message = "") => ({
    status,
    headers: new Headers(headers),
    body: { message },
  });
  test.each([
    ["as long as it says", answer(429, { "retry-after": "7" }), 1, 1_007_000],
    [
      "as long as it says, also where the limit is used up",
      answer(403, { "retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2000" }),
      1,
      1_007_000,
    ],
    ["until its limit begins anew", answer(403, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030" }), 1, 1_031_000],
    ["a minute after a secondary limit", answer(403, {}, "You have exceeded a secondary rate limit."), 1, 1_060_000],
    ["twice as long each time", answer(403, {}, "You have exceeded a secondary rate limit."), 3, 1_240_000],
    ["a minute after any 429", answer(429), 1, 1_060_000],
    ["not after a plain refusal", answer(403, {}, "Resource not accessible by personal access token"), 1, undefined],
    [
      "not where a 404 comes with a used up limit",
      answer(404, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030" }),
      1,
      undefined,
    ],
    [
      "not after an answer that used the limit's last request",
      answer(200, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030" }),
      1,
      undefined,
    ],
  ])("%s", (_, given, attempt, until) => expect(blockedUntil(given, attempt, 1_000_000)).toBe(until));
});
