import type { QuizAnswers } from "../lab-templates/quiz.ts";
import type { Attempt } from "../records/quiz.ts";
import { takeEntry, visitsEndedAt, type Visitor } from "./access.ts";
import type { Action, BundleFacts, Course, LearnerFacts, Source } from "./facts.ts";
import type { Sessions } from "./sessions.ts";

/** Somebody who came in, and all that they may see and do. What is not theirs is not there: undefined, or a throw of NotTheirs. */
export interface Visit {
  readonly visitor: Visitor;
  facts(): Promise<readonly LearnerFacts[]>;
  of(learner: string): Promise<LearnerFacts | undefined>;
  handout(learner: string): Promise<string>;
  bundles(learner: string): Promise<readonly BundleFacts[]>;
  bundlePage(learner: string, name: string): Promise<string | undefined>;
  takeQuiz(learner: string, answers: QuizAnswers): Promise<Attempt>;
  act(learner: string, action: Action): Promise<void>;
}

/**
 * What stands between the pages and the course. The pages may run as a user who can do nothing; who may see and do what is
 * decided behind the gate, by the visitor's own cookie.
 */
export interface Gate {
  readonly shown: Omit<Source, "facts">;
  /** Lets the bearer of a fresh link in. @param instructor whether the link may be the instructor's */
  letIn(token: string, instructor: boolean): Promise<{ readonly visitor: Visitor; readonly cookie: string } | undefined>;
  /** The visit of a cookie; undefined where it is of none, or of one that was ended. */
  visit(cookie: string | undefined): Promise<Visit | undefined>;
  leave(cookie: string | undefined): Promise<void>;
  /** Calls back with the id of each learner when something of theirs changed; returns what ends that. */
  subscribe(changed: (learner: string) => void): () => void;
}

/** A page asked for what its visitor may not have. No page of ours does. */
export class NotTheirs extends Error {}

/** @param enter who may come in with a token, once; by the cohort's entries where it is not given */
export function gateOf(
  course: Course,
  sessions: Sessions,
  enter: (token: string) => Promise<Visitor | undefined> = (token) => takeEntry(course.cohort.cohort, token),
): Gate {
  const { cohort, template, archived } = course;
  return {
    shown: { cohort, template, ...(archived && { archived }) },
    async letIn(token, instructor) {
      const visitor = await enter(token);
      if (visitor === undefined || (visitor.role === "instructor" && !instructor)) return undefined;
      return { visitor, cookie: await sessions.open(visitor) };
    },
    async visit(cookie) {
      const found = sessions.of(cookie);
      if (found === undefined) return undefined;
      const { visitor, openedAt } = found;
      if (visitor.role === "learner" && openedAt <= (await visitsEndedAt(cohort.cohort, visitor.learner))) return undefined;
      return visitOf(course, visitor);
    },
    leave: (cookie) => sessions.close(cookie),
    subscribe: (changed) => course.subscribe(changed),
  };
}

function visitOf(course: Course, visitor: Visitor): Visit {
  const isInstructor = visitor.role === "instructor";
  const isTheirs = (learner: string) => (isInstructor || learner === visitor.learner) && course.of(learner) !== undefined;
  const require = (may: boolean) => {
    if (!may) throw new NotTheirs();
  };
  return {
    visitor,
    async facts() {
      require(isInstructor);
      return course.facts();
    },
    of: async (learner) => (isTheirs(learner) ? course.of(learner) : undefined),
    async handout(learner) {
      require(isTheirs(learner));
      return course.handout(learner);
    },
    bundles: async (learner) => (isTheirs(learner) ? course.bundles(learner) : []),
    bundlePage: async (learner, name) => (isTheirs(learner) ? course.bundlePage(learner, name) : undefined),
    async takeQuiz(learner, answers) {
      require(!isInstructor && isTheirs(learner));
      return course.takeQuiz(learner, answers);
    },
    async act(learner, action) {
      require(isTheirs(learner) && (isInstructor || action.kind === "verify"));
      course.act(learner, action);
    },
  };
}
