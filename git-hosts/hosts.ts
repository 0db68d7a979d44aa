import { z } from "zod";
import { embedded } from "./embedded/provider.ts";
import type { GitHostProvider } from "./git-host.ts";
import { github } from "./github/provider.ts";

/** One word a Git host. */
const listed = [embedded, github] as const;

export const gitHosts: readonly GitHostProvider[] = listed;

type SpecsOf<Providers extends readonly { readonly spec: z.ZodType }[]> = { -readonly [I in keyof Providers]: Providers[I]["spec"] };

/** Where the learners' repositories are. */
export const GitSpec = z.discriminatedUnion("kind", listed.map(({ spec }) => spec) as unknown as SpecsOf<typeof listed>);
export type GitSettings = z.output<typeof GitSpec>;

/** The Git host of a kind. */
export function gitHost(kind: string): GitHostProvider {
  const host = gitHosts.find((one) => one.kind === kind);
  if (host === undefined) throw new Error(`no git host "${kind}"; known: ${gitHosts.map((one) => one.kind).join(", ")}`);
  return host;
}
