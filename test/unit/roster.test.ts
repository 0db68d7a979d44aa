import { describe, expect, test } from "vitest";
import { LabError } from "../../shared/errors.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { parseRoster } from "../../stacks/roster.ts";

const header = "id,name,email,github\n";

function refusal(text: string): string {
  try {
    parseRoster(text, "stacks/x.csv");
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).exitCode).toBe(2);
    return (error as LabError).message;
  }
  throw new Error("the roster was accepted");
}

describe("a roster", () => {
  test("gives a learner per line", () => {
    expect(parseRoster(`${header}ada,Ada Lovelace,ada@example.org,ada-l\nbob,"Builder, Bob",bob@example.org,\n`, "x")).toEqual([
      { id: "ada", name: "Ada Lovelace", email: "ada@example.org", github: "ada-l" },
      { id: "bob", name: "Builder, Bob", email: "bob@example.org" },
    ]);
  });

  test("may come from a spreadsheet: byte order mark, CRLF, other order, empty lines, spaces", () => {
    const text = "\uFEFFemail,ttl,id,name\r\nada@example.org,2d, ada ,Ada\r\n\r\n";
    expect(parseRoster(text, "x")).toEqual([{ id: "ada", name: "Ada", email: "ada@example.org", ttl: "2d" }]);
  });

  const two = [
    { id: "ada", name: "Ada Lovelace", email: "ada@example.org" },
    { id: "bob", name: "Builder, Bob", email: "bob@example.org" },
  ];
  const rows = (separator: string) =>
    `id${separator}name${separator}email\nada${separator}Ada Lovelace${separator}ada@example.org\nbob${separator}"Builder, Bob"${separator}bob@example.org\n`;

  test.each<[string, string]>([
    ["semicolons", rows(";")],
    ["tabs", rows("\t")],
    ["a line sep=;", `sep=;\n${rows(";")}`],
    ["a line sep=; that was quoted and filled up", `"sep=;",,\n${rows(";")}`],
    ["headers in capitals, with spaces and a hyphen", rows(",").replace("id,name,email", "ID, Name ,E-Mail")],
    ["rows of commas only", rows(",").replace("\nbob", "\n,,\n , ,\nbob") + ",,\n".repeat(40)],
    ["columns of commas only", rows(",").replaceAll("\n", ",,,\n")],
    ["an empty column before", rows(",").replaceAll(/^(?=.)/gm, ",")],
    ["rows of commas before the header", `,,\n,,\n${rows(",")}`],
    ["old line breaks", rows(",").replaceAll("\n", "\r")],
    [
      "what nobody sees around and in it",
      rows(",").replace("ada,Ada Love", "\u200eada\u00a0,\u200bAda \u200bLove").replace("bob@", "\ufeffbob@"),
    ],
    ["a line break in a quoted name", rows(",").replace("Ada Lovelace", '"Ada\nLovelace"')],
  ])("is read with %s", (_, text) => expect(parseRoster(text, "x")).toEqual(two));

  test("has names of any script, joiners and all", () => {
    const names = ["אלף בית", "محمد رضا", "می\u200cخواهم", "王小明", "Zoë O’Hara-Müller", "क्\u200dष"];
    const text = `id,name,email\n${names.map((name, index) => `a${index},${name},a${index}@example.org\n`).join("")}`;
    expect(parseRoster(text, "x").map(({ name }) => name)).toEqual(names);
  });

  test("names a fault that is in every line no more than ten times", () => {
    const message = refusal(header + Array.from({ length: 400 }, (_, n) => `A_${n},Ada,a${n}@example.org,\n`).join(""));
    expect(message.match(/column 1/g)).toHaveLength(10);
    expect(message).toContain("; and 390 more. Nothing was created");
  });

  test.each([
    [
      "an e-mail address twice",
      `${header}ada,Ada,ada@example.org,\nbob,Bob,Ada@Example.org,\n`,
      /line 3, column 3 \(email\): "Ada@Example.org" is taken by line 2; every learner needs an e-mail address/,
    ],
    [
      "an address with what nobody sees in it",
      `${header}ada,Ada,ada@exam\u200bple.org,\n`,
      /column 3 \(email\): "ada@exam\\u200bple.org" must be an e-mail address/,
    ],
    [
      "a name that turns the direction",
      `${header}ada,Ada \u202ecod.exe,ada@example.org,\n`,
      /column 2 \(name\): "Ada \\u202ecod.exe" must be one line, without control characters/,
    ],
    [
      "a column that has no header",
      "id,name,email,\nada,Ada,ada@example.org,x\n",
      /line 1, column 4: the column has no header, and "x" in line 2/,
    ],
    ["a cell too many", "id,name,email\nada,Lovelace, Ada,ada@example.org\n", /line 2: it has 4 columns and the header 3/],
    ["nothing in it", "", /stacks\/x\.csv is no roster: it is empty/],
    ["only a header", header, /names no learner below its header/],
    ["no header", "ada,Ada,ada@example.org\n", /line 1, column 1: "ada" is no column.*line 1: the header has no column id/],
    ["a column twice", "id,name,email,id\n", /line 1, column 4: there is a column id already/],
    ["a bad e-mail address", `${header}ada,Ada,ada,\n`, /line 2, column 3 \(email\): "ada" must be an e-mail address/],
    ["a bad id", `${header}Ada_L,Ada,ada@example.org,\n`, /line 2, column 1 \(id\): "Ada_L" must be 1-30 characters/],
    ["no name", `${header}ada,,ada@example.org,\n`, /line 2, column 2 \(name\): "" must not be empty/],
    [
      "a bad account",
      `${header}ada,Ada,ada@example.org,a--b\n`,
      /line 2, column 4 \(github\): "a--b" must be the name of a GitHub account/,
    ],
    ["an id twice", `${header}ada,Ada,ada@example.org,\n\nada,Ada,ada@example.org,\n`, /line 4, column 1 \(id\): "ada" is taken by line 2/],
    ["a cell too few", `${header}ada,Ada,ada@example.org\n`, /line 2: it has 3 columns and the header 4/],
    ["an open quote", `${header}ada,"Ada,ada@example.org,\n`, /it is no CSV/],
    ["two faults", `${header}ada,,ada,\n`, /column 2.*column 3/],
    ["a fault after a name on two lines", `${header}ada,"Ada\nL",ada@example.org,\nbob,Bob,bob,\n`, /line 4, column 3/],
  ])("with %s is refused by line and column", (_, text, message) => expect(refusal(text)).toMatch(message));
});

