import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FileTree, Release } from "../../lab-templates/types.ts";
import { locked } from "../../shared/locked.ts";
import { cacheHome } from "../../shared/paths.ts";
import { isWhole, layoutDigest, writeLayout } from "./layout.ts";
import { buildProgram } from "./program.ts";
import { toolchain } from "./toolchain.ts";

/** The image of a release, in the cache. */
export interface Image<R extends Release> {
  readonly release: R;
  /** Folder with an OCI image layout. */
  readonly layout: string;
  readonly digest: string;
}

/** Five minutes: a first build compiles the standard library, perhaps on a slow machine. */
const buildSeconds = 300;

/**
 * The images of an app's releases, in their order, built once per machine: the cache keeps them under a hash of all that
 * decides their bytes. Throws LabError `go-missing`, `image-build-failed` or `architecture-unknown`.
 */
export async function buildImages<R extends Release>(app: FileTree, releases: readonly R[]): Promise<readonly Image<R>[]> {
  const tools = await toolchain();
  const key = createHash("sha256")
    .update(JSON.stringify([tools, Object.entries(app)]))
    .digest("hex");
  const folder = join(cacheHome(), "images", key);
  const layoutOf = ({ version, revision, created }: Release) => join(folder, `${version}-${revision}-${created}`);

  const damaged = async () => {
    const whole = await Promise.all(releases.map((release) => isWhole(layoutOf(release))));
    return releases.filter((_, index) => !whole[index]);
  };
  if ((await damaged()).length > 0) {
    await mkdir(folder, { recursive: true });
    await locked(
      folder,
      async () => {
        const left = await damaged();
        if (left.length === 0) return;
        // A program that is there may be as damaged as what was made of it.
        const program = join(folder, "backend");
        await rm(program, { force: true });
        await buildProgram(app, program);
        const bytes = await readFile(program);
        for (const release of left) {
          await rm(layoutOf(release), { recursive: true, force: true });
          await writeLayout(layoutOf(release), bytes, { ...release, arch: tools.arch });
        }
      },
      buildSeconds,
    );
  }
  return Promise.all(
    releases.map(async (release) => ({ release, layout: layoutOf(release), digest: await layoutDigest(layoutOf(release)) })),
  );
}
