import { environments, type Environment } from "./names.ts";

/** What an immutable tag says: which build it is and which environment may run it. */
export interface Tag {
  readonly environment: Environment;
  /** Semantic version without `v`. */
  readonly version: string;
  /** Short hexadecimal revision of the source it was built from. */
  readonly revision: string;
  /** Unix time in seconds at which the tag was made; the newest of a family wins. */
  readonly created: number;
}

// The grammar that the pattern of an environment's image policy selects one family of.
const grammar = new RegExp(
  `^(?<environment>${environments.join("|")})-v(?<version>[0-9]+\\.[0-9]+\\.[0-9]+)-(?<revision>[0-9a-f]{7,40})-(?<created>[0-9]{10})$`,
);

/** `<environment>-v<version>-<revision>-<unix time>` */
export function formatTag({ environment, version, revision, created }: Tag): string {
  return `${environment}-v${version}-${revision}-${created}`;
}

/** The parts of an immutable tag; undefined for any other text, such as `latest`. */
export function parseTag(text: string): Tag | undefined {
  const parts = grammar.exec(text)?.groups as Record<keyof Tag, string> | undefined;
  return parts && { ...parts, environment: parts.environment as Environment, created: Number(parts.created) };
}

/** The newest tag of an environment's family, the one that its policy selects; undefined where there is none. */
export function newestTag(tags: readonly string[], environment: Environment): string | undefined {
  const family = tags.filter((tag) => parseTag(tag)?.environment === environment);
  return family.sort((a, b) => (parseTag(b)?.created ?? 0) - (parseTag(a)?.created ?? 0))[0];
}
