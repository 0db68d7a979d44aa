import { quoted } from "./printable.ts";

/*
 * Files that people write or export come from editors, spreadsheets and shells with habits of their own. What can be read in one
 * way only is read; the rest is refused with its cause, and no letter is guessed.
 */

/** The kind of file. It decides which program should save it anew: a spreadsheet program, or an editor or shell. */
export type PersonFileKind = "sheet" | "text";

/** The text, with line breaks as `\n` and no mark before it, or a clause that says what the file is instead and how to save it. */
export type PersonText = { readonly text: string } | { readonly problem: string };

const howToSave: Readonly<Record<PersonFileKind, string>> = {
  sheet: 'Save it as "CSV UTF-8" (Excel), or as text CSV with the character set Unicode (UTF-8) (LibreOffice)',
  text: "Save it with the encoding UTF-8, in PowerShell with `Out-File -Encoding utf8` in place of `>`",
};

/** How a workbook becomes a file that can be read. */
const howToExport = 'Open it in the program that wrote it, and save or export the sheet as "CSV UTF-8"';

/**
 * The text in a file's bytes: UTF-8 with or without a byte order mark, and UTF-16 with one. A problem goes on from the name of
 * the file ("is not UTF-8: ...") and has no full stop.
 *
 * @param utf16 whether UTF-16 is read; not where another program reads the same file
 */
export function decodePersonText(bytes: Uint8Array, kind: PersonFileKind, { utf16 = true } = {}): PersonText {
  const start = Buffer.from(bytes.subarray(0, 4096));
  const other = otherFormat(Buffer.from(bytes.subarray(0, 65_536)));
  if (other !== undefined) return { problem: `is ${other}, whatever its name says. ${kind === "sheet" ? howToExport : howToSave[kind]}` };
  const wide = wideEncoding(start);
  if (wide !== undefined) {
    if (!utf16) return { problem: `is ${wide.name}, and must be UTF-8. ${howToSave[kind]}` };
    if (wide.decoder === undefined)
      return { problem: `is ${wide.name}, which can't be told from other encodings with certainty. ${howToSave[kind]}` };
    const text = decoded(bytes, wide.decoder);
    return text === undefined ? { problem: `begins as ${wide.name} and is broken off or damaged. ${howToSave[kind]}` } : sound(text, kind);
  }
  const text = decoded(bytes, "utf-8");
  return text === undefined ? { problem: notUtf8(Buffer.from(bytes), kind) } : sound(text, kind);
}

/**
 * Says that a text, already read as UTF-8, came from a file that was no UTF-8 text, or is not the one in its editor; undefined if
 * nothing tells so. For files in Git, whose bytes are read elsewhere.
 */
