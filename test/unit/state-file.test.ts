import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { copyOf, readState, removeState, writeState } from "../../shared/state-file.ts";

const Schema = z.object({ count: z.int() });
const options = { what: "The count", remedy: "Count again." };
let folder: string;
let file: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "gl-state-"))));
beforeEach(async () => {
  file = join(folder, "count.json");
  await removeState(file);
});
afterAll(() => rm(folder, { recursive: true }));

const write = (count: number) => writeState(file, JSON.stringify({ count }));
const read = () => readState(file, Schema, options);

/** What a lost machine leaves of a file that it was about to write. */
const tears: Readonly<Record<string, (path: string) => Promise<void>>> = {
  empty: (path) => truncate(path, 0),
  half: async (path) => truncate(path, Math.floor((await stat(path)).size / 2)),
  zeros: async (path) => writeFile(path, Buffer.alloc((await stat(path)).size)),
  "another's": (path) => writeFile(path, '{"other":1}'),
};

describe.each(Object.entries(tears))("a state file that is %s", (_name, tear) => {
  test("gives what it said, also where it was written but once", async () => {
    await write(1);
    await tear(file);
    expect(await read()).toEqual({ count: 1 });
    await write(2);
    await tear(file);
    expect(await read()).toEqual({ count: 2 });
  });

  test("is whole where the copy was torn", async () => {
    await write(1);
    await tear(copyOf(file));
    expect(await read()).toEqual({ count: 1 });
  });

  test("is named with what helps where its copy is as well, or gives what holds in its place", async () => {
    await write(1);
    for (const one of [file, copyOf(file)]) await tear(one);
    await expect(read()).rejects.toMatchObject({
      code: "state-torn",
      message: expect.stringMatching(/^The count can't be read: .*Count again\.$/),
    });
    expect(await readState(file, Schema, { orElse: { count: 0 } })).toEqual({ count: 0 });
    expect(await readState(file, Schema, { orElse: undefined })).toBeUndefined();
  });
});

test("a state file that is not there says nothing, whatever it said before", async () => {
  expect(await read()).toBeUndefined();
  await write(1);
  await write(2);
  await rm(file);
  expect(await read()).toBeUndefined();
});

test("both files are the owner's alone", async () => {
  await write(1);
  await write(2);
  for (const one of [file, copyOf(file)]) expect((await stat(one)).mode & 0o777).toBe(0o600);
});
