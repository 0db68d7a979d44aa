import type { QuizAnswers } from "../../lab-templates/quiz.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import type { Attempt } from "../../records/quiz.ts";
import { LabError } from "../../shared/errors.ts";
import type { Visitor } from "../access.ts";
import type { Action, BundleFacts, LearnerFacts, Source } from "../facts.ts";
import type { Gate, Visit } from "../gate.ts";
import { lineOf, longestLine, type Come, type Question, type ToPages, type VersionedFacts } from "./words.ts";

/** The gate as the pages have it: every question goes to the course, with the visitor's cookie. */
export class RemoteGate implements Gate {
  readonly shown: Gate["shown"];
  readonly #write: (line: string) => void;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  readonly #listeners = new Set<(learner: string) => void>();
  /** Facts that were asked for once; who asks again is told whether they are still those. */
  readonly #known = new Map<string, { readonly version: number; readonly facts: LearnerFacts }>();
  #next = 1;

  constructor({ cohort, archived }: Pick<Source, "cohort" | "archived">, write: (line: string) => void) {
    this.shown = { cohort, template: labTemplate(cohort.template), ...(archived && { archived }) };
    this.#write = write;
  }

  /** Takes in what the course said. */
  hear(said: ToPages): void {
    if ("changed" in said) {
      for (const listener of this.#listeners) listener(said.changed);
      return;
    }
    const waiting = this.#waiting.get(said.id);
    this.#waiting.delete(said.id);
    if ("value" in said) waiting?.resolve(said.value ?? undefined);
    else if (said.fault === "defect") waiting?.reject(new Error("the course could not answer"));
    else waiting?.reject(new LabError(said.fault.code, said.fault.says));
  }

  letIn(token: string, instructor: boolean): Promise<Come | undefined> {
    return this.#ask<Come | undefined>({ call: "letIn", token: token.slice(0, 1000), instructor });
  }

  async visit(cookie: string | undefined): Promise<Visit | undefined> {
    if (cookie === undefined || cookie.length > 200) return undefined;
    const visitor = await this.#ask<Visitor | undefined>({ call: "visit", cookie });
    return visitor && this.#visitOf(visitor, cookie);
  }

  async leave(cookie: string | undefined): Promise<void> {
    if (cookie !== undefined && cookie.length <= 200) await this.#ask({ call: "leave", cookie });
  }

  subscribe(changed: (learner: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  #visitOf(visitor: Visitor, cookie: string): Visit {
    return {
      visitor,
      facts: () => this.#facts(cookie, undefined),
      of: async (learner) => (learner.length > 100 ? undefined : (await this.#facts(cookie, learner))[0]),
      handout: (learner) => this.#ask<string>({ call: "handout", cookie, learner }),
      bundles: (learner) => this.#ask<readonly BundleFacts[]>({ call: "bundles", cookie, learner }),
      bundlePage: async (learner, name) =>
        name.length > 200 ? undefined : this.#ask<string | undefined>({ call: "bundlePage", cookie, learner, name }),
      takeQuiz: (learner: string, answers: QuizAnswers) => this.#ask<Attempt>({ call: "takeQuiz", cookie, learner, answers }),
      act: (learner: string, action: Action) => this.#ask<void>({ call: "act", cookie, learner, action }),
    };
  }

  async #facts(cookie: string, learner: string | undefined): Promise<readonly LearnerFacts[]> {
    const asked = learner === undefined ? [...this.#known] : [...this.#known].filter(([id]) => id === learner);
    const known = Object.fromEntries(asked.map(([id, { version }]) => [id, version]));
    const answer = await this.#ask<readonly VersionedFacts[]>({ call: "facts", cookie, ...(learner !== undefined && { learner }), known });
    return answer.map(({ id, version, facts }) => {
      // Two pages may have asked at once: the newer one's facts are as good.
      if (facts !== undefined && version >= (this.#known.get(id)?.version ?? 0)) this.#known.set(id, { version, facts });
      return facts ?? this.#known.get(id)!.facts;
    });
  }

  #ask<T>(question: Question): Promise<T> {
    const id = this.#next++;
    const line = lineOf({ id, question });
    // A form is small, and what is in it may be six times as long as JSON.
    if (Buffer.byteLength(line) > longestLine)
      return Promise.reject(
        new LabError("form-unreadable", "What was sent is longer than any form here. Go back to the page and send it from there."),
      );
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#write(line);
    });
  }
}
