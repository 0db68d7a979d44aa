import { z } from "zod";
import { environments } from "../shared/names.ts";

/*
 * What the pipeline did with a commit, as lines of JSON in the commit's note below this ref. A learner reads it with
 * `git fetch origin refs/notes/pipeline:refs/notes/pipeline && git log --notes=pipeline`. Only the pipeline writes it, so
 * unlike a commit's own date and author it can be trusted.
 */
export const journalRef = "refs/notes/pipeline";

const At = { at: z.iso.datetime() };
const EnvironmentName = z.enum(environments);

export const JournalEntry = z.discriminatedUnion("event", [
  /** The commit became a branch's tip, pushed by the user who authenticated. */
  z.object({ event: z.literal("received"), ...At, by: z.string(), branch: z.string() }),
  /** The app was built from the commit. */
  z.object({ event: z.literal("built"), ...At, version: z.string(), tag: z.string(), digest: z.string() }),
  z.object({ event: z.literal("build-failed"), ...At, version: z.string(), reason: z.string() }),
  /** The image that the commit asks for in an environment has a tag of it. */
  z.object({ event: z.literal("promoted"), ...At, environment: EnvironmentName, tag: z.string(), digest: z.string() }),
  z.object({ event: z.literal("promotion-failed"), ...At, environment: EnvironmentName, reason: z.string() }),
  /** The commit carries out a promotion in an environment. */
  z.object({ event: z.literal("carried-out"), ...At, environment: EnvironmentName, promotion: z.string() }),
  /** On the promotion that was carried out before: image automation proposed its image, or another one, in vain. */
  z.object({ event: z.literal("held"), ...At, environment: EnvironmentName, tag: z.string(), reason: z.string() }),
]);
export type JournalEntry = z.output<typeof JournalEntry>;

/** The entries of a note, oldest first. A line that is none of ours is left out: the note may be of a later version. */
export function parseJournal(note: string): JournalEntry[] {
  return note.split("\n").flatMap((line) => {
    const entry = JournalEntry.safeParse(parseLine(line));
    return entry.success ? [entry.data] : [];
  });
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
