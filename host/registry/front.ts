import type { IncomingMessage, ServerResponse } from "node:http";
import type { CohortPaths } from "../../shared/paths.ts";
import { isOfTheFuture } from "../../shared/tags.ts";
import { pipelineUsername } from "../access.ts";
import { askedOf, type Asked, type OfRepository } from "./asked.ts";
import { forward, lingering, type Upstream } from "./forward.ts";
import type { ImageQuota } from "./image-quota.ts";
import { notHere, refuse, type Refusal } from "./refusal.ts";
import { grantsOf } from "./tokens.ts";

export interface RegistryFront {
  readonly paths: CohortPaths;
  readonly upstream: Upstream;
  readonly quota: ImageQuota;
  /** Whose images alone are here; everybody's without. */
  readonly only?: string;
}

/**
 * What stands before the registry and is all that anybody reaches of it: lets through what the distribution specification
 * has, of a learner's way only what is below that learner's path, and nothing beyond a learner's limits. Who may do what is
 * the registry's to say: a request without a token for what it writes is passed on without its body, for the registry to refuse.
 */
export function registryFront({
  paths,
  upstream,
  quota,
  only,
}: RegistryFront): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const asked = askedOf(incoming.url ?? "");
    if (asked === undefined) return refuse(outgoing, notHere);
    if (only !== undefined && asked.kind !== "base" && asked.learner !== only) return refuse(outgoing, notHere);
    if (only !== undefined && asked.from !== undefined && !asked.from.startsWith(`${only}/`)) return refuse(outgoing, notHere);
    const writer = isOfRepository(asked) ? await writerOf(paths, incoming, asked) : undefined;
    if (!isOfRepository(asked) || writer === undefined) return void (await forward(incoming, outgoing, { upstream }));
    if (incoming.method === "DELETE") {
      await forward(incoming, outgoing, { upstream });
      return quota.forget(asked.learner);
    }
    const ahead = writer === pipelineUsername(asked.learner) ? undefined : refusedTag(asked);
    if (ahead !== undefined) {
      refuse(outgoing, ahead, true);
      return lingering(incoming);
    }
    const admitted = await quota.admit(asked, lengthOf(incoming));
    if (typeof admitted !== "function") {
      refuse(outgoing, admitted, true);
      return lingering(incoming);
    }
    const { refused } = await forward(incoming, outgoing, { upstream, meter: admitted });
    if (refused !== undefined) await quota.takeBack(asked);
  };
}

const isOfRepository = (asked: Asked): asked is OfRepository => asked.name !== undefined && asked.learner !== undefined;

/** The user whose token lets the request write; undefined where there is nothing to write, or no such token. */
async function writerOf(paths: CohortPaths, incoming: IncomingMessage, { name }: OfRepository): Promise<string | undefined> {
  const needed = incoming.method === "DELETE" ? "delete" : ["POST", "PUT", "PATCH"].includes(incoming.method ?? "") ? "push" : undefined;
  if (needed === undefined) return undefined;
  const { user, access } = await grantsOf(paths, incoming.headers.authorization ?? "");
  return access.some((grant) => grant.name === name && grant.actions.includes(needed)) ? user : undefined;
}

/** The pipeline's own tags are made by its rules; of anybody else's the policies would take one of the future for the newest until then. */
function refusedTag({ kind, reference = "" }: OfRepository): Refusal | undefined {
  if (kind !== "manifest" || !isOfTheFuture(reference)) return undefined;
  const now = Math.floor(Date.now() / 1000);
  const message = `The tag ${reference} says that it was made at a time that is still to come, and nothing built until then would be newer. It is now ${now} (\`date +%s\`): write that at its end.`;
  return { status: 403, code: "DENIED", message };
}

/** Undefined where the body comes in chunks. */
function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = headers["content-length"];
  return length === undefined ? (headers["transfer-encoding"] === undefined ? 0 : undefined) : Number(length);
}
