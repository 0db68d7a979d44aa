import { z } from "zod";
import { QuizAnswers } from "../../lab-templates/quiz.ts";
import type { Visitor } from "../access.ts";
import type { LearnerFacts, Source } from "../facts.ts";

/*
 * What the pages' process and the course say to each other: lines of JSON over its standard files. What comes from the pages is
 * checked, since they are what outsiders talk to.
 */

/** Of a line of the pages', in bytes; a longer one is taken for that of pages that are no longer ours. */
export const longestLine = 256 * 1024;

/** What is said, as it goes through. */
export const lineOf = (said: Beginning | ToPages | FromPages) => `${JSON.stringify(said)}\n`;

/** Where the pages are served; port 0 is any. */
export interface Places {
  readonly loopback: number;
  /** Where the cohort file opens learners' own pages to other machines. */
  readonly open?: {
    readonly listen: string;
    readonly name: string;
    readonly port: number;
    readonly certificate: string;
    readonly key: string;
  };
}

/** The first line that the pages get. */
export interface Beginning {
  readonly shown: Pick<Source, "cohort" | "archived">;
  readonly places: Places;
}

const Cookie = z.string().max(200);
const Learner = z.string().max(100);
const Action = z.discriminatedUnion("kind", [
  z.object({ kind: z.enum(["verify", "evidence", "pause", "resume", "reset"]) }),
  z.object({ kind: z.literal("drill"), drill: z.string().max(200) }),
]);

/** What the pages may ask, with its arguments. */
export const Question = z.discriminatedUnion("call", [
  z.object({ call: z.literal("letIn"), token: z.string().max(1000), instructor: z.boolean() }),
  z.object({ call: z.literal("visit"), cookie: Cookie }),
  z.object({ call: z.literal("leave"), cookie: Cookie }),
  /** `known`: versions of the facts that the pages have already; without a learner, those of all. */
  z.object({ call: z.literal("facts"), cookie: Cookie, learner: Learner.optional(), known: z.record(Learner, z.int()) }),
  z.object({ call: z.literal("handout"), cookie: Cookie, learner: Learner }),
  z.object({ call: z.literal("bundles"), cookie: Cookie, learner: Learner }),
  z.object({ call: z.literal("bundlePage"), cookie: Cookie, learner: Learner, name: z.string().max(200) }),
  z.object({ call: z.literal("takeQuiz"), cookie: Cookie, learner: Learner, answers: QuizAnswers }),
  z.object({ call: z.literal("act"), cookie: Cookie, learner: Learner, action: Action }),
]);
export type Question = z.output<typeof Question>;

/** What the pages say. */
export const FromPages = z.union([
  z.object({ listening: z.int() }),
  z.object({ refused: z.object({ place: z.enum(["loopback", "open"]), why: z.string().max(500) }) }),
  z.object({ id: z.int(), question: Question }),
]);
export type FromPages = z.output<typeof FromPages>;

/** A learner's facts, left out where the pages have this version. */
export interface VersionedFacts {
  readonly id: string;
  readonly version: number;
  readonly facts?: LearnerFacts;
}

/** What the pages are told after their beginning. */
export type ToPages =
  | { readonly changed: string }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: { readonly code: string; readonly says: string } | "defect" };

/** What `letIn` and `visit` are answered with. */
export interface Come {
  readonly visitor: Visitor;
  readonly cookie: string;
}
