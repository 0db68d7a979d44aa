import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatTag, freshTime, isOfTheFuture, newestTag, parseTag, type Tag } from "../../shared/tags.ts";
import { environments } from "../../shared/names.ts";

const number = fc.nat({ max: 999 });
const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 7, maxLength: 40 });
const anyTag: fc.Arbitrary<Tag> = fc.record({
  environment: fc.constantFrom(...environments),
  version: fc.tuple(number, number, number).map((numbers) => numbers.join(".")),
  revision: hex,
  created: fc.integer({ min: 1_000_000_000, max: 9_999_999_999 }),
});

describe("an immutable tag", () => {
  test("says what it was made of", () => {
    fc.assert(
      fc.property(anyTag, (tag) => {
        expect(parseTag(formatTag(tag))).toEqual(tag);
      }),
    );
  });

  test("is read in one way only", () => {
    fc.assert(
      fc.property(fc.oneof(anyTag.map(formatTag), fc.string()), (text) => {
        const tag = parseTag(text);
        if (tag) expect(formatTag(tag)).toBe(text);
      }),
    );
  });

  test("is no tag with anything before or after it", () => {
    fc.assert(
      fc.property(anyTag.map(formatTag), fc.string({ minLength: 1 }), (text, more) => {
        expect(parseTag(more + text)).toBeUndefined();
        expect(parseTag(text + more)).toBeUndefined();
      }),
    );
  });

  test.each([
    "latest",
    "develop",
    "develop-latest",
    "qa-v0.1.0-abcdef0-1768208400",
    "develop-v0.1-abcdef0-1768208400",
    "develop-0.1.0-abcdef0-1768208400",
    "develop-v0.1.0-abcdef-1768208400",
    "develop-v0.1.0-ABCDEF0-1768208400",
    "develop-v0.1.0-abcdef0-176820840",
    "develop-v0.1.0-rc.1-abcdef0-1768208400",
    "develop-v0.1.0-abcdef0-1768208400\n",
  ])("is not %j", (text) => expect(parseTag(text)).toBeUndefined());
});

describe("a fresh time", () => {
  const now = 1_790_000_000;

  test("makes the newest tag of what stays of a family, whatever is there", () => {
    fc.assert(
      fc.property(fc.array(anyTag.map(formatTag), { maxLength: 8 }), fc.constantFrom(...environments), (tags, environment) => {
        const { created, inTheWay } = freshTime(tags, environment, now);
        const made = formatTag({ environment, version: "1.0.0", revision: "abcdef0", created });
        expect(parseTag(made)?.created).toBe(created);
        const left = tags.filter((tag) => !inTheWay.includes(tag));
        expect(newestTag([...left, made], environment)).toBe(made);
        expect(left.length + new Set(inTheWay).size).toBeLessThanOrEqual(tags.length);
      }),
    );
  });

  test.each([
    [[], now, []],
    [["develop-v1.0.0-abcdef0-1790000000"], now + 1, []],
    [["develop-v1.0.0-abcdef0-1890000000"], 1_890_000_001, []],
    [["staging-v1.0.0-abcdef0-9999999999"], now, []],
    [["develop-v1.0.0-abcdef0-9999999999", "develop-v1.0.0-abcdef0-1790000005"], now + 6, ["develop-v1.0.0-abcdef0-9999999999"]],
    [["develop-v1.0.0-abcdef0-9999999990"], now, ["develop-v1.0.0-abcdef0-9999999990"]],
  ] as const)("after %j is %i, with %j in the way", (tags, created, inTheWay) => {
    expect(freshTime(tags, "develop", now)).toEqual({ created, inTheWay });
  });

  test("is one that has come", () => {
    expect(isOfTheFuture(`develop-v1.0.0-abcdef0-${now + 3600}`, now)).toBe(false);
    expect(isOfTheFuture(`develop-v1.0.0-abcdef0-${now + 90_000}`, now)).toBe(true);
    expect(isOfTheFuture("latest", now)).toBe(false);
  });
});
