import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { download } from "../../tools/download.ts";
import { bringTool } from "../../tools/install.ts";
import { manifest } from "../../tools/manifest.ts";
import type { Tool } from "../../tools/tool.ts";
import { useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();
const script = "#!/bin/sh\necho served\n";
const served = new Map<string, Buffer>();
const server = createServer((request, response) => {
  const content = served.get(request.url ?? "");
  if (content) response.end(content);
  else response.writeHead(404).end();
});
let origin = "";

beforeAll(async () => {
  const archive = pack();
  archive.entry({ name: "./tool-1.0/README.md" }, "read me");
  archive.entry({ name: "./tool-1.0/tool", mode: 0o644 }, script);
  archive.entry({ name: "./tool-1.0/companion" }, script);
  archive.finalize();
  served.set("/tool.tar.gz", gzipSync(await buffer(archive)));
  served.set("/tool", Buffer.from(script));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => new Promise((closed) => server.close(closed)));

function release(path: string) {
  return {
    url: origin + path,
    sha256: createHash("sha256")
      .update(served.get(path) ?? "")
      .digest("hex"),
  };
}

test("takes the programs out of an archive", async () => {
  const folder = await newFolder();
  const members = ["tool-1.0/tool", "tool-1.0/companion"];
  expect(await download({ ...release("/tool.tar.gz"), members }, "tool", folder)).toBe(true);
  expect((await readdir(folder)).sort()).toEqual(["companion", "tool"]);
  expect((await run(join(folder, "tool"), [])).stdout).toBe("served");
});

test("takes a program that comes as it is", async () => {
  const folder = await newFolder();
  expect(await download(release("/tool"), "tool", folder)).toBe(true);
  expect((await run(join(folder, "tool"), [])).stdout).toBe("served");
});

test("refuses what is not the pinned release, and leaves nothing of it", async () => {
  const folder = await newFolder();
  const pinned = { ...release("/tool.tar.gz"), sha256: "0".repeat(64), members: ["tool-1.0/tool"] };
  await expect(download(pinned, "tool", folder)).rejects.toMatchObject({
    code: "tool-digest",
    message: expect.stringContaining(pinned.url),
  });
  expect(await readdir(folder)).toEqual([]);
});

test("can't be had where the release is not", async () => {
  const folder = await newFolder();
  expect(await download(release("/gone"), "tool", folder)).toBe(false);
  expect(await readdir(folder)).toEqual([]);
});

test("a tool whose release can't be reached is built from source", async () => {
  const folder = await newFolder();
  // Nothing listens on port 1.
  const unreachable = { url: "http://127.0.0.1:1/crane.tar.gz", sha256: "0".repeat(64), members: ["crane"] };
  const tool: Tool = { ...manifest.crane, downloads: { amd64: unreachable, arm64: unreachable } };
  const said: string[] = [];
  expect(await bringTool("crane", tool, folder, (activity) => said.push(activity), process.env)).toMatch(/^built from /);
  expect(said).toEqual(["downloading", "building from source"]);
  expect(await readdir(folder)).toEqual(["crane"]);
  expect((await run(join(folder, "crane"), ["version"])).stdout).toBe(`v${manifest.crane.version}`);
});

test("a tool whose release is served is not built", async () => {
  const folder = await newFolder();
  const pinned = release("/tool");
  const tool: Tool = { ...manifest.crane, downloads: { amd64: pinned, arm64: pinned } };
  expect(await bringTool("crane", tool, folder, () => {}, process.env)).toBe(`downloaded from ${pinned.url}`);
  expect(await readFile(join(folder, "crane"), "utf8")).toBe(script);
});

test("says that Go is missing where a build is needed", async () => {
  const folder = await newFolder();
  const { downloads: _, ...tool } = manifest.crane;
  const env = { ...process.env, PATH: folder };
  await expect(bringTool("crane", tool, folder, () => {}, env)).rejects.toMatchObject({ code: "go-missing" });
});