export function textFault(text: string): string | undefined {
  if (/^\uFEFF?version https:\/\/git-lfs\.github\.com\/spec\//.test(text))
    return "is a pointer of Git LFS, and there is no LFS here. Put the files themselves into your commits with `git lfs migrate export --include='*' --yes`";
  const nuls = text.slice(0, 4096).split("\0").length - 1;
  if (nuls > 0 && nuls * 3 > Math.min(text.length, 4096))
    return `is UTF-16, which is what PowerShell's \`>\` writes, and must be UTF-8. ${howToSave.text}`;
  if (nuls > 0) return `has a NUL byte in line ${lineOf(text, "\0")}, and is no text. ${howToSave.text}`;
  return undefined;
}

/** The same, and says if letters were lost: for a file that is written anew, not for one that was accepted long ago. */
export function lettersLost(text: string): string | undefined {
  if (!text.includes("\ufffd")) return undefined;
  return `is not UTF-8, or holds the sign U+FFFD in place of a letter that was lost: look at line ${lineOf(text, "\ufffd")}. ${howToSave.text}`;
}

function sound(decodedText: string, kind: PersonFileKind): PersonText {
  // A second mark comes from programs that put theirs before one that is there already.
  const text = decodedText.replace(/^\ufeff+/, "").replace(/\r\n?/g, "\n");
  if (text.includes("\0")) return { problem: `has a NUL byte in line ${lineOf(text, "\0")}, and is no text. ${howToSave[kind]}` };
  if (text.includes("\ufffd")) {
    const line = lineOf(text, "\ufffd");
    return {
      problem: `has the sign U+FFFD in line ${line}, where a program that wrote it has lost a letter: ${quoted(lineAt(text, line), 60)}. Export it once more from where the names are still right, as UTF-8`,
    };
  }
  const misread = twiceEncoded.exec(text);
  if (misread !== null) {
    const line = lineOf(text, misread[0]);
    return {
      problem: `has ${quoted(misread[0])} in line ${line}, which is a letter of UTF-8 that a program has read as Windows-1252: ${quoted(lineAt(text, line), 60)}. Export it once more from where the names are still right, as UTF-8`,
    };
  }
  return { text };
}

/**
 * The first bytes of letters such as é and ö as Windows-1252 shows them, with what can follow them. In no name of any language
 * does such a pair stand; U+00A0 is left out, since a space may follow a capital.
 */
const twiceEncoded =
  /[\u00c2\u00c3][\u0080-\u009f\u00a1-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178]/;

function notUtf8(bytes: Buffer, kind: PersonFileKind): string {
  let line = 1;
  for (let from = 0; from <= bytes.length; line += 1) {
    const end = bytes.indexOf(0x0a, from);
    const part = bytes.subarray(from, end === -1 ? bytes.length : end);
    if (decoded(part, "utf-8") === undefined) {
      // Only shown: which code page it was nobody can know.
      const reading = quoted(new TextDecoder("windows-1252").decode(part), 60);
      return `is not UTF-8: line ${line} would be ${reading} in Windows-1252, and something else in other code pages. ${howToSave[kind]}`;
    }
    from = end === -1 ? bytes.length + 1 : end + 1;
  }
  return `is not UTF-8. ${howToSave[kind]}`;
}

function otherFormat(bytes: Buffer): string | undefined {
  const head = bytes.toString("latin1");
  if (head.startsWith("PK\u0003\u0004")) {
    if (head.includes("application/vnd.oasis.opendocument")) return "a LibreOffice document";
    if (head.includes("xl/") || head.includes("[Content_Types].xml")) return "an Excel workbook";
    return head.includes("Index/") ? "a Numbers document" : "a ZIP archive, as workbooks are";
  }
  if (head.startsWith("\u00d0\u00cf\u0011\u00e0")) return "an Excel workbook of the old kind (.xls)";
  if (head.startsWith("%PDF-")) return "a PDF";
  if (head.startsWith("\u001f\u008b")) return "a gzip archive";
  if (head.startsWith("{\\rtf")) return "a document in Rich Text Format";
  if (/^(?:\u00ef\u00bb\u00bf)?\s*<(?:!doctype html|html)/i.test(head)) return "a web page, as one gets where a download wanted a login";
  return undefined;
}

interface Wide {
  readonly name: string;
  /** Undefined where it is not read. */
  readonly decoder?: "utf-16le" | "utf-16be";
}

function wideEncoding(start: Buffer): Wide | undefined {
  const mark = start.subarray(0, 4).toString("hex");
  if (mark === "fffe0000" || mark === "0000feff") return { name: "UTF-32" };
  if (mark.startsWith("fffe")) return { name: "UTF-16", decoder: "utf-16le" };
  if (mark.startsWith("feff")) return { name: "UTF-16", decoder: "utf-16be" };
  const nuls = start.filter((byte) => byte === 0).length;
  return nuls > 1 && nuls * 3 > start.length ? { name: "UTF-16 without a byte order mark" } : undefined;
}

function decoded(bytes: Uint8Array, encoding: "utf-8" | "utf-16le" | "utf-16be"): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const lineOf = (text: string, sign: string) => text.slice(0, text.indexOf(sign)).split("\n").length;
const lineAt = (text: string, line: number) => text.split("\n")[line - 1] ?? "";
