import type { EngineEvent, OpType } from "@pulumi/pulumi/automation/index.js";
import { duration, note, paint } from "./terminal.ts";

/** The resources whose making an instructor waits for, by Pulumi type, and what to call them. */
const steps: Readonly<Record<string, string>> = {
  LabHost: "lab daemon and registry",
  EmbeddedCluster: "control plane",
  ImageRepository: "image repository",
  SeedImages: "first images",
  SideImages: "images to practise on",
  GitRepository: "Git repository",
  Pipeline: "pipeline",
  FluxDefinitions: "Flux kinds",
  FluxControllers: "Flux controllers",
  FluxReady: "Flux brings the lab up",
};

const verbs: Partial<Record<OpType, readonly [doing: string, done: string]>> = {
  create: ["create", "created"],
  update: ["update", "updated"],
  delete: ["delete", "deleted"],
  replace: ["replace", "replaced"],
  refresh: ["look at", "looked at"],
};

/**
 * Turns Pulumi's engine events into a line per step, as it begins and ends, and keeps the errors for the closing
 * message. `learners` tells whose a resource is.
 */
export class Progress {
  readonly errors: string[] = [];
  /** What went wrong, by learner. */
  readonly failures = new Map<string, string[]>();
  readonly #learners: readonly string[];
  readonly #started = new Map<string, number>();
  readonly #width: number;

  constructor(learners: readonly string[]) {
    // Longest first: `ada-b-control-plane` is ada-b's, though ada is a learner too.
    this.#learners = [...learners].sort((a, b) => b.length - a.length);
    this.#width = Math.max(6, ...learners.map((id) => id.length));
  }

  readonly onEvent = (event: EngineEvent): void => {
    const before = event.resourcePreEvent?.metadata;
    const after = event.resOutputsEvent?.metadata;
    const failed = event.resOpFailedEvent?.metadata;
    if (before !== undefined) this.#begin(before.urn, before.op);
    if (after !== undefined) this.#end(after.urn, after.op, "done");
    if (failed !== undefined) this.#end(failed.urn, failed.op, "failed");
    const diagnostic = event.diagnosticEvent;
    if (diagnostic?.severity === "error") this.#error(diagnostic.urn, diagnostic.message);
  };

  #begin(urn: string, op: OpType): void {
    this.#started.set(urn, Date.now());
    const step = stepOf(urn);
    const verb = verbs[op];
    if (step !== undefined && verb !== undefined && op !== "refresh") note(`  ${this.#whose(urn)}  ${paint("dim", `${verb[0]} ${step}`, process.stderr)}`);
  }

  #end(urn: string, op: OpType, result: "done" | "failed"): void {
    const step = stepOf(urn);
    const verb = verbs[op];
    if (step === undefined || verb === undefined || op === "refresh") return;
    const took = duration(Date.now() - (this.#started.get(urn) ?? Date.now()));
    const mark = result === "done" ? paint("green", `${step} ${verb[1]}`, process.stderr) : paint("red", `${step} failed`, process.stderr);
    note(`  ${this.#whose(urn)}  ${mark} (${took})`);
  }

  #error(urn: string | undefined, message: string): void {
    // The engine repeats a resource's error with its own prefix and colour codes.
    const text = message.replace(/<\{%[^%]*%\}>/g, "").trim();
    if (text === "" || /^(update|destroy|refresh|preview) failed$/.test(text)) return;
    // What depends on a failed resource can't be made; that says nothing new.
    if (/resource \S+ \[\S+\] failed to register/.test(text)) return;
    const learner = urn === undefined || urn === "" ? undefined : this.#learnerOf(urn);
    if (learner !== undefined) this.failures.set(learner, [...(this.failures.get(learner) ?? []), text]);
    this.errors.push(urn === undefined || urn === "" ? text : `${learner ?? "cohort"}: ${text}`);
  }

  #whose(urn: string): string {
    return (this.#learnerOf(urn) ?? "cohort").padEnd(this.#width);
  }

  #learnerOf(urn: string): string | undefined {
    const name = urn.split("::").at(-1) ?? "";
    return this.#learners.find((id) => name === id || name.startsWith(`${id}-`));
  }
}

function stepOf(urn: string): string | undefined {
  return steps[/gitops-lab:(\w+)$/.exec(urn.split("::")[2] ?? "")?.[1] ?? ""];
}
