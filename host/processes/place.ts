import { z } from "zod";

/* Paths are the host's in `source`, and the room's anywhere else: see tools/go/room/lab-room/config.go. */

export const Bind = z.object({
  source: z.string(),
  target: z.string(),
  writable: z.boolean(),
  /** Whether it belongs to the lab, and may become the room's where it can't just be shown as that. */
  own: z.boolean().default(false),
});
export type Bind = z.output<typeof Bind>;

/** From an address to another; where from and to are, says the list it is in. */
export const Door = z.object({ from: z.string(), to: z.string() });
export type Door = z.output<typeof Door>;

/** Where a supervised process runs, and what it sees there. */
export const Place = z.object({
  /** The room's socket for requests. */
  socket: z.string(),
  view: z.array(Bind),
  /** Folders in memory, and the bytes that each holds at most. */
  scratch: z.record(z.string(), z.number()),
  files: z.record(z.string(), z.string()),
  /** Ways out of the room that this program needs. */
  doors: z.array(Door).default([]),
  /** Whether it sees the room's processes in /proc. */
  proc: z.boolean().optional(),
  /** Whether it goes before others where the learner's memory runs short. */
  expendable: z.boolean().optional(),
});
export type Place = z.output<typeof Place>;
