import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { environments } from "../../shared/names.ts";
import { explainPolicy } from "../../verification/policy-explanation.ts";
import { askController, type PolicyCase } from "../support/policy-oracle.ts";

/*
 * The explanation of a policy against the code that decides: image-reflector-controller's own filter and orderings, asked
 * about the policies of the policy lab and about patterns, extracts and tags made up around the chapter's.
 */

const hex = (minLength: number, maxLength: number) => fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength, maxLength });
const digits = (minLength: number, maxLength: number) => fc.string({ unit: fc.constantFrom(..."0123456789"), minLength, maxLength });
const family = fc.constantFrom<string>(...environments, "pre-production", "Production");
const tag = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(family, fc.nat(3), hex(6, 8), digits(8, 11), fc.constantFrom("", "", "", "-debug", ".1"))
      .map(([name, minor, revision, time, end]) => `${name}-v0.${minor}.0-${revision}-${time}${end}`),
  },
  fc.constantFrom("latest", "production-latest", "staging-1e3", "develop-nan", "production-inf", "x"),
);
const piece = {
  start: fc.constantFrom("^", "", "\\A"),
  family: fc.constantFrom("production", "(?:staging|production)", "[a-z]+", "[[:alpha:]]+", "(?P<env>[a-z-]+)", "staging|production", ".*"),
  version: fc.constantFrom("-v[0-9]+\\.[0-9]+\\.[0-9]+", "-v(?P<version>[\\d.]+)", "(-v[0-9.]+)?"),
  revision: fc.constantFrom("-(?P<rev>[0-9a-f]{7,40})", "-([[:xdigit:]]+)", "(-[0-9a-f]{7})?"),
  time: fc.constantFrom("-(?P<ts>[0-9]{10})", "-(?P<ts>\\d+)", "-(?<ts>[a-z0-9]+)", "-(?P<ts>.*)", "-(?P<ts>[0-9]{10}", "-(?P<ts>\\d+?)"),
  end: fc.constantFrom("$", "", "\\z", "(-debug)?$"),
};
const policyCase: fc.Arbitrary<PolicyCase> = fc.record({
  pattern: fc.tuple(piece.start, piece.family, piece.version, piece.revision, piece.time, piece.end).map((parts) => parts.join("")),
  extract: fc.constantFrom("$ts", "${ts}", "", "$ts-$rev", "$rev$ts", "$1", "$2", "$$ts", "$tsx", "$env", "-", "$version"),
  by: fc.constantFrom("numerical", "alphabetical"),
  order: fc.constantFrom("asc", "desc"),
  tags: fc.uniqueArray(tag, { maxLength: 8 }),
});

const seed = gitopsPromotion.seed({
  params: gitopsPromotion.params.parse({}),
  learner: { id: "ada", name: "Ada", email: "ada@example.org" },
  imageRepository: "127.0.0.1:5000/ada/backend",
  insecureRegistry: true,
  gitUrl: "http://127.0.0.1:4000/git/ada/gitops.git",
  branch: "main",
  digests: { "0.1.0": "sha256:0", "0.2.0": "sha256:1" },
});
const PolicySpec = z.object({
  filterTags: z.object({ pattern: z.string(), extract: z.string() }),
  policy: z.partialRecord(z.enum(["numerical", "alphabetical"]), z.object({ order: z.enum(["asc", "desc"]) })),
});
const variants: readonly PolicyCase[] = policyLab.variants.map((name) => {
  const { filterTags, policy } = PolicySpec.parse(parse(seed[`flux/policy-lab/${name}.yaml`]!).spec);
  const by = policy.numerical ? "numerical" : "alphabetical";
  return { ...filterTags, by, order: policy[by]!.order, tags: policyLab.tags };
});

/** What Go takes for a number, and what not, alone and beside others. */
const numbers = [
  "nan",
  "NaN",
  "inf",
  "+Inf",
  "-infinity",
  ".5",
  "5.",
  "1e3",
  "1e400",
  "-7",
  "+7",
  "1_000",
  "1__0",
  "_1",
  "1_.5",
  "1_e3",
  "1e1_0",
  ".5_5",
  "",
  "e3",
  "-nan",
];
const numerical: readonly PolicyCase[] = numbers.flatMap((text) =>
  [[text], [text, "8"], ["8", text, "9"]].flatMap((tags) =>
    (["asc", "desc"] as const).map((order) => ({
      pattern: "^x(?P<ts>.*)$",
      extract: "$ts",
      by: "numerical",
      order,
      tags: tags.map((end) => `x${end}`),
    })),
  ),
);

test("explains what the controller's own code does", { timeout: 180_000 }, async () => {
  const cases = [...variants, ...numerical, ...fc.sample(policyCase, { numRuns: 2000, seed: Number(process.env["SEED"] ?? Date.now()) })];
  const answers = await askController(cases);
  let selecting = 0;
  for (const [index, { pattern, extract, by, order, tags }] of cases.entries()) {
    const explained = explainPolicy(pattern, extract, { by, order }, tags);
    const answer = answers[index]!;
    const about = JSON.stringify({ ...cases[index], answer, explained });
    expect(
      Object.fromEntries(explained.tags.flatMap(({ tag: name, value }) => (value === undefined ? [] : [[name, value]]))),
      about,
    ).toEqual(answer.values);
    expect(explained.failure === undefined, about).toBe(answer.error === "");
    if (explained.selected === undefined) continue;
    selecting += 1;
    if (explained.tags.some(({ because }) => because.includes("left to chance"))) continue;
    // Which of several equal numbers wins is left to the order of a Go map.
    const valueOf = (name: string) => explained.tags.find((one) => one.tag === name)?.value ?? "";
    const numberOf = (name: string) => Number(valueOf(name).replaceAll("_", ""));
    if (by === "numerical") expect(numberOf(answer.tag), about).toBe(numberOf(explained.selected));
    else expect(answer.tag, about).toBe(explained.selected);
  }
  expect(selecting).toBeGreaterThan(200);
});

test("every variant but the chapter's goes wrong", () => {
  const chapter = explainPolicy(variants[0]!.pattern, variants[0]!.extract, variants[0]!, policyLab.tags);
  const good = chapter.tags.filter(({ matches }) => matches).map(({ tag: name }) => name);
  const selected = variants.map(
    ({ pattern, extract, by, order }) => explainPolicy(pattern, extract, { by, order }, policyLab.tags).selected,
  );
  expect(selected[0]).toBe(good[0]);
  for (const tagOfVariant of selected.slice(1)) expect(good).not.toContain(tagOfVariant);
  expect(new Set(selected).size).toBe(selected.length);
});
