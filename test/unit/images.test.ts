import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buildImages } from "../../host/images/build.ts";
import { layoutDigest, writeLayout } from "../../host/images/layout.ts";
import { ExitCode } from "../../shared/errors.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gitops-lab-images-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

const program = Buffer.from("not really a program");
const release = { version: "0.1.0", revision: "abcdef0", created: 1_768_208_400, arch: "amd64" };

describe("an image layout", () => {
  const write = async (name: string, content: Buffer, metadata: typeof release) => {
    await writeLayout(join(folder, name), content, metadata);
    return layoutDigest(join(folder, name));
  };
  const blob = async (name: string, digest: string) =>
    JSON.parse(await readFile(join(folder, name, "blobs/sha256", digest.replace("sha256:", "")), "utf8"));

  test("has the same digest wherever it is written", async () => {
    expect(await write("one", program, release)).toBe("sha256:1136faf83787f689ea3a04250635fc53c53588bd7570897cd921d0479f191062");
    expect(await write("two", program, { ...release })).toBe(await layoutDigest(join(folder, "one")));
  });

  test("has another digest for another program, and for each thing it says of it", async () => {
    const digests = [
      await write("same", program, release),
      await write("program", Buffer.from("another"), release),
      await write("version", program, { ...release, version: "0.2.0" }),
      await write("revision", program, { ...release, revision: "abcdef1" }),
      await write("created", program, { ...release, created: release.created + 1 }),
      await write("arch", program, { ...release, arch: "arm64" }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  test("shares the layer between releases", async () => {
    const one = await blob("one", await write("one", program, release));
    const two = await blob("two", await write("two", program, { ...release, version: "0.2.0" }));
    expect(one.layers).toEqual(two.layers);
    expect(one.config).not.toEqual(two.config);
  });

  test("runs the program as nobody and says which build it is", async () => {
    const { config: descriptor } = await blob("image", await write("image", program, release));
    const config = await blob("image", descriptor.digest);
    expect(config).toMatchObject({ architecture: "amd64", os: "linux", created: "2026-01-12T09:00:00.000Z" });
    expect(config.config).toMatchObject({
      User: "65532:65532",
      Entrypoint: ["/backend"],
      WorkingDir: "/",
      ExposedPorts: { "8080/tcp": {} },
      Env: ["APP_VERSION=0.1.0", "APP_COMMIT=abcdef0"],
      Labels: { "org.opencontainers.image.version": "0.1.0", "org.opencontainers.image.revision": "abcdef0" },
    });
  });

  test("leaves no draft behind, also where it can't be put", async () => {
    await write("one", program, release);
    await expect(write("one", program, release)).rejects.toThrow("ENOTEMPTY");
    expect(await readdir(folder)).toEqual(["one"]);
  });
});

test("without Go, building says what to install", async () => {
  vi.stubEnv("PATH", folder);
  vi.stubEnv("XDG_CACHE_HOME", folder);
  await expect(buildImages({ "main.go": "package main" }, [release])).rejects.toMatchObject({
    code: "go-missing",
    exitCode: ExitCode.badInput,
    message: expect.stringContaining("Install Go"),
  });
});
