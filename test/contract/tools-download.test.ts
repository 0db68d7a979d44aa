import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { archHere, download } from "../../tools/download.ts";
import { newMeter } from "../../tools/fetch/meter.ts";
import { moduleSum } from "../../tools/fetch/module-zip.ts";
import type { Fetching } from "../../tools/fetch/transfer.ts";
import { fetchTool, makeTool } from "../../tools/items.ts";
import { manifest } from "../../tools/manifest.ts";
import type { Download, Tool } from "../../tools/tool.ts";
import { tarGz, zip } from "../support/archives.ts";
import { startReleaseHost, type ReleaseHost } from "../support/release-host.ts";
import { useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();
const script = "#!/bin/sh\necho served\n";
/** Longer than what the server sends at once. */
const longScript = `${script}# ${createHash("sha256").update("padding").digest("hex").repeat(10_000)}\n`;
const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");
const arch = archHere()!;

let host: ReleaseHost;
beforeEach(async () => void (host = await startReleaseHost()));
afterEach(() => host.close());

async function machine() {
  const [folder, store] = [await newFolder(), await newFolder()];
  const fetching: Fetching = { store, used: new Set(), meter: newMeter(), signal: new AbortController().signal };
  return { folder, store, fetching, take: (release: Download) => download(release, "tool", folder, fetching, process.env) };
}

const served = async (folder: string) => (await run(join(folder, "tool"), [])).stdout;

describe("a file of a release", () => {
  test("gives the programs in it, and nothing else", async () => {
    const { folder, take } = await machine();
    const archive = await tarGz({ "./tool-1.0/README.md": "read me", "./tool-1.0/tool": script, "./tool-1.0/companion": script });
    const url = host.elsewhere("/tool.tar.gz", archive);
    expect(await take({ url, sha256: sha256(archive), members: ["tool-1.0/tool", "tool-1.0/companion"] })).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(["companion", "tool"]);
    expect(await served(folder)).toBe("served");
  });

  test("is the program where it is no archive", async () => {
    const { folder, take } = await machine();
    expect(await take({ url: host.file("/tool", Buffer.from(script)), sha256: sha256(script) })).toBe(true);
    expect(await served(folder)).toBe("served");
  });

  test("is refused where it is not the pinned one, and nothing of it is kept", async () => {
    const { folder, store, take } = await machine();
    const url = host.file("/tool", Buffer.from(`${script}.`));
    await expect(take({ url, sha256: sha256(script) })).rejects.toMatchObject({
      code: "tool-digest",
      message: expect.stringContaining(url),
    });
    expect([await readdir(folder), await readdir(store)]).toEqual([[], []]);
  });

  test("can't be had where the host has none, or is none", async () => {
    const { folder, take } = await machine();
    expect(await take({ url: `${host.origin}/gone`, sha256: sha256(script) })).toBe(false);
    // Nothing listens on port 1.
    expect(await take({ url: "http://127.0.0.1:1/tool", sha256: sha256(script) })).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  test("goes on where its connection was cut", async () => {
    const { folder, take } = await machine();
    const url = host.file("/tool", Buffer.from(longScript));
    host.cut("/tool", 100_000);
    expect(await take({ url, sha256: sha256(longScript) })).toBe(true);
    expect(await served(folder)).toBe("served");
    expect(host.requests).toEqual(["GET /tool", expect.stringMatching(/^GET \/tool bytes=\d+-$/)]);
    expect(host.requests[1]).not.toBe("GET /tool bytes=0-");
  });

  test.each([
    ["a part of it", Buffer.from(longScript.slice(0, 70_000)), ["GET /tool bytes=70000-"]],
    ["a part of something else", Buffer.from("x".repeat(70_000)), ["GET /tool bytes=70000-", "GET /tool"]],
    ["more than it is long", Buffer.from("x".repeat(longScript.length + 1)), [`GET /tool bytes=${longScript.length + 1}-`, "GET /tool"]],
  ])("begins with what an earlier set-up left: %s", async (_, left, requests) => {
    const { folder, store, take } = await machine();
    await writeFile(join(store, `${sha256(longScript)}.part`), left);
    expect(await take({ url: host.file("/tool", Buffer.from(longScript)), sha256: sha256(longScript) })).toBe(true);
    expect(await served(folder)).toBe("served");
    expect(host.requests).toEqual(requests);
  });

  test("is not fetched again where an earlier set-up left it, unless that is damaged", async () => {
    const { folder, store, take } = await machine();
    const release = { url: host.file("/tool", Buffer.from(script)), sha256: sha256(script) };
    await writeFile(join(store, release.sha256), script);
    expect(await take(release)).toBe(true);
    expect(host.requests).toEqual([]);
    await writeFile(join(store, release.sha256), script.replace("served", "other!"));
    expect(await take(release)).toBe(true);
    expect(host.requests).toEqual(["GET /tool"]);
    expect(await served(folder)).toBe("served");
  });
});

describe("a file in an image", () => {
  const layers = async () => [
    await tarGz({ "usr/local/bin/tool": "of a layer below" }),
    await tarGz({ "etc/passwd": "", "usr/local/bin/tool": script }),
    await tarGz({ "usr/local/bin/other": "of a layer above" }),
  ];

  test("is taken out of the last layer that has it, after a token and by way of another host", async () => {
    const { folder, take } = await machine();
    expect(await take({ ...host.image("lab/tool", arch, await layers()), file: "usr/local/bin/tool" })).toBe(true);
    expect(await readdir(folder)).toEqual(["tool"]);
    expect(await served(folder)).toBe("served");
    expect(host.requests.filter((one) => one.includes("/blobs/"))).toHaveLength(2);
  });

  test.each(["manifests", "blobs"])("is refused where one of its %s is not what led to it", async (part) => {
    const { folder, take } = await machine();
    const image = host.image("lab/tool", arch, await layers());
    const named = await take({ ...image, file: "usr/local/bin/tool" }).then(() => host.requests.map((one) => one.replace("GET ", "")));
    for (const path of new Set(named.filter((one) => one.includes(`/${part}/`) && !one.includes(image.digest))))
      host.file(path, Buffer.from("{} "));
    const other = await machine();
    await expect(other.take({ ...image, file: "usr/local/bin/tool" })).rejects.toMatchObject({ code: "tool-digest" });
    expect([await readdir(other.folder), await readdir(folder)]).toEqual([[], ["tool"]]);
  });

  test("can't be had where there is none for this machine", async () => {
    const { take } = await machine();
    expect(await take({ ...host.image("lab/tool", "riscv64", await layers()), file: "usr/local/bin/tool" })).toBe(false);
    expect(await take({ image: `${host.origin}/lab/none`, digest: `sha256:${"0".repeat(64)}`, file: "tool" })).toBe(false);
  });
});

describe("a Go toolchain", () => {
  const root = "golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64";
  const files = {
    [`${root}/bin/go`]: script,
    [`${root}/pkg/tool/linux_amd64/compile`]: script,
    [`${root}/src/_go.mod`]: "module std\n",
    [`${root}/src/fmt/print.go`]: "package fmt\n",
    [`${root}/src/fmt/print_test.go`]: "package fmt\n",
    [`${root}/src/fmt/testdata/x`]: "",
    [`${root}/test/a.go`]: "package a\n",
  };
  const pinned = async (archive: Buffer) => {
    const path = join(await newFolder(), "zip");
    await writeFile(path, archive);
    return { goToolchain: { version: "v0.0.1-go1.26.8.linux-amd64", sum: await moduleSum(path) } };
  };

  test("is unpacked as the go command does it, without its tests", async () => {
    const { folder, fetching } = await machine();
    const archive = zip(files);
    host.file("/proxy/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", archive);
    expect(await download(await pinned(archive), "go", folder, fetching, { GOPROXY: `${host.origin}/proxy,direct` })).toBe(true);
    const found = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => !entry.isDirectory());
    expect(found.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1)).sort()).toEqual([
      "bin/go",
      "go",
      "pkg/tool/linux_amd64/compile",
      "src/fmt/print.go",
      "src/go.mod",
    ]);
    for (const program of ["go", "pkg/tool/linux_amd64/compile"]) expect((await run(join(folder, program), [])).stdout).toBe("served");
  });

  test.each<[string, Record<string, string>]>([
    ["other bytes", { ...files, [`${root}/bin/go`]: `${script} ` }],
    ["a file more", { ...files, [`${root}/bin/gofmt`]: script }],
    ["a file that is outside of it", { ...files, [`${root}/../../outside`]: script }],
  ])("with %s is refused", async (_, changed) => {
    const { folder, fetching } = await machine();
    host.file("/proxy/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", zip(changed));
    const env = { GOPROXY: `${host.origin}/proxy` };
    await expect(download(await pinned(zip(files)), "go", folder, fetching, env)).rejects.toMatchObject({ code: "tool-digest" });
    expect(await readdir(folder)).toEqual([]);
  });

  test("that names a file outside of itself is not unpacked, even where its sum is right", async () => {
    const { folder, fetching } = await machine();
    const archive = zip({ ...files, [`${root}/../../outside`]: script });
    host.file("/proxy/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip", archive);
    const env = { GOPROXY: `${host.origin}/proxy` };
    await expect(download(await pinned(archive), "go", folder, fetching, env)).rejects.toThrow("outside of its module");
    expect(await readdir(folder)).toEqual([]);
  });
});

