import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { labHome } from "../shared/paths.ts";
import { makePrivateFolder, readIfExists, removeIfEmpty } from "../shared/private-files.ts";
import { ProcessIdentity } from "./process-identity.ts";

/**
 * What a lab can make, by the way one looks for it again. A new kind is a word here and a look, in looks.ts or
 * handed in by who knows what made it; until it has one, a receipt says of its things that they could not be looked at.
 */
export const kinds = [
  "process",
  "port",
  "folder",
  "repository",
  "images",
  "kubeconfig",
  "key",
  "control-group",
  "namespace",
  "mount",
  "stack",
  "container",
  "network",
  "cloud-resource",
  "github-repository",
  "virtual-cluster",
  "external-cluster",
  /** A command that changes the cohort, while it runs and, where it was cut short, afterwards: one whose process is gone was killed, or interrupted if it says so. */
  "run",
] as const;
export type Kind = (typeof kinds)[number];

const plurals: Partial<Record<Kind, string>> = {
  process: "processes",
  repository: "repositories",
  images: "image paths",
  "control-group": "control groups",
  "github-repository": "GitHub repositories",
};

/** Such as `2 processes`. */
export function counted(kind: Kind, count: number): string {
  return `${count} ${count === 1 ? (kind === "images" ? "image path" : kind) : (plurals[kind] ?? `${kind}s`)}`;
}

const Thing = z.strictObject({
  kind: z.enum(kinds),
  /** What no other thing of this kind has: a path, a port, GitHub's numeric id of a repository, a cloud's id; of a process its mark. */
  id: z.string().min(1),
  /** Whose it is; the cohort's where it is not said. */
  learner: z.string().optional(),
  /** How people call it, such as `org/lab-ada`. Never compared. */
  name: z.string().optional(),
  /** A random word that the thing carries, which tells it from another that came into its place. */
  mark: z.string().optional(),
  /** Of a process that was started, beside its mark. */
  identity: ProcessIdentity.optional(),
  /** Of a run that a signal ended in order. */
  interrupted: z.literal(true).optional(),
});
export type Thing = z.output<typeof Thing>;

const Line = z.discriminatedUnion("event", [
  Thing.extend({ event: z.literal("created"), at: z.iso.datetime() }),
  z.strictObject({ event: z.literal("gone"), at: z.iso.datetime(), kind: z.enum(kinds), id: z.string() }),
]);

export interface Item extends Thing {
  /** When it was first told, ISO 8601. */
  readonly at: string;
}

/** Outside of the cohort's folder, which is one of the things that are looked for. */
const folder = () => join(labHome(), "inventory");
const fileOf = (cohort: string) => join(folder(), `${cohort}.jsonl`);

/**
 * Tells that a thing is about to be made, or was just given its id. To be called before it is made wherever the id is
 * known before, so that a process killed in between leaves a note too many, never a thing too many. Repeating it is fine.
 */
export async function recordCreation(cohort: string, ...things: readonly Thing[]): Promise<void> {
  const at = new Date().toISOString();
  await append(
    cohort,
    things.map((thing) => ({ event: "created", at, ...Thing.parse(thing) })),
  );
}

/** Tells that things were looked for and are gone. */
export async function recordGone(cohort: string, things: readonly Pick<Thing, "kind" | "id">[]): Promise<void> {
  const at = new Date().toISOString();
  await append(
    cohort,
    things.map(({ kind, id }) => ({ event: "gone", at, kind, id })),
  );
}

/** What a cohort has by what was told, in the order of telling. */
export async function readInventory(cohort: string): Promise<Item[]> {
  const items = new Map<string, Item>();
  for (const text of ((await readIfExists(fileOf(cohort))) ?? "").split("\n")) {
    const line = parseLine(text);
    if (line === undefined) continue;
    const key = `${line.kind} ${line.id}`;
    if (line.event === "gone") items.delete(key);
    else {
      const { event, ...item } = line;
      items.set(key, { ...item, at: items.get(key)?.at ?? item.at });
    }
  }
  return [...items.values()];
}

/** Takes the inventory away; the folder of all inventories goes with the last. */
export async function forgetInventory(cohort: string): Promise<void> {
  await rm(fileOf(cohort), { force: true });
  await removeIfEmpty(folder());
}

/** The cohorts of this lab home that have an inventory. */
export async function inventoriedCohorts(): Promise<string[]> {
  return (await readdir(folder()).catch(() => [])).flatMap((file) => /^(.+)\.jsonl$/.exec(file)?.[1] ?? []).sort();
}

/**
 * One write of whole lines at the end: others may append at the same time. What a lost machine has cut short is closed by
 * the line break with which every write begins, and left out when read.
 */
async function append(cohort: string, lines: readonly z.input<typeof Line>[]): Promise<void> {
  if (lines.length === 0) return;
  await makePrivateFolder(folder());
  const file = await open(fileOf(cohort), "a", 0o600);
  try {
    await file.write(lines.map((line) => `\n${JSON.stringify(line)}`).join(""));
    await file.datasync();
  } finally {
    await file.close();
  }
}

function parseLine(text: string): z.output<typeof Line> | undefined {
  try {
    return Line.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
