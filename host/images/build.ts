import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import lockfile from "proper-lockfile";
import type { FileTree, Release } from "../../lab-templates/types.ts";
import { cacheHome } from "../../shared/paths.ts";
import { layoutDigest, writeLayout } from "./layout.ts";
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
const patience = { retries: 1200, factor: 1, minTimeout: 250, maxTimeout: 250 };

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

  const missing = releases.filter((release) => !existsSync(layoutOf(release)));
  if (missing.length > 0) {
    await mkdir(folder, { recursive: true });
    const unlock = await lockfile.lock(folder, { retries: patience });
    try {
      const program = join(folder, "backend");
      if (!existsSync(program)) await buildProgram(app, program);
      const bytes = await readFile(program);
      for (const release of missing) {
        const layout = layoutOf(release);
        if (!existsSync(layout)) await writeLayout(layout, bytes, { ...release, arch: tools.arch });
      }
    } finally {
      await unlock();
    }
  }
  return Promise.all(
    releases.map(async (release) => ({ release, layout: layoutOf(release), digest: await layoutDigest(layoutOf(release)) })),
  );
}
