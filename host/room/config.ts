import type { Bind, Door } from "../processes/place.ts";

/*
 * What lab-room is told: see tools/go/room/lab-room/config.go, which explains the fields. Paths are the host's in `source`
 * and `log`, and the room's anywhere else.
 */

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
