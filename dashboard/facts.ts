import type { LimitHit } from "../host/limits/hits.ts";
import type { ProcessStatus } from "../host/processes/supervisor.ts";
import type { QuizAnswers } from "../lab-templates/quiz.ts";
import type { LabTemplate } from "../lab-templates/types.ts";
import type { DrillRun } from "../records/drills.ts";
import type { ExerciseRecord } from "../records/exercises.ts";
import type { Attempt } from "../records/quiz.ts";
import type { Environment } from "../shared/names.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";
import type { ChainCommit, PromotionState } from "../verification/bundle/schema.ts";
import type { ImageReference } from "../verification/image-reference.ts";
import type { CheckReport } from "../verification/types.ts";
import type { LearnerLook } from "../verification/verify.ts";

/** What the pages show of one learner. Holds no credential. What was not looked at yet is undefined. */
export interface LearnerFacts {
  readonly id: string;
  readonly name: string;
  /** In a sentence, where the lab should be in a room and is not. */
  readonly noRoom?: string | undefined;
  readonly branch?: BranchFacts;
  readonly checklist?: ChecklistFacts;
  readonly exercises: Readonly<Record<string, ExerciseRecord>>;
  readonly attempts: readonly Attempt[];
  readonly drills: readonly DrillRun[];
  readonly processes: readonly ProcessStatus[];
  readonly usage?: { readonly pssBytes: number /** Share of one core, of the time since the look before. */; readonly cpuShare?: number };
  /** The last thing that was asked for on a page. */
  readonly job?: Job;
  /** The limits that the learner came up against, oldest first; of very many the newest. */
  readonly limitHits?: readonly LimitHit[];
  /** Why something could not be looked at. */
  readonly problems: readonly string[];
}

export interface ChecklistFacts {
  readonly at: string;
  readonly reports: readonly CheckReport[];
  /** What has become of the newest promotion; absent where that could not be seen, and in archives of before. */
  readonly promotion?: PromotionState;
  /** Since when each look has given a failure. */
  readonly redSince?: string;
}

export interface BranchFacts {
  readonly name: string;
  readonly tip: string;
  /** Newest first. */
  readonly commits: readonly ChainCommit[];
  readonly truncated: boolean;
  /** What Git asks for at the tip. */
  readonly environments: readonly { readonly name: Environment; readonly image?: ImageReference }[];
}

export interface Job {
  readonly kind: Action["kind"];
  readonly what: string;
  readonly startedAt: string;
  readonly state: "running" | "done" | "failed";
  readonly says?: string;
}

/** An evidence bundle that was made here. */
export interface BundleFacts {
  readonly name: string;
  readonly createdAt: string;
  readonly verdict: string;
}

/** Of an archive: when it was made, and with which key. */
export interface Archived {
  readonly createdAt: string;
  /** `sha256:<hex>` */
  readonly fingerprint: string;
}

/** A cohort as the pages show it. */
export interface Source {
  readonly cohort: Pick<CohortOutputs, "cohort" | "course" | "template" | "simulated">;
  readonly template: LabTemplate;
  /** Present where a course that is over is shown from its archive: then nothing changes and nothing can be done. */
  readonly archived?: Archived;
  /** In the order of the cohort file. */
  facts(): readonly LearnerFacts[];
}

/** A cohort that can be looked at and acted on: the real one of collector.ts, an archive, or a fixture. */
export interface Course extends Source {
  of(learner: string): LearnerFacts | undefined;
  /** Calls back with the id of each learner when something of theirs changed; returns what ends that. */
  subscribe(changed: (learner: string) => void): () => void;
  handout(learner: string): string;
  bundles(learner: string): Promise<readonly BundleFacts[]>;
  /** The page of a bundle; undefined where there is none. */
  bundlePage(learner: string, name: string): Promise<string | undefined>;
  takeQuiz(learner: string, answers: QuizAnswers): Promise<Attempt>;
  /** Starts an action; what comes of it is told in the learner's `job`. Does nothing while another one runs. */
  act(learner: string, action: Action): void;
}

export type Action =
  | { readonly kind: "verify" | "evidence" | "pause" | "resume" | "reset" }
  | { readonly kind: "drill"; readonly drill: string };

/** What acts on a lab or costs an engine; the command line gives it, so that it is the same there and here. */
export interface Ports {
  verify(learner: LearnerOutputs): Promise<LearnerLook>;
  /** Writes a bundle into a new folder and returns its verdict. */
  writeEvidence(learner: LearnerOutputs, folder: string): Promise<string>;
  startDrill(learner: LearnerOutputs, drill: string): Promise<void>;
  /** Gives the learner a fresh lab, after a backup; returns where that is, in a sentence. */
  reset(learner: LearnerOutputs): Promise<string>;
  /** The learners as they are known now: their credentials change with a reset. */
  outputs(): Promise<CohortOutputs>;
}
