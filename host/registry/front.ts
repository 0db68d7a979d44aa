import type { IncomingMessage, ServerResponse } from "node:http";
import { askedOf } from "./asked.ts";
import { forward, type Upstream } from "./forward.ts";
import { notHere, refuse } from "./refusal.ts";

export interface RegistryFront {
  readonly upstream: Upstream;
  /** Whose images alone are here; everybody's without. */
  readonly only?: string;
}

/**
 * What stands before the registry and is all that anybody reaches of it: lets through what the distribution specification
 * has, and of a learner's way only what is below that learner's path. Who may do what is the registry's to say.
 */
export function registryFront({ upstream, only }: RegistryFront): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const asked = askedOf(incoming.url ?? "");
    if (asked === undefined) return refuse(outgoing, notHere);
    if (only !== undefined && asked.kind !== "base" && asked.learner !== only) return refuse(outgoing, notHere);
    if (only !== undefined && asked.from !== undefined && !asked.from.startsWith(`${only}/`)) return refuse(outgoing, notHere);
    await forward(incoming, outgoing, { upstream, meter: () => undefined });
  };
}
