import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { moduleSum, zipEntries } from "../../tools/fetch/module-zip.ts";
import { zip } from "../support/archives.ts";

const folder = mkdtempSync(join(tmpdir(), "gitops-lab-zip-"));
afterAll(() => rmSync(folder, { recursive: true }));

const module = "example.com/module@v1.0.0";
const archive = zip({ [`${module}/go.mod`]: "module example.com/module\n", [`${module}/a/b.go`]: `package b\n${"// b\n".repeat(100)}` });

async function read(bytes: Uint8Array): Promise<{ readonly sum: string; readonly files: [string, string][] } | undefined> {
  const file = join(folder, "zip");
  writeFileSync(file, bytes);
  try {
    const sum = await moduleSum(file);
    const entries = await zipEntries(file);
    return {
      sum,
      files: await Promise.all(entries.map(async ({ name, read }): Promise<[string, string]> => [name, (await read()).toString()])),
    };
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return undefined;
  }
}

test("an archive of other bytes has another sum, or is none; where the sum is the same, so are the files", async () => {
  const right = await read(archive);
  expect(right?.files).toHaveLength(2);
  const change = fc.record({ at: fc.nat(archive.length - 1), byte: fc.nat(255), cut: fc.option(fc.nat(archive.length), { freq: 3 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      let bytes = Buffer.from(archive);
      for (const { at, byte, cut } of changes) {
        bytes[Math.min(at, bytes.length - 1)] = byte;
        if (cut !== null && cut > 0) bytes = bytes.subarray(0, Math.min(cut, bytes.length));
      }
      const found = await read(bytes);
      if (found?.sum === right?.sum) expect(found?.files.toSorted()).toEqual(right?.files.toSorted());
    }),
    { numRuns: 500 },
  );
});

test("what is no archive at all has no sum", async () => {
  const noArchive = fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
    expect(await read(bytes)).toBeUndefined();
  });
  await fc.assert(noArchive);
});
