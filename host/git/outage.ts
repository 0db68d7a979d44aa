import { rm } from "node:fs/promises";
import { z } from "zod";
import { writePrivateFile } from "../../shared/private-files.ts";
import { readState } from "../../shared/state-file.ts";

const Outage = z.object({ until: z.iso.datetime() });

/** Lets the Git server refuse a learner's repository until a time, which needs nobody to end it; or no more. */
export async function interrupt(file: string, until: Date | undefined): Promise<void> {
  if (until === undefined) await rm(file, { force: true });
  else await writePrivateFile(file, JSON.stringify({ until: until.toISOString() } satisfies z.input<typeof Outage>));
}

export async function isInterrupted(file: string): Promise<boolean> {
  const outage = await readState(file, Outage, { orElse: undefined });
  return outage !== undefined && Date.now() < Date.parse(outage.until);
}
