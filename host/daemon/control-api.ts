import { Hono } from "hono";
import { z } from "zod";
import { daemonVersion } from "../processes/config.ts";
import { ProcessSpec } from "../processes/process-table.ts";
import type { Supervisor } from "../processes/supervisor.ts";

/** Which processes a call is about: one learner's, or with no owner the whole cohort's. */
const Selection = z.object({ owner: z.string().optional() });
const Removal = Selection.extend({ signal: z.enum(["SIGTERM", "SIGKILL"]) });

const by = (owner: string | undefined) => (spec: ProcessSpec) => owner === undefined || spec.owner === owner;

export interface ControlApi {
  readonly supervisor: Supervisor;
  /** Makes the cohort's own processes run as its configuration now says. */
  readonly ensureHost: () => Promise<void>;
  /** In Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  /** Ends the daemon after the answer was sent; the processes stay. */
  readonly shutDown: () => void;
}

/** What drivers and the CLI ask of the daemon, over a Unix socket that only the lab's owner can open. */
export function controlApi({ supervisor, ensureHost, metrics, shutDown }: ControlApi): Hono {
  return new Hono()
    .get("/version", (c) => c.json({ version: daemonVersion }))
    .get("/metrics", async (c) => c.json({ text: await metrics() }))
    .get("/processes", (c) => c.json(supervisor.status()))
    .put("/processes", async (c) => {
      for (const spec of z.array(ProcessSpec).parse(await c.req.json())) await supervisor.ensure(spec);
      return c.json(supervisor.status());
    })
    .post("/processes/remove", async (c) => {
      const { owner, signal } = Removal.parse(await c.req.json());
      await supervisor.remove(by(owner), signal);
      return c.json(supervisor.status());
    })
    .post("/processes/pause", async (c) => {
      const { owner } = Selection.parse(await c.req.json());
      // Of a whole cohort it is a stop, which the next start ends.
      await supervisor.pause(by(owner), owner !== undefined);
      return c.json(supervisor.status());
    })
    .post("/processes/resume", async (c) => {
      const { owner } = Selection.parse(await c.req.json());
      await supervisor.resume(by(owner), owner !== undefined);
      return c.json(supervisor.status());
    })
    .post("/host", async (c) => {
      await ensureHost();
      return c.json({});
    })
    .post("/shut-down", (c) => {
      setImmediate(shutDown);
      return c.json({});
    });
}
