import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { locked } from "../../shared/locked.ts";
import { labHome } from "../../shared/paths.ts";
import { makePrivateFolder, readIfExists } from "../../shared/private-files.ts";
import { readState, writeState } from "../../shared/state-file.ts";
import { hasRoomIds, idsThere } from "./ids.ts";

/** The host's numbers (uid and gid alike) of what runs in a learner's rooms. 0: whoever makes them, also where a container's root has too few to give. */
export interface RoomNumbers {
  /** Of the room of control plane and controllers, which has this one. */
  readonly room: number;
  /** First of those of the room of a real node. */
  readonly node: number;
}

/** How many a real node has: as many as its containers may want. */
export const nodeNumbers = 65_536;

/**
 * Numbers that nobody gives to accounts, users' namespaces or containers: "unused" in systemd's UIDS-GIDS, above those of
 * systemd-nspawn and far above those of /etc/subuid. The last block is for trials (tools/go/room/lab-room/probe.go).
 */
const first = 0x7000_0000;
const perOwner = 2 * nodeNumbers;
const blocks = (0x7ffc_0000 - first) / perOwner;

const Blocks = z.record(z.string(), z.int());
const file = () => join(labHome(), "rooms.json");

/** The numbers of an owner, `<cohort>/<learner>`: the same ones until they are given back. */
export async function leaseNumbers(owner: string): Promise<RoomNumbers> {
  if (process.getuid?.() !== 0 || !hasRoomIds(idsThere(await readFile("/proc/self/uid_map", "utf8")))) return { room: 0, node: 0 };
  await makePrivateFolder(labHome());
  return locked(file(), async () => {
    const taken = await read();
    let block = taken[owner];
    if (block === undefined) {
      block = freeBlock(new Set(Object.values(taken)));
      if (block === undefined) throw noneLeft(owner);
      await writeState(file(), JSON.stringify({ ...taken, [owner]: block }, null, 2));
    }
    const room = first + block * perOwner;
    return { room, node: room + nodeNumbers };
  });
}

/** Gives back the numbers of an owner and of what is below it. */
export async function releaseNumbers(owner: string): Promise<void> {
  if ((await readIfExists(file())) === undefined) return;
  await locked(file(), async () => {
    const left = Object.entries(await read()).filter(([one]) => one !== owner && !one.startsWith(`${owner}/`));
    await writeState(file(), JSON.stringify(Object.fromEntries(left), null, 2));
  });
}

/** Each lab home begins elsewhere: what others have leased is not known here. */
function freeBlock(taken: ReadonlySet<number>): number | undefined {
  const start = createHash("sha256").update(labHome()).digest().readUInt32BE() % blocks;
  for (let step = 0; step < blocks; step += 1) if (!taken.has((start + step) % blocks)) return (start + step) % blocks;
  return undefined;
}

async function read(): Promise<Record<string, number>> {
  const taken = await readState(file(), Blocks, { orElse: undefined });
  if (taken !== undefined) return taken;
  // Damaged: each learner's cluster belongs to the first of its numbers.
  return existsSync(file()) ? takenOnDisk() : {};
}

async function takenOnDisk(): Promise<Record<string, number>> {
  const folders = await Array.fromAsync(glob("cohorts/*/learners/*/cluster", { cwd: labHome() }));
  const owned = folders.flatMap((path) => {
    const [, cohort, , learner] = path.split("/");
    const block = (statSync(join(labHome(), path)).uid - first) / perOwner;
    return Number.isInteger(block) && block >= 0 ? [[`${cohort}/${learner}`, block] as const] : [];
  });
  return Object.fromEntries(owned);
}

function noneLeft(owner: string): LabError {
  return new LabError(
    "no-number-left",
    `No user number is left for the room of ${owner}: this lab home has ${blocks} rooms already. End a cohort with \`./lab down <cohort>\`, or set GITOPS_LAB_HOME to another folder.`,
    { exitCode: ExitCode.badInput },
  );
}
