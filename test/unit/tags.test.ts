import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatTag, parseTag, type Tag } from "../../shared/tags.ts";
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
