import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withWorkbench } from "../host/workbench/workbench.ts";
import type { Backstage } from "../lab-templates/workbench.ts";
import { environments, type Environment } from "../shared/names.ts";
import { desiredImage } from "../verification/desired-image.ts";
import { recordPath } from "../verification/promotion-record.ts";
import { lookAtRollout } from "../verification/rollout.ts";
import { waitUntil } from "../shared/wait.ts";
import { TestCohort } from "../test/support/lab-cli.ts";
import { startAttack } from "./neighbour/attack.ts";
import { machine } from "./machine.ts";

/*
 * Measures what one learner can do to another: `node bench/neighbour.ts [runs] [nodes] [isolation]`. The time of the victim's
 * promotion from develop to staging, as bench/promotion.ts takes it: alone, while another learner takes everything that a learner
 * can take, and alone again, which tells how much the machine itself has drifted. Prints one JSON object with the ratio of the medians;
 * docs/measurements.md keeps the figures.
 */
const runs = Number(process.argv[2] ?? 5);
const nodes = process.argv[3] === "real" ? "real" : "simulated";
const isolation = process.argv[4] ?? "rooms";
/** Until the attack has filled what there is. */
const settleSeconds = 20;
const home = await mkdtemp(join(tmpdir(), "gl-bench-"));
const cohort = new TestCohort("e2e-bench-neighbour", join(home, "lab"), ["victim", "attacker"], undefined, { kind: "embedded", nodes });
const began = Date.now();
const say = (text: string) => process.stderr.write(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
const load = async () => Number((await readFile("/proc/loadavg", "utf8")).split(" ")[0]);

interface Sample {
  /** Seconds from the push of a change of the app until it was built and tagged. */
  readonly built: number;
  /** Seconds from the push of the record until staging ran the image. */
  readonly promoted: number;
}

/** With one look at Git before it: one with each look at the rollout would be most of what is measured. */
const running = (bench: Backstage, environment: Environment, digest: string) =>
  bench.observe((context) =>
    waitUntil(
      async () => {
        const seen = await lookAtRollout(context, environment);
        return seen.digest === digest ? { done: true, value: undefined } : { done: false, because: seen.problem ?? "another image runs." };
      },
      { what: `${environment} to run ${digest}`, timeoutSeconds: 300, intervalMs: 100, remedy: "" },
    ),
  );

async function sample(bench: Backstage, version: string): Promise<Sample> {
  const pushed = performance.now();
  const commit = await bench.commit(`Ship ${version}`, async (files) => {
    await files.write("app/VERSION", `${version}\n`);
    await files.write("app/version.go", `package main\n\n// Ships ${version}.\n`);
  });
  const built = (performance.now() - pushed) / 1000;
  const digest = await bench.observe(
    async ({ git }) => (await git.journal()).get(commit)?.flatMap((entry) => (entry.event === "built" ? [entry.digest] : []))[0] ?? "",
  );
  await running(bench, "develop", digest);
  const tag = await bench.observe(
    async ({ git, learner }) => (await desiredImage(git, await git.head(), "develop", learner.registry.repository))?.tag ?? "",
  );
  const asked = performance.now();
  await bench.commit("Promote to staging", (files) => files.write(recordPath("staging"), `tag: ${tag}\ndigest: ${digest}\n`));
  await running(bench, "staging", digest);
  const promoted = (performance.now() - asked) / 1000;
  say(`${version}: built in ${built.toFixed(1)} s, in staging after ${promoted.toFixed(1)} s, load ${await load()}`);
  return { built, promoted };
}

async function samples(bench: Backstage, minor: number, count = runs) {
  const loadBefore = await load();
  const all: Sample[] = [];
  for (let index = 1; index <= count; index += 1) all.push(await sample(bench, `0.${minor}.${index}`));
  return { all, load: [loadBefore, await load()] };
}

const spread = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  return { min: sorted[0]!, median: sorted[Math.floor(sorted.length / 2)]!, max: sorted.at(-1)!, runs: values.length };
};
const figures = ({ all, load: loads }: Awaited<ReturnType<typeof samples>>) => ({
  promotion: spread(all.map(({ promoted }) => promoted)),
  build: spread(all.map(({ built }) => built)),
  load: loads,
});

try {
  await cohort.set({ isolation });
  const up = await cohort.lab("up", cohort.name);
  if (up.exitCode !== 0) throw new Error(up.stderr + up.stdout);
  say("both are up");
  const { victim, attacker } = (await cohort.outputs()).learners;
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  const report = await withWorkbench(cohort.name, victim!, environments, (own) =>
    withWorkbench(cohort.name, attacker!, environments, async (other) => {
      const alone = figures(await samples(own, 3));
      const attack = await startAttack({ cohort: cohort.name, bench: other, nodes, folder: home });
      say("the attack has begun");
      await delay(settleSeconds * 1000);
      const attacked = await samples(own, 4).then(figures, (error: unknown) => ({ failed: String(error) }));
      const came = await attack.stop();
      const stopped = await cohort.lab("pause", "attacker", "--cohort", cohort.name);
      say(`the attack has ended${stopped.exitCode === 0 ? "" : `, but not its pods: ${stopped.stderr.split("\n")[0]}`}`);
      const again = figures(await samples(own, 5, Math.ceil(runs / 2)));
      const more = "promotion" in attacked ? attacked.promotion.median / alone.promotion.median : undefined;
      return { alone, attacked, aloneAgain: again, ratioOfMedians: more, wanted: 1.2, attack: came };
    }),
  );
  const round = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  const all = { date: new Date().toISOString().slice(0, 10), machine, nodes, isolation, ...report };
  process.stdout.write(`${JSON.stringify(all, round, 2)}\n`);
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
