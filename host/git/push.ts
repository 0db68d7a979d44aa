import { z } from "zod";

const Oid = z.string().regex(/^[0-9a-f]{40}$/);

/** A push to a learner's repository, as the hooks report it. */
export const Push = z.object({
  learner: z.string(),
  repository: z.string(),
  /** User name that authenticated, whoever the commits say wrote them. */
  user: z.string(),
  refs: z.array(
    z.object({
      ref: z.string(),
      /** All zeros when the ref is new. */
      oldOid: Oid,
      /** All zeros when the ref is deleted. */
      newOid: Oid,
    }),
  ),
  /** Variables under which Git sees the objects of a push that is not accepted yet. */
  quarantine: z.record(z.string(), z.string()).default({}),
});
export type Push = z.output<typeof Push>;

export const noCommit = "0".repeat(40);

/** Shows the pusher a line. */
export type Say = (line: string) => void;

/** Who decides over pushes and acts on them. */
export interface PushListener {
  /** Why a push is refused, a paragraph each; none accepts it. Nothing is changed yet. */
  refusals(push: Push): Promise<readonly string[]>;
  /** After a push was accepted. The pusher waits for it. */
  accepted(push: Push, say: Say): Promise<void>;
}
