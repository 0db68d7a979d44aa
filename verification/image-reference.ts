import type { Environment } from "../shared/names.ts";
import { parseTag } from "../shared/tags.ts";

/** An image as manifests name it: `repository[:tag][@digest]`. */
export interface ImageReference {
  readonly repository: string;
  readonly tag?: string | undefined;
  /** `sha256:<hex>` */
  readonly digest?: string | undefined;
}

const digestPattern = /sha256:[0-9a-f]{64}$/;

export function parseImage(image: string): ImageReference {
  const [named = "", digest] = image.split("@");
  // A colon before the last slash is the registry's port.
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  return colon < 0 ? { repository: named, digest } : { repository: named.slice(0, colon), tag: named.slice(colon + 1), digest };
}

export function formatImage({ repository, tag, digest }: ImageReference): string {
  return `${repository}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}

export function sameImage(one: ImageReference, other: ImageReference): boolean {
  return formatImage(one) === formatImage(other);
}

/** The part that tells two images of one repository apart: the tag, else the digest. */
export function shortImage({ tag, digest }: ImageReference): string {
  return tag ?? digest ?? "an image without tag and digest";
}

/**
 * The digest in a pod's `imageID`, which runtimes write in several ways: `<name>@<digest>`,
 * `docker-pullable://<name>@<digest>`, or only the digest. Undefined where there is none.
 */
export function imageIdDigest(imageId: string): string | undefined {
  return digestPattern.exec(imageId)?.[0];
}

/** Whether a tag is of an environment's family: `<env>-v<semver>-<revision>-<unix time>`, written once, never moved. */
export function isImmutableTag(tag: string, environment: Environment): boolean {
  return parseTag(tag)?.environment === environment;
}
