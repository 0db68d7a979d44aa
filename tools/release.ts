import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { LabError, messageOf } from "../shared/errors.ts";
import { run } from "../shared/exec.ts";
import { makeSbom } from "./sbom.ts";

/*
 * Builds a release of a commit: the archive, what it is made of, and the checksums of both. The same commit gives the same
 * bytes, whoever builds it: everything comes from Git, nothing from the working tree, the clock or the user's settings.
 */

/** Names of the files, in their folder. */
export interface Release {
  readonly version: string;
  readonly files: readonly string[];
}

/** @param source folder of a checkout; @param out folder for the files, made where it is missing */
export async function makeRelease(source: string, commit: string, out: string): Promise<Release> {
  const git = gitIn(source);
  const id = (await git("rev-parse", "--verify", `${commit}^{commit}`)).toString().trim();
  const read = async (path: string) => (await git("cat-file", "blob", `${id}:${path}`)).toString();
  const version = versionOf(await read("package.json"), await read("CHANGELOG.md"));
  const time = new Date(Number((await git("show", "--no-patch", "--format=%ct", id)).toString()) * 1000);
  const name = `gitops-lab-${version}`;

  // Sorted by path, every time the commit's, owned by root. The rest is what a user's own settings could change.
  const tar = await git(
    ...["-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "tar.umask=0022"],
    ...["archive", "--format=tar", `--prefix=${name}/`, id],
  );
  const families = (await git("ls-tree", "-d", "--name-only", id, "tools/go/")).toString().trim().split("\n");
  const goFiles = await Promise.all(
    families.map(async (folder) => ({
      family: folder.slice("tools/go/".length),
      goMod: await read(`${folder}/go.mod`),
      goSum: await read(`${folder}/go.sum`),
    })),
  );
  const sbom = makeSbom({ version, time, packageLock: await read("package-lock.json"), goFiles, wrapper: await read("lab") });

  const contents: [string, Buffer][] = [
    [`${name}.tar.gz`, gzipSync(tar, { level: 9 })],
    [`${name}.cdx.json`, Buffer.from(`${JSON.stringify(sbom, undefined, 2)}\n`)],
  ];
  const sums = contents.map(([file, content]) => `${createHash("sha256").update(content).digest("hex")}  ${file}\n`);
  contents.push(["SHA256SUMS", Buffer.from(sums.join(""))]);
  await mkdir(out, { recursive: true });
  for (const [file, content] of contents) await writeFile(join(out, file), content);
  return { version, files: contents.map(([file]) => file) };
}

/** The version of package.json. The changelog has to tell of it first. Throws LabError `release-unready`. */
export function versionOf(packageJson: string, changelog: string): string {
  const { version } = JSON.parse(packageJson) as { version: string };
  const newest = /^## (\S+)/m.exec(changelog)?.[1];
  if (newest === version) return version;
  throw new LabError(
    "release-unready",
    `package.json says version ${version}, and the newest section of CHANGELOG.md is ${newest ?? "missing"}. They have to be the same: ` +
      "write what has changed below `## <version>`, set the version with `npm version <version> --no-git-tag-version`, and commit both.",
  );
}

/** Git without the user's and the system's settings. Answers with what it printed. */
function gitIn(folder: string): (...args: string[]) => Promise<Buffer> {
  const env = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null", GIT_ATTR_NOSYSTEM: "1", LC_ALL: "C" };
  // Root builds from a checkout of another account, too.
  const safe = ["-c", `safe.directory=${resolve(folder)}`];
  return async (...args) => {
    const { stdout } = await run("git", ["-C", folder, ...safe, ...args], { env, encoding: "buffer", maxBuffer: 1 << 30, stdin: "ignore" });
    return Buffer.from(stdout);
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

async function main(): Promise<void> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  try {
    const { values } = parseArgs({ options: { out: { type: "string", default: "dist" }, commit: { type: "string", default: "HEAD" } } });
    const { files } = await makeRelease(root, values.commit, resolve(values.out));
    for (const file of files) console.log(join(values.out, file));
  } catch (error) {
    console.error(`release: ${error instanceof Error && "shortMessage" in error ? String(error.shortMessage) : messageOf(error)}`);
    process.exitCode = 1;
  }
}
