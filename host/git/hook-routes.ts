import { Hono, type HonoRequest } from "hono";
import { stream } from "hono/streaming";
import { messageOf } from "../../shared/errors.ts";
import { excerpt } from "../../shared/printable.ts";
import { Push, type PushListener } from "./push.ts";

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
        console.error(error);
        return c.text(`refused: the lab could not check this push: ${excerpt(messageOf(error).split("\n")[0] ?? "", 400)}\n`, 409);
      }
    })
    .post("/hooks/post-receive", async (c) => {
      const push = await pushIn(c.req);
      if (push === undefined) return c.text(unreadable, 400);
      return stream(c, async (out) => {
        try {
          await listener.accepted(push, (line) => void out.write(`${shown(line)}\n`));
        } catch (error) {
          console.error(error);
          await out.write(
            `The push was accepted, but the lab could not act on it: ${excerpt(messageOf(error).split("\n")[0] ?? "", 400)}\n`,
          );
        }
      });
    });
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
