import { Hono } from "hono";
import { stream } from "hono/streaming";
import { LearnerError } from "./learner-error.ts";
import { Push, type PushListener } from "./push.ts";

/** What the hooks of a push ask, over the daemon's own socket: see hooks/ask-daemon.ts. */
export function hookRoutes(listener: PushListener): Hono {
  return new Hono()
    .post("/hooks/pre-receive", async (c) => {
      const push = Push.parse(await c.req.json());
      try {
        const refusals = await listener.refusals(push);
        return refusals.length === 0 ? c.body(null, 200) : c.text(refusals.map((refusal) => `refused: ${refusal}\n`).join(""), 409);
      } catch (error) {
        // What could not be checked is not accepted.
        return c.text(
          `refused: ${forPusher(error, push, "The lab could not judge this push, so it was not accepted. Push again.")}\n`,
          409,
        );
      }
    })
    .post("/hooks/post-receive", async (c) => {
      const push = Push.parse(await c.req.json());
      return stream(c, async (out) => {
        try {
          await listener.accepted(push, (line) => void out.write(`${line}\n`));
        } catch (error) {
          await out.write(
            `${forPusher(error, push, "The push was accepted, but the lab could not act on it. Your next push tries again.")}\n`,
          );
        }
      });
    });
}

/**
 * What the pusher reads of an error. The words of one that is not made for learners may name folders of the lab host or
 * hold what another program said of them: they are for the lab's log.
 */
function forPusher(error: unknown, { learner, repository }: Push, otherwise: string): string {
  if (error instanceof LearnerError) return error.message;
  console.error(`${new Date().toISOString()} a push to ${learner}/${repository}:`, error);
  return `${otherwise} If it stays so, tell your instructor, who sees why in the lab's log.`;
}
