import { describe, expect, test } from "vitest";
import { expiries } from "../../cli/course/expiry.ts";
import { ttlMs } from "../../shared/ttl.ts";

const now = new Date("2026-11-24T12:00:00.000Z");
const ago = (hours: number) => new Date(now.getTime() - hours * 3_600_000);

test.each([
  ["1h", 3_600_000],
  ["2d", 172_800_000],
  ["3w", 1_814_400_000],
])("%s is %i ms", (ttl, ms) => expect(ttlMs(ttl)).toBe(ms));

describe("a cohort", () => {
  test.each([
    ["2d", 48, "over"],
    ["2d", 47.9, "soon"],
    ["2d", 24, "soon"],
    ["2d", 23.9, "later"],
    ["1h", 0, "soon"],
  ])("of %s made %f hours ago ends: %s", (ttl, hours, state) => {
    expect(expiries({ cohort: "x", createdAt: ago(hours), ttl, learners: [] }, now)).toEqual([
      { cohort: "x", endsAt: expect.any(String), state },
    ]);
  });

  test("says when", () =>
    expect(expiries({ cohort: "x", createdAt: ago(1), ttl: "3h", learners: [] }, now)[0]!.endsAt).toBe("2026-11-24T14:00:00.000Z"));
});

describe("a learner", () => {
  const learner = { id: "ada", createdAt: ago(10), ttl: "5h" };

  test("may end before the cohort", () => {
    expect(expiries({ cohort: "x", createdAt: ago(10), ttl: "9w", learners: [learner] }, now)).toMatchObject([
      { state: "later" },
      { learner: "ada", endsAt: "2026-11-24T07:00:00.000Z", state: "over" },
    ]);
  });

  test("does not end after it", () => {
    expect(expiries({ cohort: "x", createdAt: ago(10), ttl: "4h", learners: [learner] }, now)).toHaveLength(1);
  });
});
