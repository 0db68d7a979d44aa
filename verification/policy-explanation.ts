import { createContext, Script } from "node:vm";
import { messageOf } from "../shared/errors.ts";
import { excerpt } from "../shared/printable.ts";

/*
 * What an ImagePolicy makes of a list of tags, and why. The semantics are those of image-reflector-controller v1.2.3,
 * internal/policy/{filter,numerical,alphabetical}.go; test/contract/policy-explanation.test.ts compares with that code.
 */

/** How a policy chooses among the values that it extracted. */
export interface Ordering {
  readonly by: "numerical" | "alphabetical";
  /** `asc` selects the greatest value. */
  readonly order: "asc" | "desc";
}

export interface TagExplanation {
  readonly tag: string;
  readonly matches: boolean;
  /** What is compared; absent where the pattern does not match. */
  readonly value?: string;
  /** A sentence. */
  readonly because: string;
}

export interface PolicyExplanation {
  readonly tags: readonly TagExplanation[];
  /** Absent where the policy fails. Of tags with equal values any may be selected, and beside one that is "nan" any at all; this is the last of them. */
  readonly selected?: string;
  /** Why the policy selects nothing, as a sentence. */
  readonly failure?: string;
}

/**
 * Explains which tag a policy selects. An empty pattern matches every tag, an empty `extract` takes the whole tag. Left
 * out are numbers in hexadecimal and the parts of Go's patterns that no tag needs (Unicode classes, flags but a leading
 * `(?i)`): those are told as a failure.
 */
export function explainPolicy(pattern: string, extract: string, ordering: Ordering, tags: readonly string[]): PolicyExplanation {
  const expression = goPattern(pattern);
  if ("problem" in expression) {
    const failure = `The pattern is invalid: ${expression.problem}.`;
    return { tags: tags.map((tag) => ({ tag, matches: false, because: failure })), failure };
  }
  const found = execInTime(expression.regexp, tags);
  if ("problem" in found) {
    const failure = `The pattern can't be tried here: ${found.problem}.`;
    return { tags: tags.map((tag) => ({ tag, matches: false, because: failure })), failure };
  }
  const values = new Map(
    tags.flatMap((tag, index) => {
      const match = found[index];
      return match ? [[tag, extract === "" ? tag : expand(extract, match)] as const] : [];
    }),
  );
  // Two tags with one value: the controller remembers the later.
  const owners = new Map([...values].map(([tag, value]) => [value, tag]));
  const choice = latest([...owners.keys()], ordering);
  const { value: best, failure } = choice;
  const selected = best === undefined ? undefined : owners.get(best);
  return {
    tags: tags.map((tag) => {
      const value = values.get(tag);
      if (value === undefined) return { tag, matches: false, because: `${tag} does not match the pattern.` };
      return { tag, matches: true, value, because: explain(tag, value, ordering, choice, selected) };
    }),
    ...(selected !== undefined && { selected }),
    ...(failure !== undefined && { failure }),
  };
}

function explain(
  tag: string,
  value: string,
  { by, order }: Ordering,
  { value: best, failure, byChance }: Choice,
  selected: string | undefined,
): string {
  const extracted = `${tag} matches, and "${excerpt(value)}" is compared`;
  if (failure !== undefined) return `${extracted}; but the policy fails. ${failure}`;
  if (byChance !== undefined)
    return `${extracted}. "${byChance}" is neither less nor greater than any number, so it is left to chance which tag wins.`;
  if (tag === selected)
    return `${extracted}: it is the ${order === "asc" ? "greatest" : "least"}, ${by === "numerical" ? "as a number" : "as text"}.`;
  if (value === best) return `${extracted}, as it is for another tag, which takes its place.`;
  return `${extracted} ${by === "numerical" ? "as a number" : "as text"}: another tag's value is ${order === "asc" ? "greater" : "less"}.`;
}

interface Choice {
  readonly value?: string;
  readonly failure?: string;
  /** The value beside which any other may win, since it compares with none. */
  readonly byChance?: string | undefined;
}

function latest(values: readonly string[], { by, order }: Ordering): Choice {
  if (values.length === 0) return { failure: "No tag matches the pattern." };
  if (by === "alphabetical") {
    // Tags are ASCII, so the order of UTF-16 units is that of bytes.
    const sorted = values.toSorted();
    return { value: (order === "asc" ? sorted.at(-1) : sorted[0])! };
  }
  const wrong = values.find((value) => goFloat(value) === undefined);
  if (wrong !== undefined) return { failure: `"${excerpt(wrong)}" is no number, and one that is none makes the whole policy fail.` };
  const isLess = (one: string, other: string) => goFloat(one)! < goFloat(other)!;
  return {
    value: values.reduce((one, other) => ((order === "asc" ? isLess(other, one) : isLess(one, other)) ? one : other)),
    byChance: values.length > 1 ? values.find((value) => Number.isNaN(goFloat(value))) : undefined,
  };
}

