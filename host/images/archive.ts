import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { blob, descriptor, json, layerOf } from "./layout.ts";

export interface ProgramImage {
  /** Full name with tag, under which a container runtime keeps the image that it imports. */
  readonly name: string;
  readonly arch: string;
  readonly program: Buffer;
  /** Arguments of the program. */
  readonly args: readonly string[];
}

/** An image with one program in it as a tar of an OCI image layout, which container runtimes import. */
export async function imageArchive({ name, arch, program, args }: ProgramImage): Promise<Buffer> {
  const layer = blob("application/vnd.oci.image.layer.v1.tar", await layerOf("program", program));
  const config = json("application/vnd.oci.image.config.v1+json", {
    architecture: arch,
    os: "linux",
    config: { User: "65535:65535", Entrypoint: ["/program", ...args], WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = json("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor(config),
    layers: [descriptor(layer)],
  });
  const index = { schemaVersion: 2, manifests: [{ ...descriptor(manifest), annotations: { "io.containerd.image.name": name } }] };

  const tar = pack();
  tar.entry({ name: "oci-layout" }, JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  tar.entry({ name: "index.json" }, JSON.stringify(index));
  for (const { digest, content } of [layer, config, manifest])
    tar.entry({ name: `blobs/sha256/${digest.slice("sha256:".length)}` }, content);
  tar.finalize();
  return buffer(tar);
}
