import fc from "fast-check";

/*
 * What a learner may write to make a reader of it stumble: pieces, texts of them, and documents that were right before
 * somebody bent them. All of it is made from a seed, so that a run repeats.
 */

/** Pieces that mean something to YAML, JSON, a terminal, a shell, a path, a browser or a pattern. */
export const pieces: readonly string[] = [
  ..."\0\t\r\n\u0007\u001b\u007f\u0085\u009b\u200b\u202e\u2028\u2029\u2066\ufeff\ufffd\ufffe",
  "\ud800",
  "\udfff",
  "\r\n",
  "\u001b[2J",
  "\u001b]0;title\u0007",
  "e\u0301",
  "\u212b",
  "ﬃ",
  "\u{1f469}\u200d\u{1f680}",
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "../../..",
  "/",
  "\\",
  "%00",
  "%2e%2e%2f",
  "%",
  "9".repeat(400),
  "-1",
  "1e999",
  "0x1F",
  ".inf",
  ".nan",
  "null",
  "~",
  "yes",
  "true",
  "2026-11-02T10:00:00Z",
  "!!js/function 'x'",
  "!!binary aGk=",
  "!!set {a, b}",
  "!<tag:example.org,2026:x>",
  "&a ",
  "*a",
  "<<: *a",
  "? ",
  ": ",
  "- ",
  "#",
  "|",
  ">-",
  "'",
  '"',
  "`",
  "[",
  "]",
  "{",
  "}",
  "(",
  ")",
  "---\n",
  "...\n",
  "%YAML 1.1\n",
  "${HOME}",
  "$(id)",
  "$1",
  "<script>alert(1)</script>",
  "&amp;",
  "@",
  ":",
  "*",
  "+",
  "?",
  "{2,}",
  "(?=",
  "\\1",
  "A".repeat(3000),
];

const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 6 }));

/** Any text: pieces in a row, or any characters, broken pairs of surrogates among them. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.array(piece, { maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("utf8")),
);

type Bend = (document: string) => string;

/** A change of a document, at a place that is a share of its length. */
const bend: fc.Arbitrary<Bend> = fc.oneof(
  at((document, place, word) => document.slice(0, place) + word + document.slice(place)),
  at((document, place, word) => document.slice(0, place) + word + document.slice(place + word.length)),
  at((document, place) => document.slice(0, place)),
  at((document, place) => document.slice(place)),
  at((document, place) => document.slice(0, place) + document.slice(place + 7)),
  lines((all, line) => [...all.slice(0, line), all[line] ?? "", ...all.slice(line)]),
  lines((all, line) => [...all.slice(0, line), ...all.slice(line + 1)]),
  lines((all, line) => [...all.slice(line), ...all.slice(0, line)]),
  // Everything in place of a value.
  fc.tuple(fc.nat({ max: 99 }), piece).map(([share, word]) => (document: string) => {
    const values = [...document.matchAll(/(?<=[:=] ?)[^\s:=,{}[\]]+/g)];
    const value = values[Math.floor((values.length * share) / 100)];
    return value === undefined ? word : document.slice(0, value.index) + word + document.slice(value.index + value[0].length);
  }),
  fc.constant((document: string) => document.replaceAll("\n", "\r\n")),
  fc.constant((document: string) => `\ufeff${document}`),
  fc.constant((document: string) => Buffer.from(document, "utf16le").toString("utf8")),
  fc.constant((document: string) => document.repeat(2)),
);

function at(change: (document: string, place: number, word: string) => string): fc.Arbitrary<Bend> {
  return fc.tuple(fc.nat({ max: 999 }), piece).map(
    ([share, word]) =>
      (document) =>
        change(document, Math.floor((document.length * share) / 1000), word),
  );
}

function lines(change: (all: readonly string[], line: number) => readonly string[]): fc.Arbitrary<Bend> {
  return fc.nat({ max: 99 }).map((share) => (document) => {
    const all = document.split("\n");
    return change(all, Math.floor((all.length * share) / 100)).join("\n");
  });
}

/** One of the documents, bent once or a few times; now and then as it is. */
export function bent(...documents: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...documents), fc.array(bend, { maxLength: 4 }))
    .map(([document, bends]) => bends.reduce((text, change) => change(text), document));
}

/** Any JSON value, with the keys that JavaScript's objects take for their own among its keys. */
export const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 1e308, 2 ** 53, "", "True", "x"),
    text,
    fc.double(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.array(fc.tuple(fc.oneof(text, fc.constantFrom("__proto__", "constructor", "name")), tie("value")), { maxLength: 3 }).map(objectOf),
  ),
})).value;

/** As JSON.parse makes it: `__proto__` is a key like any other. */
function objectOf(entries: readonly (readonly [string, unknown])[]): unknown {
  return JSON.parse(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value) ?? "null"}`).join(",")}}`);
}

type Path = readonly (string | number)[];

/** One of the objects with any value in a few of its places, or without what was there. */
export function bentObject<T extends object>(...objects: readonly T[]): fc.Arbitrary<unknown> {
  const paths = objects.map((object) => pathsOf(object));
  const change = fc.tuple(fc.nat({ max: 9999 }), fc.option(json, { nil: undefined, freq: 4 }));
  return fc.tuple(fc.nat({ max: objects.length - 1 }), fc.array(change, { maxLength: 3 })).map(([which, changes]) => {
    let copy: unknown = structuredClone(objects[which]!);
    for (const [place, value] of changes) {
      const path = paths[which]![place % paths[which]!.length]!;
      copy = replaced(copy, path, value);
    }
    return copy;
  });
}

function pathsOf(value: unknown, path: Path = []): Path[] {
  const inner = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return [path, ...inner.flatMap(([key, one]) => pathsOf(one, [...path, Array.isArray(value) ? Number(key) : key]))];
}

function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) return value.map((one, index) => (index === key ? replaced(one, rest, by) : one));
  if (typeof value !== "object" || value === null) return by;
  return { ...value, [key]: replaced((value as Record<string, unknown>)[key], rest, by) };
}
