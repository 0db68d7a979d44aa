import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "../../shared/exec.ts";
import { cacheHome } from "../../shared/paths.ts";

/** A program of one of our Go modules, in the cache. */
export async function built(module: string, source: string, env: Record<string, string>, ldflags = ""): Promise<string> {
  const program = join(cacheHome(), "bench", module);
  if (existsSync(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  const flags = ["-mod=readonly", "-trimpath", "-ldflags", `-s -w ${ldflags}`.trim()];
  await run("go", ["build", ...flags, "-o", program, source], { cwd: join(import.meta.dirname, "../../tools/go", module), env });
  return program;
}

interface ImageParts {
  readonly programs: Readonly<Record<string, string>>;
  readonly entrypoint: string;
  readonly user?: string;
}

/**
 * Pushes an image with these programs (path in it by path here) and the libraries that they are linked to. Returns its bytes.
 *
 * @param folder where its files are put together
 */
export async function pushImage(
  folder: string,
  crane: (...args: string[]) => Promise<string>,
  image: string,
  { programs, entrypoint, user = "0:0" }: ImageParts,
): Promise<number> {
  const tree = await mkdtemp(join(folder, "image-"));
  const libraries = new Set<string>();
  for (const [path, program] of Object.entries(programs)) {
    await mkdir(join(tree, dirname(path)), { recursive: true });
    await symlink(program, join(tree, path));
    const { stdout } = await run("ldd", [program], { reject: false });
    for (const [, library = ""] of stdout.matchAll(/(\/\S+) \(0x/g)) libraries.add(library.slice(1));
  }
  const tmp = join(tree, "tmp");
  await mkdir(tmp, { recursive: true });
  const file = `${tree}.tar`;
  await run("tar", ["--create", "--dereference", "--file", file, "--directory", tree, ".", "--directory", "/", ...libraries]);
  const bytes = (await stat(file)).size;
  await crane("append", "--oci-empty-base", "--platform", "linux/amd64", "-f", file, "-t", image);
  await crane(
    "mutate",
    "--entrypoint",
    entrypoint,
    "--user",
    user,
    "--env",
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "--set-platform",
    "linux/amd64",
    "-t",
    image,
    image,
  );
  await rm(file);
  return bytes;
}
