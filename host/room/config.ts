import { z } from "zod";

/*
 * What lab-room is told: see tools/go/room/lab-room/config.go, which explains the fields. Paths are the host's in `source`
 * and `log`, and the room's anywhere else.
 */

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

export interface ProgramConfig {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly log?: string;
  readonly view?: readonly Bind[];
  readonly scratch?: Readonly<Record<string, number>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly doors?: readonly Door[];
  readonly runs?: readonly string[];
  readonly proc?: boolean;
  readonly expendable?: boolean;
  readonly fileSize?: number;
  readonly openFiles?: number;
  readonly cpuSeconds?: number;
  readonly dataBytes?: number;
  readonly processes?: number;
  readonly once?: boolean;
  readonly awaits?: string;
}

/** Names that every program finds: itself on loopback, and whom it is. */
export const loopbackHosts = "127.0.0.1 localhost\n";
export const accounts = "root:x:0:0:root:/:/nowhere\n";

export interface RoomConfig {
  readonly hostname: string;
  readonly uid: number;
  readonly ids: number;
  readonly socket?: string;
  readonly cgroup?: { readonly version: 1 | 2; readonly folders: Record<string, string>; readonly limits: Record<string, string> };
  readonly group: string;
  readonly groupLimits?: Readonly<Record<string, string>>;
  readonly network: {
    readonly shared?: boolean;
    readonly addresses?: readonly string[];
    readonly out?: readonly Door[];
    readonly in?: readonly Door[];
    readonly connect?: string;
    readonly firewall?: string;
    readonly sysctls?: Readonly<Record<string, string>>;
  };
  readonly userLimits?: Readonly<Record<string, string>>;
  readonly node?: object;
  readonly program?: ProgramConfig;
}
