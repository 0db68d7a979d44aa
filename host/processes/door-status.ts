import { z } from "zod";

/** One port on the opened address. */
export const DoorStatus = z.object({
  /** `web` (Git and images), or `<learner>/api`. */
  name: z.string(),
  listen: z.string(),
  port: z.int(),
  /** Why it is shut; undefined where it is open. */
  trouble: z.string().optional(),
});
export type DoorStatus = z.output<typeof DoorStatus>;
