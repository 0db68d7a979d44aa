/**
 * What tells a terminal something (ECMA-48): operating system commands such as a title, control sequences such as a colour,
 * and the short ones. Each part ends where the next could begin, so that it takes a time that grows with the text and no
 * more; node's own `stripVTControlCharacters` takes the square of it.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const sequences = /\u001b\][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/g;

/** One line without control characters: commit authors, pod messages and much else are written by others. */
export function printable(text: string): string {
  return text
    .replace(sequences, "")
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
}

/** The same, and no more of it than a sentence can hold. */
export function excerpt(text: string, limit = 120): string {
  // What nobody is shown need not be looked at either.
  const line = printable(text.slice(0, limit * 8));
  return line.length > limit || text.length > limit * 8 ? `${line.slice(0, limit)}…` : line;
}

/** Writes characters that nobody would see as their number: `ada\u200b`. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}\p{Cn}]|(?! )\p{Zs}/gu,
    (sign) => `\\u${sign.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

/** The text in quotation marks, with every character visible. No longer than a sentence can hold. */
export function quoted(text: string, limit = 120): string {
  const seen = visible(JSON.stringify(text.slice(0, limit)));
  return text.length > limit ? `${seen.slice(0, -1)}…"` : seen;
}

/** The same of any value that somebody else wrote. */
export function shownValue(value: unknown, limit = 120): string {
  if (typeof value === "string") return quoted(value, limit);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    return "something that holds itself or is too deep";
  }
  if (text === undefined) return "nothing";
  return visible(text.length > limit ? `${text.slice(0, limit)}…` : text);
}
