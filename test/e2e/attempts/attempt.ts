import type { Scene } from "./scene.ts";

export type Files = Readonly<Record<string, string>>;

/** How it would be seen that an attempt succeeded. */
export interface Proof {
  /** What is looked for, as the end of the sentence "succeeded: ...". */
  readonly what: string;
  /** What was seen of it; undefined where there is nothing. */
  look(scene: Scene): Promise<string | undefined>;
}

/** One row of the table. What a row does, it does with a learner's handout, or as another user of the machine. */
export interface Attempt {
  readonly id: string;
  /** Its number in the list of what was found before there were rooms. */
  readonly finding?: number;
  readonly kind: "kustomize" | "flux" | "source" | "api" | "pod" | "git" | "build" | "gate" | "registry" | "web" | "user" | "node";
  readonly as: "learner" | "local user";
  readonly nodes: "both" | "real" | "simulated";
  /** A sentence. */
  readonly what: string;
  /** It pushes to the branch that all look at, or it measures: nothing runs beside it. */
  readonly alone?: true;
  /** Files that the attempt needs in the learner's repository, in a folder of its own on the branch `attempts`. */
  readonly files?: (scene: Scene) => Files;
  /** Does it, and returns the sign that it was really processed: a refusal's words, a status, a reason. Throws where there is none. */
  attempt(scene: Scene): Promise<string>;
  readonly proof: Proof;
}

/** Something that the attempt started came to a port on the host's loopback. */
export const reachedLoopback: Proof = {
  what: "a program of the lab came to a port on the host's loopback",
  look: async ({ trap }) => (trap.calls.length === 0 ? undefined : JSON.stringify(trap.calls[0]!.slice(0, 300))),
};

/** A file is on the host that only the attempt would make. */
export const leftMarker: Proof = {
  what: "a file was made on the host",
  look: async (scene) => ((await scene.hasMarker()) ? scene.marker : undefined),
};

/** Something that only the host or another learner has came to the learner. */
export const gotCanary: Proof = {
  what: "a file of the host or of another learner came to the learner",
  look: (scene) => scene.canarySeen(),
};

/** The lab took what it had to refuse; the attempt itself says so. */
export const wasAccepted: Proof = {
  what: "the lab accepted it",
  look: async (scene) => scene.accepted,
};
