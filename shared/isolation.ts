import { isOnLabHost } from "./on-lab-host.ts";
import type { LearnerOutputs } from "./outputs.ts";

/** The facts that decide how a learner's lab is kept apart, as far as it runs on the lab host. */
export interface Isolated {
  readonly isolation: LearnerOutputs["isolation"];
  readonly cluster: { readonly kind: string };
  readonly git: { readonly kind: string };
}

/** What a learner's lab has on a machine that can, or can't, make rooms. */
export function isolationOf(lab: Omit<Isolated, "isolation">, hasRooms: boolean): Isolated["isolation"] {
  return hasRooms && onHost(lab) !== undefined ? "room" : "none";
}

/** The parts of a lab that run the learner's files on the lab host; undefined if there are none. */
function onHost({ cluster, git }: Omit<Isolated, "isolation">): "lab" | "builds" | undefined {
  return isOnLabHost(cluster) ? "lab" : isOnLabHost(git) ? "builds" : undefined;
}

const without = {
  lab: "what the learner writes runs on the lab host as the user who started the lab, and nothing keeps it from the host and from other learners' labs",
  builds:
    "what the learner pushes is built on the lab host as the user who started the lab, and nothing keeps it from the host and from other learners",
};
const within = {
  lab: "what the learner writes runs in namespaces of the learner's own, kept from the lab host and from other learners' labs",
  builds: "what the learner pushes is built in a room that is thrown away, kept from the lab host and from other learners",
};

/** How the lab is kept apart, in one sentence. */
export function isolationSentence(lab: Isolated): string {
  const what = onHost(lab);
  if (what === undefined) return "Not on the lab host: nothing that the learner writes runs there.";
  return lab.isolation === "room" ? `A room: ${within[what]}.` : `No room: ${without[what]}.`;
}

/** The same, if there should be a room and is none; undefined if all is well. */
export function noRoom(lab: Isolated): string | undefined {
  return lab.isolation === "room" || onHost(lab) === undefined ? undefined : isolationSentence(lab);
}
