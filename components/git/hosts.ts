import { embedded } from "./embedded.ts";
import { github } from "./github.ts";
import type { GithubSettings } from "./github-settings.ts";
import type { GitHost } from "../ports/git.ts";

/** What the cohort file says of Git, by kind. */
export type GitSettings = { readonly kind: "embedded" } | GithubSettings;

const hosts: Readonly<Record<string, GitHost>> = { embedded, github };

/** The Git host of a kind. */
export function gitHost(kind: string): GitHost {
  const host = hosts[kind];
  if (host === undefined) throw new Error(`no git host "${kind}"; known: ${Object.keys(hosts).join(", ")}`);
  return host;
}
