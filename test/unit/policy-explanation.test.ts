import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { environments } from "../../shared/names.ts";
import { formatTag, newestTag, parseTag, type Tag } from "../../shared/tags.ts";
import { explainPolicy, goPattern, type Ordering } from "../../verification/policy-explanation.ts";

const numerical: Ordering = { by: "numerical", order: "asc" };
const alphabetical: Ordering = { by: "alphabetical", order: "asc" };
const patternOf = (environment: string) => `^${environment}-v[0-9]+\\.[0-9]+\\.[0-9]+-[0-9a-f]{7,40}-(?P<ts>[0-9]{10})$`;

const tag = fc.record<Tag>({
  environment: fc.constantFrom(...environments),
  version: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join(".")),
  revision: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 7, maxLength: 40 }),
  created: fc.integer({ min: 1_000_000_000, max: 9_999_999_999 }),
});
/** Near misses of a tag: something put before, behind or into it. */
const stray = fc.tuple(tag, fc.constantFrom("x", "-", "1", ".", "-debug", "v"), fc.nat(80)).map(([parts, mark, at]) => {
  const text = formatTag(parts);
  return text.slice(0, at) + mark + text.slice(at);
});

describe("the grammar of tags", () => {
  test("is read as it is written", () => fc.assert(fc.property(tag, (parts) => void expect(parseTag(formatTag(parts))).toEqual(parts))));

  test("is what the chapter's patterns match, each its own family", () =>
    fc.assert(
      fc.property(fc.oneof(tag.map(formatTag), stray, fc.string()), fc.constantFrom(...environments), (text, environment) => {
        const [explained] = explainPolicy(patternOf(environment), "$ts", numerical, [text]).tags;
        expect(explained!.matches).toBe(parseTag(text)?.environment === environment);
      }),
    ));
});

describe("the chapter's policy", () => {
  test("selects the newest of its family and nothing else", () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(tag, { selector: ({ created }) => created, maxLength: 12 }),
        fc.array(stray, { maxLength: 5 }),
        fc.constantFrom(...environments),
        (parts, strays, environment) => {
          // A stray may be a tag of its own after all.
          const tags = [...parts.map(formatTag), ...strays.filter((text) => parseTag(text) === undefined)];
          expect(explainPolicy(patternOf(environment), "$ts", numerical, tags).selected).toBe(newestTag(tags, environment));
        },
      ),
    ));

  test("says why for each tag", () => {
    const explained = explainPolicy(patternOf("production"), "$ts", numerical, policyLab.tags);
    expect(explained).toMatchObject({ selected: "production-v0.2.0-5eed003-1790000100" });
    expect(explained.tags.map(({ because }) => because)).toContain("develop-v0.4.0-5eed001-1790000700 does not match the pattern.");
    expect(explained.failure).toBeUndefined();
  });
});

describe("an ordering", () => {
  test("as text puts 9 after 1 and letters after digits", () => {
    expect(explainPolicy("-(?P<v>.+)$", "$v", alphabetical, ["a-1790000100", "a-999999999"]).selected).toBe("a-999999999");
    expect(explainPolicy("-(?P<v>.+)$", "$v", alphabetical, ["a-999", "a-latest"]).selected).toBe("a-latest");
    expect(explainPolicy("-(?P<v>.+)$", "$v", { by: "alphabetical", order: "desc" }, ["a-999", "a-latest"]).selected).toBe("a-999");
  });

  test("as numbers does not", () =>
    expect(explainPolicy("-(?P<v>.+)$", "$v", numerical, ["a-1790000100", "a-999999999"]).selected).toBe("a-1790000100"));

  test.each(["1-2", "latest", "", "0x", "1e999", "1__0"])("as numbers fails as a whole over %j", (value) => {
    const { selected, failure } = explainPolicy("^x(?P<v>.*)$", "$v", numerical, ["x5", `x${value}`]);
    expect(selected).toBeUndefined();
    expect(failure).toContain(`"${value}" is no number`);
  });

  test("of nothing fails", () =>
    expect(explainPolicy("^y", "", numerical, ["x"])).toMatchObject({ failure: "No tag matches the pattern." }));
});

describe("an extract", () => {
  test.each([
    ["$ts", "1"],
    ["${ts}0", "10"],
    ["$ts-$rev", "1-a"],
    ["$tsx", ""],
    ["$1", "a"],
    ["$$", "$"],
    ["$-", "$-"],
    ["$none", ""],
  ])("%s gives %j", (extract, value) =>
    expect(explainPolicy("^(?P<rev>a)-(?P<ts>1)$", extract, alphabetical, ["a-1"]).tags[0]).toMatchObject({ value }),
  );

  test("that is absent takes the whole tag", () =>
    expect(explainPolicy("a", "", alphabetical, ["xax"]).tags[0]).toMatchObject({ value: "xax" }));

  test("with one value for two tags keeps the later", () =>
    expect(explainPolicy("^.(?P<n>1)$", "$n", numerical, ["a1", "b1"])).toMatchObject({ selected: "b1" }));
});

describe("a pattern of Go", () => {
  test.each([
    [String.raw`^[[:digit:]]+\z`, "12", true],
    ["^[]a]+$", "]a", true],
    [String.raw`\Aa\-b$`, "a-b", true],
    ["(?i)^A$", "a", true],
    ["^a{2}$", "aa", true],
    ["^a$", "a\n", false],
  ])("%s on %j is %s", (pattern, text, matches) => {
    const expression = goPattern(pattern);
    expect("regexp" in expression && expression.regexp.test(text)).toBe(matches);
  });

  test.each(["(?=a)", "(?<!a)b", String.raw`(a)\1`, "(", "a**", "(?P<a>x)(?P<a>y)", String.raw`\y`])("%s is refused", (pattern) => {
    expect(goPattern(pattern)).toMatchObject({ problem: expect.any(String) });
    expect(explainPolicy(pattern, "", numerical, ["a"]).failure).toMatch(/^The pattern is invalid/);
  });
});
