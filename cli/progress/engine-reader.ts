import type { EngineEvent, OpType } from "@pulumi/pulumi/automation/index.js";
import type { Action } from "./events.ts";
import { fluxObjects, lastFluxObject, lastObjects, stepsByType } from "./steps.ts";
import type { StepName } from "../../shared/step-name.ts";
import { nameIn, typePath } from "../../shared/urn.ts";

/** What an engine event says of a cohort. `unchanged`: the step was found as it should be; nothing was done. */
export type StepChange =
  | { readonly kind: "started" | "done" | "failed"; readonly learner: string | null; readonly name: StepName; readonly action: Action }
  | { readonly kind: "unchanged"; readonly learner: string; readonly name: StepName }
  /** Everything of the learner's has been made, or removed. */
  | { readonly kind: "whole" | "gone"; readonly learner: string }
  | { readonly kind: "cause"; readonly learner: string | null; readonly cause: string };

const actions: Partial<Record<OpType, Action>> = {
  create: "create",
  "create-replacement": "create",
  update: "update",
  delete: "delete",
  "delete-replaced": "delete",
  replace: "replace",
};

/**
 * Translates Pulumi's engine events into steps of learners. Holds no clock and draws nothing.
 *
 * @param learners tells whose a resource is; names of resources begin with the learner's id
 */
export class EngineReader {
  /** What the engine did, by operation, once it has told. */
  changes: Readonly<Record<string, number>> = {};
  readonly #learners: readonly string[];
  readonly #objectsOpen = new Map<string, Action>();
  readonly #fluxIsUp = new Set<string>();
  readonly #lastObjects = new Map<string, number>();

  constructor(learners: readonly string[]) {
    // Longest first: `ada-b-control-plane` is ada-b's, though ada is a learner too.
    this.#learners = [...learners].sort((a, b) => b.length - a.length);
  }

  read(event: EngineEvent): StepChange[] {
    const begun = event.resourcePreEvent?.metadata;
    const ended = event.resOutputsEvent?.metadata;
    const failed = event.resOpFailedEvent?.metadata;
    const diagnostic = event.diagnosticEvent;
    if (begun !== undefined) return this.#begun(begun.urn, begun.op);
    if (ended !== undefined) return this.#ended(ended.urn, ended.op);
    if (failed !== undefined) return this.#failed(failed.urn, failed.op);
    if (diagnostic?.severity === "error") return this.#cause(diagnostic.urn, diagnostic.message);
    if (event.summaryEvent !== undefined)
      this.changes = Object.fromEntries(
        Object.entries(event.summaryEvent.resourceChanges ?? {}).filter(([op]) => op !== "same") as [string, number][],
      );
    return [];
  }

  #begun(urn: string, op: OpType): StepChange[] {
    const action = actions[op];
    if (action === undefined) return [];
    const learner = this.#learnerOf(urn);
    const name = stepOf(urn);
    if (name !== undefined) return [{ kind: "started", learner, name, action }];
    if (learner === null || action === "delete" || !isFluxObject(urn) || this.#objectsOpen.has(learner)) return [];
    this.#objectsOpen.set(learner, action);
    return [{ kind: "started", learner, name: fluxObjects, action }];
  }

  #ended(urn: string, op: OpType): StepChange[] {
    const learner = this.#learnerOf(urn);
    const name = stepOf(urn);
    const action = actions[op];
    const changes: StepChange[] = [];
    if (name !== undefined && action !== undefined) changes.push({ kind: "done", learner, name, action });
    if (learner === null) return changes;
    if (name !== undefined && op === "same") changes.push({ kind: "unchanged", learner, name });
    if (op === "delete") return typePath(urn) === "gitops-lab:lab:Learner" ? [...changes, { kind: "gone", learner }] : changes;
    if (op === "refresh" || op === "delete-replaced" || op === "replace") return changes;
    if (lastFluxObject.test(typePath(urn)))
      changes.push(this.#objectsEnded(learner, "done") ?? { kind: "unchanged", learner, name: fluxObjects });
    return [...changes, ...this.#whole(learner, urn, name)];
  }

  #whole(learner: string, urn: string, name: StepName | undefined): StepChange[] {
    const before = this.#isWhole(learner);
    if (name?.step === "flux-ready") this.#fluxIsUp.add(learner);
    if (lastObjects.type.test(typePath(urn))) this.#lastObjects.set(learner, (this.#lastObjects.get(learner) ?? 0) + 1);
    return !before && this.#isWhole(learner) ? [{ kind: "whole", learner }] : [];
  }

  #isWhole(learner: string): boolean {
    return this.#fluxIsUp.has(learner) && (this.#lastObjects.get(learner) ?? 0) >= lastObjects.count;
  }

  #failed(urn: string, op: OpType): StepChange[] {
    const learner = this.#learnerOf(urn);
    const name = stepOf(urn);
    if (name !== undefined) return [{ kind: "failed", learner, name, action: actions[op] ?? "do" }];
    const ended = learner === null ? undefined : this.#objectsEnded(learner, "failed");
    return ended === undefined ? [] : [ended];
  }

  #objectsEnded(learner: string, kind: "done" | "failed"): StepChange | undefined {
    const action = this.#objectsOpen.get(learner);
    this.#objectsOpen.delete(learner);
    return action === undefined ? undefined : { kind, learner, name: fluxObjects, action };
  }

  #cause(urn: string | undefined, message: string): StepChange[] {
    // The engine repeats a resource's error with its own prefix and colour codes.
    const text = message.replace(/<\{%[^%]*%\}>/g, "").trim();
    if (text === "" || /^(update|destroy|refresh|preview) failed$/.test(text)) return [];
    // What depends on a failed resource can't be made; that says nothing new.
    if (/resource \S+ \[\S+\] failed to register/.test(text)) return [];
    return [{ kind: "cause", learner: urn === undefined ? null : this.#learnerOf(urn), cause: text }];
  }

  #learnerOf(urn: string): string | null {
    const name = nameIn(urn);
    return this.#learners.find((id) => name === id || name.startsWith(`${id}-`)) ?? null;
  }
}

function stepOf(urn: string): StepName | undefined {
  return stepsByType[/gitops-lab:(\w+)$/.exec(typePath(urn))?.[1] ?? ""];
}

function isFluxObject(urn: string): boolean {
  return /\$gitops-lab:flux:Bootstrap\$kubernetes:/.test(typePath(urn));
}
