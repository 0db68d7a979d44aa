import fc from "fast-check";
import { expect, test } from "vitest";
import { patternTroubles } from "../../lab-templates/gitops-promotion/drills/pattern-probe.ts";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { environments, type Environment } from "../../shared/names.ts";
import { explainPolicy, type Ordering } from "../../verification/policy-explanation.ts";
import { answerOf, expectParagraph, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, text } from "../support/hostile/text.ts";

nothingIsMade();

const right = "^production-v[0-9]+\\.[0-9]+\\.[0-9]+-[0-9a-f]{7,40}-(?P<ts>[0-9]{10})$";
const part = fc.constantFrom(
  ...[
    "^",
    "$",
    ".",
    "a",
    "[0-9]",
    "[^x",
    "[[:alpha:]]",
    "[[:constructor:]]",
    "[[:nothing:]]",
    "\\d",
    "\\pL",
    "\\Q",
    "\\A",
    "\\1",
    "\\x{41}",
  ],
  ...[
    "(",
    "(?:",
    "(?P<ts>",
    "(?<ts>",
    "(?i)",
    "(?=",
    "(?s)",
    ")",
    "|",
    "*",
    "+",
    "?",
    "*?",
    "{2}",
    "{1,}",
    "{1000}",
    "{99999999999}",
    "{,",
  ],
);
const pattern = fc.oneof(
  bent(right),
  text,
  fc.array(part, { maxLength: 12 }).map((parts) => parts.join("")),
);
const extract = fc.oneof(fc.constantFrom("$ts", "$$ts", "${ts}", "$1", "$99999999999999999999", "$__proto__", "${constructor}", ""), text);
const ordering = fc.record({
  by: fc.constantFrom("numerical" as const, "alphabetical" as const),
  order: fc.constantFrom("asc" as const, "desc" as const),
});

/** Patterns that Go takes no longer for than for any other. */
const slow = [
  "^([a-z0-9.-]+)+!$",
  "^(a|a|[a-z0-9.-])*!$",
  "^([a-z0-9.-]*)*([a-z0-9.-]*)*([a-z0-9.-]*)*!$",
  `${"(.*)*".repeat(12)}!`,
  "(((a{1000}){1000}){1000})",
  `${"(".repeat(20_000)}a${")".repeat(20_000)}`,
  "(a".repeat(50_000),
  `[${"a-z".repeat(50_000)}]`,
];

test("a policy is explained or fails with a sentence, whatever its pattern, and in time", async () => {
  await forEvery(
    fc.tuple(pattern, extract, ordering, fc.array(fc.oneof(text, fc.constantFrom(...policyLab.tags)), { maxLength: 3 })),
    async ([pattern, extract, ordering, tags]) => {
      const answer = await answerOf("explainPolicy", () => explainPolicy(pattern, extract, ordering, [...policyLab.tags, ...tags]));
      if (!("tags" in answer)) throw new Error("a LabError");
      expect(answer.tags).toHaveLength(policyLab.tags.length + tags.length);
      if (answer.failure !== undefined) expectParagraph("explainPolicy", answer.failure);
    },
    { first: slow.map((one): [string, string, Ordering, string[]] => [one, "$ts", { by: "numerical", order: "asc" }, []]) },
  );
});

test("what a drill finds wrong with a pattern are sentences", async () => {
  await forEvery(
    fc.tuple(fc.constantFrom(...environments), pattern, extract),
    async ([environment, pattern, extract]) => {
      const troubles = await answerOf("patternTroubles", () => patternTroubles(environment, pattern, extract));
      for (const trouble of troubles as string[]) expectParagraph("patternTroubles", trouble);
    },
    { first: slow.map((one): [Environment, string, string] => ["production", one, "$ts"]) },
  );
});

test("a class of a name that JavaScript knows and Go does not is not understood", () => {
  const { failure } = explainPolicy("^[[:constructor:]]+$", "", { by: "alphabetical", order: "asc" }, ["Object"]);
  expect(failure).toMatch(/is not understood/);
});
