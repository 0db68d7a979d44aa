import { environments, type Environment } from "../../shared/names.ts";
import type { Release } from "../types.ts";

/** What an immutable tag says: which build it is and which environment may run it. */
export interface Tag extends Release {
  readonly environment: Environment;
}

// The grammar that the pattern in files/environment/image-policy.yaml selects one family of.
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
