import type { z } from "zod";
import type { Environment } from "../shared/names.ts";
import type { CheckContext, CheckResult, EvidenceCheck } from "../verification/types.ts";
import type { Quiz } from "./quiz.ts";
import type { Backstage, Workbench } from "./workbench.ts";

/** Path in the repository (forward slashes, no leading one) to text content. */
export type FileTree = Readonly<Record<string, string>>;

/** One build of the app: every environment's tag of this release points at the same digest. */
export interface Release {
  /** Semantic version without `v`. */
  readonly version: string;
  /** Short hexadecimal revision of the source it was built from. */
  readonly revision: string;
  /** Unix time in seconds, fixed by the template so that builds are reproducible. */
  readonly created: number;
}

/** What the seed needs to know beyond the template's own parameters. */
export interface SeedContext<P> {
  readonly params: P;
  readonly learner: { readonly id: string; readonly name: string; readonly email: string };
  /** `host[:port]/path` of the backend image, without tag. */
  readonly imageRepository: string;
  readonly insecureRegistry: boolean;
  /** Whether Flux is to trust the authority in the Secret `registryAuthoritySecret` for it. */
  readonly registryAuthority?: boolean;
  /** Clone URL that Flux uses. */
  readonly gitUrl: string;
  readonly branch: string;
  /** Kind of the Git host; `embedded` where nothing is said. Another one brings no pipeline of the lab's own. */
  readonly gitHost?: string;
  /** Digest (`sha256:<hex>`) of each release, by version. */
  readonly digests: Readonly<Record<string, string>>;
}

/**
 * A lab as data and pure functions: the same parameters always give the same files. `components/` creates what it
 * describes; `verification/` proves what it promises.
 */
export interface LabTemplate<P = unknown> {
  readonly name: string;
  readonly title: string;
  /** Parameters the cohort file may set; every one has a default. */
  readonly params: z.ZodType<P>;
  readonly environments: readonly Environment[];
  /** Source of the app, as it stands in the repository below `app/`. */
  app(params: P): FileTree;
  /** The releases that exist at hand-over, oldest first: the first is what the seed deploys, the last what automation finds. */
  releases(params: P): readonly Release[];
  /** The immutable tag of a release in an environment. */
  tag(environment: Environment, release: Release): string;
  /** Images beside the app's, by the name that takes its place in the path: their tags all name the oldest release's image. */
  readonly sideImages: readonly { readonly name: string; readonly tags: readonly string[] }[];
  /** The whole repository of a learner, app included. */
  seed(context: SeedContext<P>): FileTree;
  /** The promotion evidence checklist, in order. */
  readonly evidence: readonly EvidenceCheck[];
  /** The knowledge check with its key, which no file of the seed may hold. */
  readonly quiz: Quiz;
  /** How to work in this lab, as Markdown from the second level of headings down; a part of every learner's handout. */
  readonly guide: string;
  /** The chapter's exercises, in its order. */
  readonly exercises: readonly Exercise[];
  readonly drills: readonly Drill[];
}

/** A task of the chapter with a machine check. */
export interface Exercise {
  readonly id: string;
  readonly title: string;
  /** What to do, as Markdown. */
  readonly instructions: string;
  /** One after the other, on request. */
  readonly hints: readonly string[];
  /** Whether it is done, by the lab's state and history; the reason of a failure is specific. Changes nothing. */
  check(context: CheckContext): Promise<CheckResult>;
  /** Does it as a learner would; the proof that it can be done. */
  solve(bench: Workbench): Promise<void>;
}

/** An incident on demand, the same for every learner. */
export interface Drill {
  readonly id: string;
  readonly title: string;
  /** What the learner is told, as Markdown: the symptom, never the cause. */
  readonly briefing: string;
  readonly hints: readonly string[];
  /** Breaks the lab and waits until the symptom shows. */
  start(stage: Backstage): Promise<void>;
  /** @param since when the drill was started; what happened before does not count */
  check(context: CheckContext, since: Date): Promise<CheckResult>;
  /** Repairs it as a learner would. */
  solve(bench: Workbench): Promise<void>;
}
