import { setTimeout as delay } from "node:timers/promises";
import type { Backstage } from "../../lab-templates/workbench.ts";
import type { Environment } from "../../shared/names.ts";
import { desiredImage, overlayPath } from "../../verification/desired-image.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { oneOf, type Random } from "./random.ts";

/** What a learner got done, and what not. */
export interface Done {
  /** Commits that the Git server said it has. */
  readonly commits: string[];
  readonly counts: Record<string, number>;
}

const order: Readonly<Partial<Record<Environment, Environment>>> = { staging: "develop", production: "staging" };

/**
 * A learner who ships, promotes, reverts and writes notes until told to stop, and after every fourth of these looks at what has
 * come of it: only a lab at rest can be compared. What fails because a part of the lab is down is tried again later, as a
 * learner would; what the lab refuses is counted.
 */
export async function work(bench: Backstage, random: Random, stop: AbortSignal, what: "all" | "notes" = "all"): Promise<Done> {
  const done: Done = { commits: [], counts: {} };
  const count = (name: string) => (done.counts[name] = (done.counts[name] ?? 0) + 1);
  let version = 0;
  const actions = {
    note: () => bench.commit("Take a note", (files) => files.write(`notes/${Date.now()}-${random()}.md`, `${random()}\n`)),
    ship: () => {
      version += 1;
      return bench.commit(`Ship 0.3.${version}`, async (files) => {
        await files.write("app/VERSION", `0.3.${version}\n`);
        await files.write("app/version.go", `package main\n\n// Ships 0.3.${version}, ${random()}.\n`);
      });
    },
    staging: () => promote(bench, "staging", random),
    production: () => promote(bench, "production", random),
    revert: async () => {
      const newest = await bench.observe(async ({ git }) => (await git.log(overlayPath("production")))[0]?.id);
      return newest === undefined ? undefined : bench.revert(newest);
    },
  };
  const choice = what === "notes" ? (["note"] as const) : (["note", "note", "ship", "staging", "staging", "production", "revert"] as const);
  for (let turn = 1; !stop.aborted; turn += 1) {
    const action = oneOf(random, choice);
    try {
      const commit = await actions[action]();
      if (commit === undefined) continue;
      done.commits.push(commit);
      count(action);
    } catch (error) {
      const isRefused = error instanceof Error && error.name === "PushRefused";
      count(`${action} ${isRefused ? "refused" : "failed"}`);
      await delay(500, undefined, { signal: stop }).catch(() => undefined);
    }
    const rest = turn % 4 === 0 ? 20_000 : 1000 + random() * 2000;
    await delay(what === "notes" ? 200 : rest, undefined, { signal: stop }).catch(() => undefined);
  }
  return done;
}

/** Asks for what the environment before has. */
async function promote(bench: Backstage, to: Environment, random: Random): Promise<string | undefined> {
  const image = await bench.observe(async ({ git, learner }) =>
    desiredImage(git, await git.head(), order[to]!, learner.registry.repository),
  );
  if (image?.tag === undefined || image.digest === undefined) return undefined;
  const text = `tag: ${image.tag}\ndigest: ${image.digest}\nnote: "${random()}"\n`;
  return bench.commit(`Promote to ${to}`, (files) => files.write(recordPath(to), text));
}
