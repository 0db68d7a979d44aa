import { mkdtemp, readdir, readFile, stat, writeFile, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { imageRepository } from "../../registries/embedded/repository.ts";
import { seedImages, type SeedImagesInput } from "../../host/drivers/seed-images.ts";
import { buildImages } from "../../host/images/build.ts";
import { withRepository } from "../../host/images/crane.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { run } from "../../shared/exec.ts";
import { cacheHome, cohortPaths } from "../../shared/paths.ts";
import { CraneClient } from "../support/crane-client.ts";
import { useLabHome } from "../support/lab-home.ts";
import { startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";

const home = useLabHome();
const params = template.params.parse({});
const app = template.app(params);
const releases = template
  .releases(params)
  .map((release) => ({ ...release, tags: template.environments.map((environment) => template.tag(environment, release)) }));
const [first, second] = releases as [(typeof releases)[0], (typeof releases)[0]];

let server: LabServer;
let registry: RunningRegistry;
beforeAll(async () => {
  const paths = cohortPaths("demo");
  server = await startLabServer(paths);
  registry = await startRegistry(paths, server);
});
afterAll(async () => {
  await registry.stop();
  await server.close();
});
afterEach(() => void vi.unstubAllEnvs());

/** A learner's empty image path, and a client of it with the learner's credential. */
async function learner(id: string): Promise<{ input: SeedImagesInput; crane: CraneClient }> {
  const { output } = await imageRepository.ensure({ cohort: "demo", learner: id, name: "backend", registry: registry.host });
  const { repository, username, password } = output;
  return {
    input: { repository, username, password, insecure: true, app, releases },
    crane: new CraneClient(home(), registry.host, { username, password }),
  };
}

test("the app passes its own tests", async () => {
  const folder = await mkdtemp(join(home(), "app-"));
  for (const [path, text] of Object.entries(app)) await writeFile(join(folder, path), text);
  const env = { GOFLAGS: "-mod=mod", GOPROXY: "off", GOTOOLCHAIN: "local" };
  await run("go", ["vet", "./..."], { cwd: folder, env });
  expect((await run("go", ["test", "./..."], { cwd: folder, env })).stdout).toMatch(/^ok\s/);
  expect((await run("gofmt", ["-l", "."], { cwd: folder })).stdout).toBe("");
});

describe("a built image", () => {
  /** From here on images are built from nothing; the compiler's own cache stays where it is. */
  const machineCache = cacheHome();

  async function useEmptyCache(): Promise<string> {
    vi.stubEnv("GOCACHE", (await run("go", ["env", "GOCACHE"])).stdout as string);
    const cache = await mkdtemp(join(home(), "cache-"));
    // Of images: the compiler's programs and the compiled standard library are the machine's.
    await mkdir(join(cache, "gitops-lab"));
    for (const kept of ["tools", "go-std"]) await symlink(join(machineCache, kept), join(cache, "gitops-lab", kept));
    vi.stubEnv("XDG_CACHE_HOME", cache);
    return join(cache, "gitops-lab", "images");
  }

  test("is the same when built again from nothing, and is not built again when it is there", async () => {
    await useEmptyCache();
    const built = await buildImages(app, releases);
    await useEmptyCache();
    const again = await buildImages(app, releases);
    expect(again.map(({ digest }) => digest)).toEqual(built.map(({ digest }) => digest));
    expect(again[0]!.layout).not.toBe(built[0]!.layout);

    const index = join(again[0]!.layout, "index.json");
    const { mtimeMs, ino } = await stat(index);
    await buildImages(app, releases);
    expect(await stat(index)).toMatchObject({ mtimeMs, ino });
  });

  test("is built once by many at a time", async () => {
    const cache = await useEmptyCache();
    const builds = await Promise.all(Array.from({ length: 5 }, () => buildImages(app, releases)));
    expect(new Set(builds.map((images) => JSON.stringify(images))).size).toBe(1);
    const [key, ...others] = await readdir(cache);
    expect(others).toEqual([]);
    const layouts = releases.map(({ version, revision, created }) => `${version}-${revision}-${created}`);
    expect((await readdir(join(cache, key!))).toSorted()).toEqual([...layouts, "backend"]);
  });

  test("holds a static program for Linux", async () => {
    const cache = await useEmptyCache();
    await buildImages(app, releases);
    const [key] = await readdir(cache);
    const { stdout } = await run("go", ["version", "-m", join(cache, key!, "backend")]);
    expect(stdout).toContain("\tCGO_ENABLED=0\n");
    expect(stdout).toContain("\tGOOS=linux\n");
  });

  test("of source that does not compile is an error that shows the compiler's", async () => {
    await useEmptyCache();
    const broken = { ...app, "main.go": "package main\n\nfunc main() { nothing() }\n" };
    await expect(buildImages(broken, releases)).rejects.toMatchObject({
      code: "image-build-failed",
      message: expect.stringContaining("undefined: nothing"),
    });
  });
});

describe("seeding a learner's images", () => {
  test("gives every tag of a release one digest, another one for each release", async () => {
    const { input, crane } = await learner("ada");
    const { output } = await seedImages.ensure(input);
    for (const { version, tags } of releases) {
      for (const tag of tags) expect(await crane.crane("digest", `${input.repository}:${tag}`)).toBe(output.digests[version]);
    }
    expect(output.digests[first.version]).not.toBe(output.digests[second.version]);
    expect((await crane.crane("ls", input.repository)).split("\n").toSorted()).toEqual(releases.flatMap(({ tags }) => tags).toSorted());
  });

  test("gives two learners the same digests, also at the same time", async () => {
    const learners = await Promise.all(["bob", "cho"].map(learner));
    const [bob, cho] = await Promise.all(learners.map(({ input }) => seedImages.ensure(input)));
    expect(bob!.output.digests).toEqual(cho!.output.digests);
  });

  test("completes what was begun, and leaves what is there", async () => {
    const { input, crane } = await learner("dan");
    const { output } = await seedImages.ensure({ ...input, releases: [{ ...first, tags: first.tags.slice(0, 1) }] });
    const all = await seedImages.ensure(input);
    expect(all.output.digests[first.version]).toBe(output.digests[first.version]);
    expect((await crane.crane("ls", input.repository)).split("\n")).toHaveLength(6);
    expect(await seedImages.ensure(input)).toEqual(all);
  });

  test("never rebuilds a release that is there: its other tags follow the one that exists", async () => {
    const { input, crane } = await learner("eve");
    const { output } = await seedImages.ensure({ ...input, releases: [second] });
    const digest = output.digests[second.version]!;
    // Stands for what another Go version made of the same source.
    await crane.crane("tag", `${input.repository}@${digest}`, first.tags[0]!);
    expect((await seedImages.ensure(input)).output.digests[first.version]).toBe(digest);
    expect(await crane.crane("digest", `${input.repository}:${first.tags[2]}`)).toBe(digest);
  });

  test("refuses a tag that was pushed over, and changes nothing", async () => {
    const { input, crane } = await learner("fay");
    const { output } = await seedImages.ensure(input);
    await crane.crane("tag", `${input.repository}@${output.digests[second.version]}`, first.tags[2]!);
    await expect(seedImages.ensure(input)).rejects.toMatchObject({
      code: "image-tag-moved",
      message: expect.stringContaining(first.tags[2]!),
    });
    expect(await crane.crane("digest", `${input.repository}:${first.tags[2]}`)).toBe(output.digests[second.version]);
  });

  test("is there until the registry has lost an image, and is then made whole", async () => {
    const { input } = await learner("gil");
    const { id, output } = await seedImages.ensure(input);
    expect(await seedImages.read(id, output)).toEqual(output);
    const more = { ...output, tags: [...output.tags, "develop-v0.3.0-0000000-1768208400"] };
    expect(await seedImages.read(id, more)).toBeUndefined();
    await imageRepository.remove("demo/gil/backend", {
      ...output,
      fluxUsername: "",
      fluxPassword: "",
      pipelineUsername: "",
      pipelinePassword: "",
    });
    const renewed = await learner("gil");
    expect(await seedImages.read(id, { ...output, ...renewed.input })).toBeUndefined();
    expect((await seedImages.ensure(renewed.input)).output.digests).toEqual(output.digests);
  });

  test("is gone with its registry where that is on this machine, and out of reach where it is elsewhere", async () => {
    // Nothing listens on port 1.
    const output = { repository: "127.0.0.1:1/jon/backend", username: "jon", password: "x", insecure: true, digests: {}, tags: first.tags };
    expect(await seedImages.read("", output)).toBeUndefined();
    await expect(seedImages.read("", { ...output, insecure: false })).rejects.toMatchObject({ code: "registry-failed" });
  });

  test("with a wrong password is an error that does not show it", async () => {
    const { input } = await learner("hal");
    const password = "a-wrong-password";
    const failure = await seedImages.ensure({ ...input, password }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "registry-failed", message: expect.stringContaining(input.repository) });
    expect(String(failure)).not.toContain(password);
  });

  test("keeps the credential in a private file for the time of the call only", async () => {
    const { input } = await learner("ida");
    const folder = await mkdtemp(join(home(), "tmp-"));
    vi.stubEnv("TMPDIR", folder);
    const look = withRepository(input, async () => {
      const [name, ...others] = await readdir(folder);
      expect(others).toEqual([]);
      const file = join(folder, name!, "config.json");
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(await readFile(file, "utf8")).toContain(registry.host);
      throw new Error("seen");
    });
    await expect(look).rejects.toThrow("seen");
    expect(await readdir(folder)).toEqual([]);
  });
});