const patienceMs = 2000;
const attempt = new Script("texts.map((text) => regexp.exec(text))");
const attempts = createContext({}, { codeGeneration: { strings: false, wasm: false } });

/**
 * What a pattern of somebody else's finds in each text; a clause where it is too large, or does not come to an end in time: Go's
 * patterns take a time that grows with the text, JavaScript's one that may double with each character of it.
 */
export function execInTime(regexp: RegExp, texts: readonly string[]): readonly (RegExpExecArray | null)[] | { readonly problem: string } {
  try {
    Object.assign(attempts, { regexp, texts });
    return attempt.runInContext(attempts, { timeout: patienceMs }) as (RegExpExecArray | null)[];
  } catch (error) {
    const isLate = (error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    return { problem: isLate ? "it takes too long to match" : excerpt(messageOf(error)) };
  } finally {
    Object.assign(attempts, { regexp: undefined, texts: undefined });
  }
}

/** Go's strconv.ParseFloat without hexadecimal; undefined where that gives an error. Go takes "nan" for a number, and "1_000". */
function goFloat(text: string): number | undefined {
  if (/^nan$/i.test(text)) return NaN;
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  const plain = text.replaceAll(/(?<=[0-9])_(?=[0-9])/g, "");
  if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(plain)) return undefined;
  const number = Number(plain);
  return Number.isFinite(number) ? number : undefined;
}

/** Go's Regexp.Expand: `$name` takes the longest run of letters, digits and underscores; an unknown name gives nothing. */
function expand(template: string, match: RegExpExecArray): string {
  return template.replaceAll(/\$(?:(\$)|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/g, (_, dollar?: string, braced?: string, bare?: string) => {
    if (dollar !== undefined) return "$";
    const name = braced ?? bare ?? "";
    return (/^[0-9]+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? "";
  });
}

const posixClasses: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  digit: "0-9",
  lower: "a-z",
  punct: "!-\\/:-@\\[-`{-~",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const longestPattern = 2000;

/** A pattern in Go's syntax (RE2) as one of ours, or a clause that says why it can't be. */
export function goPattern(pattern: string): { readonly regexp: RegExp } | { readonly problem: string } {
  const ignoreCase = pattern.startsWith("(?i)");
  const source = ignoreCase ? pattern.slice(4) : pattern;
  if (source.length > longestPattern)
    return { problem: `it has ${source.length} characters, more than the ${longestPattern} that are looked at` };
  let translated = "";
  for (let at = 0; at < source.length; ) {
    const rest = source.slice(at);
    const [piece, meaning] = rest.startsWith("[") ? readClass(rest) : readPiece(rest);
    if (meaning === undefined) return { problem: `"${excerpt(piece, 40)}" is not understood` };
    translated += meaning;
    at += piece.length;
  }
  try {
    return { regexp: new RegExp(translated, ignoreCase ? "i" : "") };
  } catch (error) {
    return { problem: excerpt(messageOf(error).replace(/^Invalid regular expression: /, "")) };
  }
}

type Piece = readonly [piece: string, meaning: string | undefined];

function readPiece(rest: string): Piece {
  const group = /^\(\?(?:P?<([A-Za-z_][A-Za-z0-9_]*)>|:)/.exec(rest);
  if (group) return [group[0], group[1] === undefined ? "(?:" : `(?<${group[1]}>`];
  if (rest.startsWith("(?")) return [rest.slice(0, 4), undefined];
  if (rest.startsWith("\\")) return readEscape(rest);
  return [rest[0]!, rest[0]!];
}

function readEscape(rest: string): Piece {
  const escaped = rest.slice(0, 2);
  if (escaped === "\\A") return [escaped, "^"];
  if (escaped === "\\z") return [escaped, "$"];
  // Go knows neither references to groups nor an escaped letter without a meaning.
  return [escaped, /^\\([dDwWsSbB]|[!-/:-@[-`{-~])$/.test(escaped) && escaped !== "\\_" ? escaped : escaped === "\\_" ? "_" : undefined];
}

function readClass(rest: string): Piece {
  const opening = /^\[\^?/.exec(rest)![0];
  let meaning = opening;
  for (let at = opening.length; at < rest.length; ) {
    const inside = rest.slice(at);
    const posix = /^\[:([a-z]+):\]/.exec(inside);
    if (inside.startsWith("]") && at > opening.length) return [rest.slice(0, at + 1), `${meaning}]`];
    const [piece, part] = posix
      ? ([posix[0], Object.hasOwn(posixClasses, posix[1]!) ? posixClasses[posix[1]!] : undefined] as const)
      : inside.startsWith("\\")
        ? readEscape(inside)
        : ([inside[0]!, inside[0] === "]" ? "\\]" : inside[0]!] as const);
    if (part === undefined || /^\\[bB]$/.test(piece)) return [piece, undefined];
    meaning += part;
    at += piece.length;
  }
  return [rest, undefined];
}
