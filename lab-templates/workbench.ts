import type { Environment } from "../shared/names.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import type { CheckContext } from "../verification/types.ts";

/** The files of a clone, to be changed before a commit. Paths have forward slashes and no leading one. */
export interface WorkTree {
  /** Undefined where there is no such file. */
  read(path: string): Promise<string | undefined>;
  write(path: string, content: string): Promise<void>;
  remove(path: string): Promise<void>;
}

/** A push that the lab refused; the message is what the pusher was told. */
export class PushRefused extends Error {
  override readonly name = "PushRefused";
}

/** The user with which a drill pushes what a colleague of the learner would. */
export function colleagueUsername(learner: string): string {
  return `${learner}.colleague`;
}

/** On every object that a drill puts into the cluster beside what Git says, so that a reset finds it. */
export const drillLabel = "gitops-lab/drill";

/** What a learner can do by hand, with the learner's own credentials. Solvers do nothing else. */
export interface Workbench {
  readonly learner: LearnerOutputs;
  /** In the order of promotion. */
  readonly environments: readonly Environment[];
  /** Looks at the lab; throws at the deadline. */
  observe<T>(look: (context: CheckContext) => Promise<T>): Promise<T>;
  /** Commits a change of the newest state of the branch and pushes it; returns the commit's id. Throws PushRefused. */
  commit(message: string, change: (files: WorkTree) => Promise<void>): Promise<string>;
  /** `git revert` of a commit, pushed; returns the revert's id. Throws PushRefused. */
  revert(commit: string): Promise<string>;
  /** Runs kubectl with the learner's kubeconfig and returns its output. Throws with what it wrote on standard error. */
  kubectl(...args: string[]): Promise<string>;
  /** Runs the flux CLI likewise. */
  flux(...args: string[]): Promise<string>;
  /** Looks until the condition gives a value; says what is awaited and throws LabError `timeout` at the deadline. */
  waitFor<T>(what: string, look: (context: CheckContext) => Promise<T | undefined>, timeoutSeconds?: number): Promise<T>;
}

/** What the instructor's side can do beyond that: whatever a drill needs to break, and to put back. */
export interface Backstage extends Workbench {
  /** Commits as a colleague of the learner, with a credential of the colleague's own; the gate looks at it like at any push. */
  commitAsColleague(message: string, change: (files: WorkTree) => Promise<void>): Promise<string>;
  /** Runs kubectl as cluster-admin; `input` goes to standard input. */
  adminKubectl(args: readonly string[], input?: string): Promise<string>;
  /** Every tag of the learner's image with the digest that it names. */
  tags(): Promise<ReadonlyMap<string, string>>;
  /** Gives an image of the registry a tag, also one that is taken. */
  tag(digest: string, tag: string): Promise<void>;
  untag(tag: string): Promise<void>;
  /** Builds an image of the app as changed, outside the pipeline, and pushes it without a tag; returns its digest. */
  buildImage(version: string, change: (files: WorkTree) => Promise<void>): Promise<string>;
  /**
   * Brings the branch's files to those of an earlier commit, by a commit on top that the gate lets through; returns the
   * branch's tip. Promotions that the files ask for are not carried out again.
   */
  restoreFiles(commit: string, message: string): Promise<string>;
  /** Deletes what image automation proposes. */
  dropProposals(): Promise<void>;
  /** Refuses all requests for the learner's repository until the time, or no more with `undefined`. */
  interruptGit(until: Date | undefined): Promise<void>;
}
