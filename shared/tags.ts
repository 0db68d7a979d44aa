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

/** The last time that a tag has room for. */
const lastTime = 9_999_999_999;
const yearSeconds = 366 * 24 * 3600;
/** Tolerance for a clock that is off, or that was set back. */
const clockToleranceSeconds = 24 * 3600;

/**
 * A time (Unix, in seconds) later than that of every tag of the family, so that the newest tag is the newest by name too. It
 * always fits into a tag. Tags that leave no room for a later one do not count; they are named, because the policy picks one
 * of them until they are gone.
 */
export function freshTime(
  tags: readonly string[],
  environment: Environment,
  now: number = Date.now() / 1000,
): { readonly created: number; readonly inTheWay: readonly string[] } {
  const family = tags.flatMap((tag) => {
    const created = parseTag(tag)?.environment === environment ? parseTag(tag)?.created : undefined;
    return created === undefined ? [] : [{ tag, created }];
  });
  const newest = (among: typeof family) => among.reduce((most, { created }) => Math.max(most, created), 0);
  const isFull = newest(family) > lastTime - yearSeconds;
  const isInTheWay = ({ created }: { readonly created: number }) => isFull && created > now + yearSeconds;
  const inTheWay = family.filter(isInTheWay).map(({ tag }) => tag);
  return { created: Math.max(Math.floor(now), newest(family.filter((one) => !isInTheWay(one))) + 1), inTheWay };
}

/** Whether a tag has a time that is still to come: until then no later tag would be the newest of its family. */
export function isOfTheFuture(tag: string, now: number = Date.now() / 1000): boolean {
  return (parseTag(tag)?.created ?? 0) > now + clockToleranceSeconds;
}
