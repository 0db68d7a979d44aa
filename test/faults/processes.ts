import { findMarked, leadsGroup } from "../../ledger/process-identity.ts";
import { isDaemonUp, processStatus } from "../../host/processes/client.ts";
import { withWorkbench } from "../../host/workbench/workbench.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import type { Backstage } from "../../lab-templates/workbench.ts";
import { messageOf } from "../../shared/errors.ts";
import { environments } from "../../shared/names.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { verifyLearner } from "../../verification/verify.ts";
import { work } from "./learner-at-work.ts";
import { randomOf } from "./random.ts";
import type { StandingLab } from "./kills.ts";
import { census, surplus } from "./soundness.ts";
import { trial, type Results, type Trial } from "./trials.ts";

/** Seconds in which a lab has to be whole again after one of its processes was killed; ten on a quiet machine. */
const healingSeconds = 120;

/** The processes of a cohort that can be killed: those that the daemon keeps, the daemon, and who starts that again. */
export async function killable(cohort: string, home: string): Promise<{ readonly name: string; readonly pid: number }[]> {
  const kept = (await processStatus(cohortPaths(cohort))).flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }]));
  const daemon = findMarked(cohortPaths(cohort, home).daemon).flatMap(({ name, identity }) =>
    name === "daemon" ? [{ name: leadsGroup(identity) ? "guard of the daemon" : "daemon", pid: identity.pid }] : [],
  );
  return [...kept, ...daemon];
}

export function killOne(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Kills each process once while the learner pushes, and waits until the lab is whole without anybody's help. Each time the learner
 * rests once the processes are back and a push was taken: a lab that gets a commit every few hundred milliseconds is never green at its newest.
 */
export async function killEachProcess(
  lab: StandingLab,
  seed: string,
  results: Results,
  rounds = 1,
  choose = (names: readonly string[]) => names,
  patience = healingSeconds,
): Promise<Trial[]> {
  const { cohort } = lab;
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  const learner = (await cohort.outputs()).learners["ada"]!;
  const made: Trial[] = [];
  await withWorkbench(cohort.name, learner, environments, async (bench) => {
    const names = (await killable(cohort.name, cohort.home)).map(({ name }) => name);
    for (let round = 0; round < rounds; round += 1)
      for (const name of new Set(choose(names))) {
        const done = await trial(results, "process killed", `${name}#${round}`, async (told) => {
          told.what = name;
          const found = (await killable(cohort.name, cohort.home)).find((one) => one.name === name);
          if (found === undefined) throw new Error(`${name} does not run`);
          const stop = new AbortController();
          const load = work(bench, randomOf(`${seed} ${name} ${round}`), stop.signal, "notes");
          try {
            killOne(found.pid);
            await awaitTaken(bench, cohort.name, names, patience);
          } finally {
            stop.abort();
            lab.ada.commits.push(...(await load).commits);
          }
          await awaitEvidence(bench, patience);
        });
        if (done !== undefined) made.push(done);
      }
  });
  made.push(
    ...[
      await trial(results, "process killed", "in the end", async (told) => {
        told.what = "in the end";
        told.faults.push(...(await lab.ada.lost()), ...(await surplus(cohort, { ...census(cohort), ...lab.healthy })));
      }),
    ].filter((one) => one !== undefined),
  );
  return made;
}

/** Waits until every process runs and a push is taken. */
async function awaitTaken(bench: Backstage, cohort: string, names: readonly string[], timeoutSeconds: number): Promise<void> {
  await waitUntil(
    async (): Promise<Look<undefined>> => {
      if (!(await isDaemonUp(cohortPaths(cohort)))) return { done: false, because: "the daemon does not answer." };
      const running = (await processStatus(cohortPaths(cohort))).filter(({ state }) => state === "running").map(({ name }) => name);
      const missing = names.filter((name) => !name.includes("daemon") && !running.includes(name));
      if (missing.length > 0) return { done: false, because: `${missing.join(", ")} not running.` };
      try {
        await bench.commit("Whole again?", (files) => files.write(`notes/whole-${Date.now()}.md`, "?\n"));
        return { done: true, value: undefined };
      } catch (error) {
        return { done: false, because: `a push failed: ${messageOf(error)}` };
      }
    },
    { what: "the lab to run and take a push again", timeoutSeconds, intervalMs: 250, remedy: "" },
  );
}

/** Waits until the evidence is green at the newest push. */
async function awaitEvidence(bench: Backstage, timeoutSeconds: number): Promise<void> {
  await waitUntil(
    async (): Promise<Look<undefined>> => {
      const reports = await verifyLearner(bench.learner, gitopsPromotion.evidence, environments);
      const red = reports.filter(({ result }) => result.status !== "pass");
      return red.length === 0 ? { done: true, value: undefined } : { done: false, because: JSON.stringify(red) };
    },
    { what: "the lab to be whole again", timeoutSeconds, intervalMs: 250, remedy: "" },
  );
}
