import { Hono } from "hono";
import { stream } from "hono/streaming";
import { messageOf } from "../../shared/errors.ts";
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
        console.error(error);
        return c.text(`refused: the lab could not check this push: ${messageOf(error).split("\n")[0]}\n`, 409);
      }
    })
    .post("/hooks/post-receive", async (c) => {
      const push = Push.parse(await c.req.json());
      return stream(c, async (out) => {
        try {
          await listener.accepted(push, (line) => void out.write(`${line}\n`));
        } catch (error) {
          console.error(error);
          await out.write(`The push was accepted, but the lab could not act on it: ${messageOf(error).split("\n")[0]}\n`);
        }
      });
    });
}