test("of several places the next is asked where one has nothing", async () => {
  const { folder, fetching } = await machine();
  const [gone, there] = [
    { url: `${host.origin}/gone`, sha256: sha256(script) },
    { url: host.file("/tool", Buffer.from(script)), sha256: sha256(script) },
  ];
  const tool: Tool = { ...manifest.crane, downloads: { [arch]: [gone, there] } };
  expect(await fetchTool("tool", tool, folder, fetching, process.env)).toBe(`downloaded from ${there.url}`);
  expect(await readFile(join(folder, "tool"), "utf8")).toBe(script);
});

// With all that it is made of, where nothing is compiled yet.
test("a tool is built from source", { timeout: 300_000 }, async () => {
  const { folder } = await machine();
  const said: string[] = [];
  expect(await makeTool("crane", manifest.crane, folder, (activity) => said.push(activity), process.env)).toMatch(/^built from /);
  expect(said).toEqual(["building from source"]);
  expect(await readdir(folder)).toEqual(["crane"]);
  expect((await run(join(folder, "crane"), ["version"])).stdout).toBe(`v${manifest.crane.version}`);
});

test("says that Go is missing where a build is needed", async () => {
  const { folder } = await machine();
  const empty = join(folder, "empty");
  await mkdir(empty);
  const env = { ...process.env, PATH: empty, XDG_CACHE_HOME: empty };
  await expect(makeTool("crane", manifest.crane, folder, () => {}, env)).rejects.toMatchObject({ code: "go-missing" });
});