describe("a cohort file with a roster", () => {
  const file = (more: string) => `config:\n  gitops-lab:cohort:\n    course: A course\n    roster: x.csv\n${more}`;
  const read = () => `${header}ada,Ada,ada@example.org,ada-l\n`;

  test("needs no learners of its own", () => {
    const spec = parseCohortFile(file(""), "x", read);
    expect(spec.learners).toEqual([{ id: "ada", name: "Ada", email: "ada@example.org", github: "ada-l" }]);
    expect(planCohort("x", spec).learners[0]!.learner).toEqual({ id: "ada", name: "Ada", email: "ada@example.org", github: "ada-l" });
  });

  test("has both where it names some", () => {
    const spec = parseCohortFile(file("    learners: [{ id: bob, name: Bob, email: bob@example.org, ttl: 3h }]\n"), "x", read);
    expect(spec.learners.map(({ id }) => id)).toEqual(["bob", "ada"]);
    expect(planCohort("x", spec)).toMatchObject({ ttl: "14d", learnerTtls: { bob: "3h" } });
  });

  test("refuses an address that both name", () => {
    expect(() => parseCohortFile(file("    learners: [{ id: bob, name: Bob, email: ADA@example.org }]\n"), "x", read)).toThrow(
      /line 2, column 3 \(email\): "ada@example.org" is taken by the cohort file/,
    );
  });

  test("refuses a learner whom both name", () => {
    expect(() => parseCohortFile(file("    learners: [{ id: ada, name: Ada, email: ada@example.org }]\n"), "x", read)).toThrow(
      /line 2, column 1 \(id\): "ada" is taken by the cohort file/,
    );
  });

  test("that is not there is refused by its name", () => {
    expect(() => parseCohortFile(file("").replace("x.csv", "no-such.csv"), "x")).toThrow(/stacks\/no-such\.csv can't be read/);
  });
});
