import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { z } from "zod";
import type { Release } from "../../lab-templates/types.ts";

/** What an image says of the program in it. */
export interface ImageMetadata extends Release {
  readonly arch: string;
}

export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly content: Buffer;
}

/**
 * Writes an image with one program in it as an OCI image layout (opencontainers/image-spec, image-layout.md). The folder
 * appears complete or not at all. The digest depends on the arguments alone: the layer is not
 * compressed, because what a compressor writes differs between its versions and processors. Version and revision are in
 * the configuration, so that releases of one program share the layer.
 */
export async function writeLayout(folder: string, program: Buffer, metadata: ImageMetadata): Promise<void> {
  const layer = blob("application/vnd.oci.image.layer.v1.tar", await layerOf("backend", program));
  const config = json("application/vnd.oci.image.config.v1+json", configuration(layer.digest, metadata));
  const manifest = json("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor(config),
    layers: [descriptor(layer)],
  });
  const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [descriptor(manifest)] };

  const draft = await mkdtemp(`${folder}.draft-`);
  try {
    const blobs = join(draft, "blobs", "sha256");
    await mkdir(blobs, { recursive: true });
    for (const { digest, content } of [layer, config, manifest]) await writeFile(join(blobs, digest.slice("sha256:".length)), content);
    await writeFile(join(draft, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    await writeFile(join(draft, "index.json"), JSON.stringify(index));
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

const Index = z.object({ manifests: z.tuple([z.object({ digest: z.string() })]) });

/** Whether a layout is there and every blob in it is what its name says. */
export async function isWhole(folder: string): Promise<boolean> {
  try {
    const read = (digest: string) => readFile(join(folder, "blobs", "sha256", digest.slice("sha256:".length)));
    const isAsNamed = async (digest: string) => blob("", await read(digest)).digest === digest;
    const manifest = await layoutDigest(folder);
    const { config, layers } = Manifest.parse(JSON.parse((await read(manifest)).toString("utf8")));
    const whole = await Promise.all([manifest, config.digest, ...layers.map(({ digest }) => digest)].map(isAsNamed));
    return whole.every((one) => one);
  } catch {
    return false;
  }
}

const Digest = z.object({ digest: z.string() });
const Manifest = z.object({ config: Digest, layers: z.array(Digest) });

/** The digest of the image in a layout that `writeLayout` wrote. */
export async function layoutDigest(folder: string): Promise<string> {
  return Index.parse(JSON.parse(await readFile(join(folder, "index.json"), "utf8"))).manifests[0].digest;
}

/** An uncompressed layer with one program in it. */
export async function layerOf(name: string, program: Buffer): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name, mode: 0o555, uid: 0, gid: 0, mtime: new Date(0) }, program);
  tar.finalize();
  return buffer(tar);
}

function configuration(layer: string, { version, revision, created, arch }: ImageMetadata): object {
  const date = new Date(created * 1000).toISOString();
  return {
    created: date,
    architecture: arch,
    os: "linux",
    config: {
      User: "65532:65532",
      ExposedPorts: { "8080/tcp": {} },
      Env: [`APP_VERSION=${version}`, `APP_COMMIT=${revision}`],
      Entrypoint: ["/backend"],
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "backend",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.created": date,
      },
    },
    rootfs: { type: "layers", diff_ids: [layer] },
    history: [{ created: date, created_by: "gitops-lab" }],
  };
}

export function json(mediaType: string, value: object): Blob {
  return blob(mediaType, Buffer.from(JSON.stringify(value)));
}

export function blob(mediaType: string, content: Buffer): Blob {
  return { mediaType, digest: `sha256:${createHash("sha256").update(content).digest("hex")}`, content };
}

export function descriptor({ mediaType, digest, content }: Blob): object {
  return { mediaType, digest, size: content.length };
}
