import type { Thing } from "./inventory.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** What was found where a thing of the lab was. */
export type Sight =
  | { readonly state: "gone" /** What is in its place now, where that is worth telling. */; readonly says?: string }
  /** Still there, as the cohort file wants it. */
  | { readonly state: "kept"; readonly says: string }
  /** `left` is the lab's own; `foreign` is not, and was left alone; `unknown` could not be looked at. */
  | { readonly state: "left" | "foreign" | "unknown"; readonly says: string /** The command that removes it. */; readonly remove: string };

/** How things of one kind are looked for. */
export type Look = (item: Thing, around: Surroundings) => Sight | Promise<Sight>;

/** What is looked at once for all things of a cohort. */
export interface Surroundings {
  readonly cohort: string;
  readonly folder: "own" | "foreign" | "absent";
  /** In the place of learners' folders. */
  readonly inTheWay: readonly string[];
  /** Every running process with a mark of the cohort, by its mark. */
  readonly marked: ReadonlyMap<string, readonly ProcessIdentity[]>;
  /** Port by `<owner>/<name>`. */
  readonly leases: Readonly<Record<string, number>>;
  readonly mounts: readonly string[];
}
