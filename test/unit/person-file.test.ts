import { mkdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { readPersonBytes, readPersonText } from "../../shared/person-file.ts";
import { decodePersonText, lettersLost, textFault } from "../../shared/person-text.ts";
import { parseRecord } from "../../verification/promotion-record.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const utf16 = (text: string) => Buffer.from(text, "utf16le");
const bigEndian = (text: string) => utf16(text).swap16();
const roster = "id,name,email\njose,José Núñez,jose@example.org\n";

describe("the text of a person's file", () => {
  test.each<[string, Buffer, string]>([
    ["UTF-8", Buffer.from(roster), roster],
    ["UTF-8 with a mark", Buffer.from(`\ufeff${roster}`), roster],
    ["two marks, one from each program", Buffer.from(`\ufeff\ufeff${roster}`), roster],
    ["UTF-16 of Excel and PowerShell", utf16(`\ufeff${roster}`), roster],
    ["UTF-16 the other way round", bigEndian(`\ufeff${roster}`), roster],
    ["line breaks of Windows and of an old Macintosh", Buffer.from("a\r\nb\rc\n"), "a\nb\nc\n"],
    ["a script from right to left", Buffer.from("id,name\nalef,אלף בית\n"), "id,name\nalef,אלף בית\n"],
    ["capitals with a tilde, as Portuguese has them", Buffer.from("JOÃO, IRMÃ\u00a0B\n"), "JOÃO, IRMÃ\u00a0B\n"],
    ["nothing", Buffer.alloc(0), ""],
  ])("is read from %s", (_, bytes, text) => expect(decodePersonText(bytes, "sheet")).toEqual({ text }));

  test.each<[string, Buffer, RegExp]>([
    [
      "Windows-1252",
      Buffer.from(roster, "latin1"),
      /^is not UTF-8: line 2 would be "jose,José Núñez,jose@example\.org" in Windows-1252.*"CSV UTF-8"/,
    ],
    ["UTF-16 without a mark", utf16(roster), /^is UTF-16 without a byte order mark.*Save it/],
    ["UTF-16 that is broken off", utf16(`\ufeff${roster}`).subarray(0, 21), /^begins as UTF-16 and is broken off/],
    ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 0x69, 0, 0, 0]), /^is UTF-32/],
    ["a NUL", Buffer.from("id,name\nada,A\0da\n"), /^has a NUL byte in line 2/],
    ["a letter that was lost", Buffer.from("id\nJos\ufffd\n"), /^has the sign U\+FFFD in line 2.*"Jos\ufffd"/],
    ["UTF-8 that was read as Windows-1252", Buffer.from("id\nJosÃ©\n"), /^has "Ã©" in line 2.*read as Windows-1252/],
    [
      "a workbook of Excel",
      Buffer.from("PK\u0003\u0004....[Content_Types].xml", "latin1"),
      /^is an Excel workbook, whatever its name says\. Open it.*CSV UTF-8/,
    ],
    [
      "a workbook of LibreOffice",
      Buffer.from("PK\u0003\u0004mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
      /^is a LibreOffice document/,
    ],
    ["a workbook of Numbers", Buffer.from("PK\u0003\u0004....Index/Document.iwa"), /^is a Numbers document/],
    ["an old workbook", Buffer.from("d0cf11e0a1b11ae1", "hex"), /^is an Excel workbook of the old kind/],
    ["the page of a login", Buffer.from("\n<!DOCTYPE html><title>Sign in</title>"), /^is a web page/],
  ])("is refused where it is %s", (_, bytes, problem) =>
    expect(decodePersonText(bytes, "sheet")).toEqual({ problem: expect.stringMatching(problem) }),
  );

  test("is refused as UTF-16 where another program reads the same file", () => {
    expect(decodePersonText(utf16("\ufeffconfig:\n"), "text", { utf16: false })).toEqual({
      problem: expect.stringMatching(/^is UTF-16, and must be UTF-8/),
    });
  });
});

describe("a file that a person names", () => {
  test.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    ["a folder", (path) => mkdir(path), /^is a folder, and must be a file$/],
    ["a pipe that nobody writes to", (path) => run("mkfifo", [path]), /^is no ordinary file/],
    ["a device without end", (path) => symlink("/dev/zero", path), /^is no ordinary file/],
    [
      "50 MiB",
      async (path) => (await writeFile(path, ""), truncate(path, 50 * 1024 * 1024)),
      /^has 50 MiB, and no more than 1 MiB are read/,
    ],
    ["not there", async () => undefined, /^can't be read: there is no such file$/],
    ["a link in a circle", (path) => symlink(path, path), /^can't be read: ELOOP/],
    ["below a file", async (path) => (await writeFile(path, ""), undefined), /^can't be read: there is no such file$/],
  ])("is refused where it is %s", async (what, make, problem) => {
    const path = join(home(), what.replaceAll(" ", "-"));
    await make(path);
    expect(readPersonBytes(what === "below a file" ? join(path, "x") : path)).toMatchObject({ problem: expect.stringMatching(problem) });
  });

  test("is read, through a link too", async () => {
    await writeFile(join(home(), "it.csv"), roster);
    await symlink("it.csv", join(home(), "link.csv"));
    expect(readPersonText(join(home(), "link.csv"), "sheet")).toEqual({ text: roster });
  });
});

describe("what Git has of a learner's file", () => {
  const record = "tag: develop-v0.2.0-98b04c5-1768813200\ndigest: sha256:aa\n";
  // As a reader of UTF-8 sees it.
  const seen = (bytes: Buffer) => bytes.toString("utf8");

  test.each<[string, string, RegExp]>([
    ["what PowerShell's > writes", seen(utf16(`\ufeff${record}`)), /^is UTF-16, which is what PowerShell's `>` writes, and must be UTF-8/],
    ["the same without a mark", seen(utf16(record)), /^is UTF-16/],
    ["the same the other way round", seen(bigEndian(`\ufeff${record}`)), /^is UTF-16/],
    ["a NUL", "tag: a\ndigest: \0\n", /^has a NUL byte in line 2/],
  ])("is told as %s", (_, text, problem) => {
    expect(textFault(text)).toMatch(problem);
    expect(parseRecord(text)).toEqual({ problem: expect.stringMatching(problem) });
  });

  test("is well as UTF-8 with a mark, and with the line breaks of Windows", () => {
    const good = `tag: a\ndigest: sha256:${"a".repeat(64)}\n`;
    for (const text of [good, `\ufeff${good}`, good.replaceAll("\n", "\r\n")]) expect(parseRecord(text)).toHaveProperty("record.tag", "a");
  });

  test("has lost letters where it was in a code page", () => {
    expect(lettersLost(seen(Buffer.from("tag: a\nnote: für\n", "latin1")))).toMatch(/^is not UTF-8.*line 2/);
    expect(lettersLost("note: für\n")).toBeUndefined();
  });
});

test("a pointer of Git LFS in the place of a text is told", () => {
  expect(textFault(`version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12\n`)).toMatch(
    /^is a pointer of Git LFS, and there is no LFS here\. .*git lfs migrate export/,
  );
  expect(textFault("version: 1\n")).toBeUndefined();
});
