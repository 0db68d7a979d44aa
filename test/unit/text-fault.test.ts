import fc from "fast-check";
import { expect, test } from "vitest";
import { textFault } from "../../shared/text-fault.ts";

const asUtf8 = (bytes: Buffer) => bytes.toString("utf8");
const swapped = (text: string) => Buffer.from(text, "utf16le").swap16();
const record = `tag: develop-v0.3.0-abcdef0-1790000000\r\ndigest: sha256:${"a".repeat(64)}\r\n`;

test.each([
  ["with a mark", Buffer.from(`\uFEFF${record}`, "utf16le")],
  ["without one", Buffer.from(record, "utf16le")],
  ["big-endian", swapped(`\uFEFF${record}`)],
  ["big-endian without a mark", swapped(record)],
  ["and short", Buffer.from("\uFEFF0.3.0\r\n", "utf16le")],
  ["and empty", Buffer.from("\uFEFF", "utf16le")],
  ["with letters beyond ASCII", Buffer.from(`\uFEFFnote: für später\n${record}`, "utf16le")],
])("UTF-16 %s is told", (_, bytes) => expect(textFault(asUtf8(bytes))).toMatch(/^is UTF-16, .*save it anew as UTF-8/));

test("a pointer of Git LFS is told", () => {
  expect(textFault(`version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12\n`)).toMatch(
    /^is a pointer of Git LFS/,
  );
});

test("UTF-8 is none of it, whatever it says", () => {
  for (const text of ["", "0.3.0\n", `\uFEFF${record}`, record, "日本語", "a\0b", "version: 1\n"]) expect(textFault(text)).toBeUndefined();
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => text.includes("\0") || textFault(text) === undefined));
});
