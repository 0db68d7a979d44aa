import { appendFile, readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { preflight } from "../../clusters/embedded/node/preflight.ts";
import { cacheHome } from "../../shared/paths.ts";
import { succeeded } from "../support/succeeded.ts";
import type { Attempt } from "./attempts/attempt.ts";
import { Ground, type Nodes } from "./attempts/ground.ts";
import { RefusedError } from "./attempts/kube.ts";
import { rows } from "./attempts/rows.ts";
import type { Scene } from "./attempts/scene.ts";

/*
 * What a learner could try against the lab host and the other learners, a row for each attempt, with nothing but a learner's
 * handout, and as another user of the machine. A row passes when the attempt was really processed and did not succeed. The
 * proofs are harmless: files in a folder made for it, listeners on loopback, words that are nowhere else.
 */
const minutes = 60_000;
const realIsPossible = (await preflight()).every(({ met }) => met);
/** `ATTEMPTS_ON=real` tries on those alone. */
const chosen = (process.env["ATTEMPTS_ON"] ?? "simulated,real").split(",");
const kinds = (["simulated", "real"] as const satisfies readonly Nodes[]).filter(
  (nodes) => chosen.includes(nodes) && (nodes === "simulated" || realIsPossible),
);
/** A file that gets what came of each row, as a line of JSON. */
const report = process.env["ATTEMPTS_REPORT"];

describe.each(kinds)("on %s nodes", (nodes) => {
  const own = rows.filter((row) => row.nodes === "both" || row.nodes === nodes);
  let ground: Ground;
  let scenes = new Map<string, Scene>();

  beforeAll(async () => {
    ground = await Ground.open(nodes);
    scenes = await ground.prepare(own);
  }, 20 * minutes);

  afterAll(async () => {
    for (const scene of scenes.values()) scene.close();
    await ground.close();
  }, 3 * minutes);

  const name = ({ id, as, what }: Attempt) => `${id}, as ${as === "learner" ? "a learner" : "another local user"}: ${what}`;
  const run = async ({ id, attempt, proof }: Attempt) => {
    const scene = scenes.get(id)!;
    const sign = await attempt(scene).catch((error: unknown) => {
      // A policy of the lab's that stands before the attempt is a sign as well.
      if (error instanceof RefusedError && error.byPolicy) return error.message;
      throw error;
    });
    if (report !== undefined) await appendFile(report, `${JSON.stringify({ nodes, id, succeeded: await proof.look(scene), sign })}\n`);
    expect(await proof.look(scene), `${proof.what}; and it was told: ${sign}`).toBeUndefined();
    expect(sign).not.toBe("");
  };

  describe("tried beside others", { concurrent: true }, () => {
    for (const row of own.filter(({ alone }) => !alone)) test(name(row), { timeout: 3 * minutes }, () => run(row));
  });

  describe("tried alone", () => {
    for (const row of own.filter(({ alone }) => alone)) test(name(row), { timeout: 5 * minutes }, () => run(row));
  });

  describe("after all of them", () => {
    test("no attempt succeeded later", { timeout: minutes }, async () => {
      const late: string[] = [];
      for (const row of own) {
        const seen = await row.proof.look(scenes.get(row.id)!);
        if (seen !== undefined) late.push(`${row.id}: ${seen}`);
      }
      expect(late).toEqual([]);
      expect(await readdir(ground.markers)).toEqual([]);
    });

    test("nothing that was said to the learner holds a path of the host or a secret", async () => {
      const secrets = await secretsOf(ground);
      // Another user's own programs say the paths that they were given.
      const users = new Set(own.filter(({ as }) => as === "local user").map(({ id }) => id));
      const neverFor = (id: string) => (users.has(id) ? secrets : [...secrets, ...pathsOf(ground)]);
      const told = [...scenes.values()].flatMap((scene) => scene.told.map((text) => ({ id: scene.id, text: scene.withoutOwnWords(text) })));
      const leaks = told.flatMap(({ id, text }) =>
        neverFor(id)
          .filter(({ word }) => text.includes(word))
          .map(({ what, word }) => `${id} tells ${what}: ${around(text, word)}`),
      );
      expect([...new Set(leaks)]).toEqual([]);
    });

    test("the other learner's lab proves everything", { timeout: 2 * minutes }, async () => {
      const { stdout } = succeeded(await ground.cohort.lab("verify", "bob", "--cohort", ground.cohort.name));
      expect(stdout.match(/✓/g)).toHaveLength(4);
    });
  });
});

interface Forbidden {
  readonly what: string;
  readonly word: string;
}

/** What no learner may come to know. */
async function secretsOf(ground: Ground): Promise<Forbidden[]> {
  const file = async (what: string, path: string): Promise<Forbidden[]> => {
    const word = (await readFile(path, "utf8").catch(() => "")).trim();
    return word === "" ? [] : [{ what, word }];
  };
  const key = /client-key-data: (\S+)/.exec(ground.bob.kubeconfig)?.[1] ?? "";
  return [
    ...(await file("the state's passphrase", join(ground.cohort.home, "passphrase"))),
    { what: "another learner's password for Git", word: ground.bob.git.password },
    { what: "another learner's password for images", word: ground.bob.registry.password },
    { what: "another learner's key", word: key.slice(0, 60) },
    ...ground.canaries().map((word) => ({ what: "what only the host or another learner has", word })),
  ];
}

const checkout = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

function pathsOf(ground: Ground): Forbidden[] {
  return [ground.cohort.home, checkout, cacheHome(), homedir(), "/root/", "/home/"].map((word) => ({ what: "a path of the host", word }));
}

function around(text: string, word: string): string {
  const at = text.indexOf(word);
  return text.slice(Math.max(0, at - 80), at + word.length + 120);
}
