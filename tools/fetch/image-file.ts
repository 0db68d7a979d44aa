import { createHash } from "node:crypto";
import { z } from "zod";
import type { Arch, ImageRelease } from "../tool.ts";
import { withFile, wrongDigest } from "./store.ts";
import { takeMembers, type Packing } from "./tar-members.ts";
import { fetchSmall, type Fetching } from "./transfer.ts";

/*
 * A file out of a container image, by the distribution specification (github.com/opencontainers/distribution-spec): the index by
 * the pinned digest, this platform's manifest by the index, the layers by the manifest, each checked against the digest that led
 * to it.
 */

const Digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const Descriptor = z.object({
  mediaType: z.string(),
  digest: Digest,
  size: z.int(),
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
});
type Descriptor = z.infer<typeof Descriptor>;
const Manifest = z.union([z.object({ manifests: z.array(Descriptor) }), z.object({ layers: z.array(Descriptor) })]);

const accepted = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

const manifestBytes = 4 * 1024 ** 2;

/** A door to one repository of a registry. */
interface Repository {
  /** `https://ghcr.io/v2/fluxcd/source-controller` */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The layers of an image for this platform, the last first; undefined when they can't be had from here. */
export async function imageLayers(
  release: ImageRelease,
  arch: Arch,
  what: string,
  fetching: Pick<Fetching, "signal">,
): Promise<{ readonly repository: Repository; readonly layers: readonly Descriptor[] } | undefined> {
  const repository = await enter(release, fetching);
  if (repository === undefined) return undefined;
  let manifest = await manifestOf(repository, release.digest, what, fetching);
  if (manifest !== undefined && "manifests" in manifest) {
    const ours = manifest.manifests.find(({ platform }) => platform?.os === "linux" && platform.architecture === arch);
    if (ours === undefined) return undefined;
    manifest = await manifestOf(repository, ours.digest, what, fetching);
  }
  if (manifest === undefined || !("layers" in manifest)) return undefined;
  return { repository, layers: manifest.layers.toReversed() };
}

/** The layers that have to be fetched until a program is found: the last ones up to the largest, which it is in as a rule. */
export function likelyLayers(layers: readonly Descriptor[]): readonly Descriptor[] {
  const largest = Math.max(...layers.map(({ size }) => size));
  return layers.slice(0, layers.findIndex(({ size }) => size === largest) + 1);
}

/**
 * Takes the file out of the last layer that has it into the folder. False when the image can't be had from here, or lacks the file. Throws LabError
 * `tool-digest` when a part of it is not what was pinned.
 */
export async function takeImageFile(release: ImageRelease, arch: Arch, what: string, folder: string, fetching: Fetching): Promise<boolean> {
  const image = await imageLayers(release, arch, what, fetching);
  if (image === undefined) return false;
  for (const layer of image.layers) {
    const digest = layer.digest.slice("sha256:".length);
    const wanted = {
      what,
      url: `${image.repository.url}/blobs/${layer.digest}`,
      headers: image.repository.headers,
      digest,
      maxBytes: layer.size,
    };
    const missing = await withFile(wanted, fetching, (file) => takeMembers(file, packingOf(layer.mediaType), [release.file], folder));
    if (missing === undefined) return false;
    if (missing.length === 0) return true;
  }
  // Built in another way than its Dockerfile says; there may be another place.
  return false;
}

function packingOf(mediaType: string): Packing {
  if (/[+.]gzip$/.test(mediaType)) return "gzip";
  return /[+.]zstd$/.test(mediaType) ? "zstd" : "none";
}

async function manifestOf(repository: Repository, digest: string, what: string, fetching: Pick<Fetching, "signal">) {
  const url = `${repository.url}/manifests/${digest}`;
  const answer = await fetchSmall({ url, headers: { ...repository.headers, accept: accepted }, maxBytes: manifestBytes }, fetching);
  if (!answer?.response.ok) return undefined;
  const found = createHash("sha256").update(answer.body).digest("hex");
  if (`sha256:${found}` !== digest) throw wrongDigest({ what, url, digest: digest.slice("sha256:".length) }, found);
  return Manifest.parse(JSON.parse(answer.body.toString()));
}

const Token = z.union([
  z.object({ token: z.string() }).transform(({ token }) => token),
  z.object({ access_token: z.string() }).transform((said) => said.access_token),
]);

/** Asks for what a registry gives to everybody: nothing, or a token that it names a place for. */
async function enter({ image, digest }: ImageRelease, fetching: Pick<Fetching, "signal">): Promise<Repository | undefined> {
  const { origin, pathname } = new URL(image);
  const url = `${origin}/v2${pathname}`;
  const first = await fetchSmall({ url: `${url}/manifests/${digest}`, headers: { accept: accepted }, maxBytes: manifestBytes }, fetching);
  if (first === undefined) return undefined;
  if (first.response.status !== 401) return first.response.ok ? { url, headers: {} } : undefined;
  const challenge = first.response.headers.get("www-authenticate") ?? "";
  const said = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(challenge)?.[1];
  const realm = said("realm");
  if (!/^bearer /i.test(challenge) || realm === undefined || !URL.canParse(realm)) return undefined;
  const door = new URL(realm);
  for (const name of ["service", "scope"]) {
    const value = said(name);
    if (value !== undefined) door.searchParams.set(name, value);
  }
  const answer = await fetchSmall({ url: door.href, maxBytes: 64 * 1024 }, fetching);
  const token = answer?.response.ok ? Token.safeParse(parsed(answer.body)) : undefined;
  return token?.success ? { url, headers: { authorization: `Bearer ${token.data}` } } : undefined;
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
