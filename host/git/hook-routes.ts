import { Hono, type HonoRequest } from "hono";
import { stream } from "hono/streaming";
import { excerpt } from "../../shared/printable.ts";
import { LearnerError } from "./learner-error.ts";
import { Push, type PushListener } from "./push.ts";
import { log } from "../log.ts";

/** What the hooks of a push ask, over the daemon's own socket: see hooks/ask-daemon.ts. */
export function hookRoutes(listener: PushListener): Hono {
  return new Hono()
    .post("/hooks/pre-receive", async (c) => {
      const push = await pushIn(c.req);
      if (push === undefined) return c.text(unreadable, 400);
      try {
        const refusals = await listener.refusals(push);
        return refusals.length === 0 ? c.body(null, 200) : c.text(refusals.map((refusal) => `refused: ${shown(refusal)}\n`).join(""), 409);
      } catch (error) {
        // What could not be checked is not accepted.
        return c.text(
          `refused: ${forPusher(error, push, "The lab could not judge this push, so it was not accepted. Push again.")}\n`,
          409,
        );
      }
    })
    .post("/hooks/post-receive", async (c) => {
      const push = await pushIn(c.req);
      if (push === undefined) return c.text(unreadable, 400);
      return stream(c, async (out) => {
        try {
          await listener.accepted(push, (line) => void out.write(`${shown(line)}\n`));
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
  if (error instanceof LearnerError) return shown(error.message);
  log("error", `a push to ${learner}/${repository} came to no end`, { learner, error });
  return `${otherwise} If it stays so, tell your instructor, who sees why in the lab's log.`;
}

const unreadable = "refused: the lab could not read what this push is.\n";

async function pushIn(request: HonoRequest): Promise<Push | undefined> {
  return Push.safeParse(await request.json().catch(() => undefined)).data;
}

/** Words of files, commits and compilers are in it: each line is text and nothing that a terminal takes for more. */
const shown = (text: string) =>
  text
    .split("\n")
    .map((line) => excerpt(line, 2000))
    .join("\n");
