import { LabError } from "../../shared/errors.ts";
import type { LearnerFacts } from "../facts.ts";
import type { Gate, Visit } from "../gate.ts";
import { NotTheirs } from "../gate.ts";
import type { Question, ToPages, VersionedFacts } from "./words.ts";

/** Answers what the pages ask, for what the visitor's cookie allows. Never rejects. */
export function answersOf(gate: Gate): (id: number, question: Question) => Promise<ToPages> {
  const versions = new Versions();
  return async (id, question) => {
    try {
      return { id, value: (await answer(gate, versions, question)) ?? null };
    } catch (error) {
      if (error instanceof LabError) return { id, fault: { code: error.code, says: error.message } };
      // Who left in another window meanwhile; or pages that are no longer ours.
      if (!(error instanceof NotTheirs)) console.error(error);
      return { id, fault: "defect" };
    }
  };
}

async function answer(gate: Gate, versions: Versions, question: Question): Promise<unknown> {
  switch (question.call) {
    case "letIn":
      return gate.letIn(question.token, question.instructor);
    case "visit":
      return (await gate.visit(question.cookie))?.visitor;
    case "leave":
      return gate.leave(question.cookie);
    default: {
      const visit = await gate.visit(question.cookie);
      if (visit === undefined) throw new NotTheirs();
      return ofVisit(visit, versions, question);
    }
  }
}

async function ofVisit(
  visit: Visit,
  versions: Versions,
  question: Exclude<Question, { call: "letIn" | "visit" | "leave" }>,
): Promise<unknown> {
  switch (question.call) {
    case "facts": {
      const { learner, known } = question;
      const facts = learner === undefined ? await visit.facts() : [(await visit.of(learner)) ?? []].flat();
      return facts.map((one) => versions.since(one, known[one.id]));
    }
    case "handout":
      return visit.handout(question.learner);
    case "bundles":
      return visit.bundles(question.learner);
    case "bundlePage":
      return visit.bundlePage(question.learner, question.name);
    case "takeQuiz":
      return visit.takeQuiz(question.learner, question.answers);
    case "act":
      return visit.act(question.learner, question.action);
  }
}

/** Numbers what is known of each learner, so that the pages are told it once. Facts that change are other objects. */
class Versions {
  readonly #latest = new Map<string, { readonly facts: LearnerFacts; readonly version: number }>();

  since(facts: LearnerFacts, known: number | undefined): VersionedFacts {
    const before = this.#latest.get(facts.id);
    const version = before === undefined ? 1 : before.facts === facts ? before.version : before.version + 1;
    this.#latest.set(facts.id, { facts, version });
    return { id: facts.id, version, ...(version !== known && { facts }) };
  }
}
