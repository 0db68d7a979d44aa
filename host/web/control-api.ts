import { Hono } from "hono";
import { z } from "zod";
import { DnsLabel } from "../../shared/names.ts";
import { daemonVersion } from "../processes/config.ts";
import type { Doors } from "../doors/doors.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Ways } from "./ways.ts";

const OfLearner = z.object({ learner: DnsLabel });

export interface WebControlApi {
  readonly pipeline: Pipeline;
  readonly doors: Doors;
  readonly ways: Ways;
}

/** What drivers and the CLI ask of the web process, over a Unix socket that only the lab's owner can open. */
export function webControlApi({ pipeline, doors, ways }: WebControlApi): Hono {
  return new Hono()
    .get("/version", (c) => c.json({ version: daemonVersion }))
    .get("/metrics", (c) => c.json(pipeline.metrics.metrics))
    .post("/pipeline/settle", async (c) => {
      await pipeline.settle(OfLearner.parse(await c.req.json()).learner);
      return c.json({});
    })
    .get("/doors", (c) => c.json(doors.status()))
    .post("/doors/reload", async (c) => c.json(await doors.reload()))
    .put("/ways", async (c) => {
      await ways.open(OfLearner.parse(await c.req.json()).learner);
      return c.json({});
    })
    .post("/ways/shut", async (c) => {
      await ways.shut(OfLearner.parse(await c.req.json()).learner);
      return c.json({});
    });
}
