import { embedded } from "./embedded.ts";
import { github } from "./github.ts";
import type { GitHost } from "./types.ts";

const hosts: Readonly<Record<string, GitHost>> = { embedded, github };

export function gitHost(kind: string): GitHost {
  const host = hosts[kind];
  if (host === undefined) throw new Error(`no git host "${kind}"; known: ${Object.keys(hosts).join(", ")}`);
  return host;
}
