import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Env } from "./answers.ts";
import type { Gate, Visit } from "./gate.ts";

/** How often a stream says that it lives; a proxy or a sleeping laptop would not notice otherwise. */
const heartbeatMs = 25_000;
/** Changes within this time are told once. */
const gatherMs = 500;

/**
 * Names each learner when something of theirs changed, as far as the visitor may see them, until the visitor goes.
 *
 * @param visit the visit as it is now; undefined where it was ended meanwhile
 */
export function toldOfChanges(c: Context<Env>, gate: Gate, visit: () => Promise<Visit | undefined>): Response {
  const { visitor } = c.get("visit");
  return streamSSE(c, async (stream) => {
    const changed = new Set<string>();
    let wake = () => {};
    const unsubscribe = gate.subscribe((learner) => {
      if (visitor.role === "learner" && visitor.learner !== learner) return;
      changed.add(learner);
      wake();
    });
    stream.onAbort(() => {
      unsubscribe();
      wake();
    });
    await stream.writeSSE({ event: "hello", data: "" });
    while (!stream.aborted) {
      if (changed.size === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, heartbeatMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      if (stream.aborted || (await visit()) === undefined) break;
      if (changed.size === 0) await stream.writeSSE({ event: "alive", data: "" });
      else await stream.sleep(gatherMs);
      const told = [...changed];
      changed.clear();
      for (const learner of told) await stream.writeSSE({ event: "changed", data: learner });
    }
  });
}
