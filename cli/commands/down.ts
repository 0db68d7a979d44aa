import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { removeProcesses } from "../../host/daemon/client.ts";
import { removeCohortFromHost } from "../../host/drivers/lab-host.ts";
import { nodesRemainder } from "../../host/node/node-process.ts";
import { endOrphansOfEngine, findMarked } from "../../host/process-identity.ts";
import { portsOf } from "../../host/ports.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { locate } from "../../tools/locate.ts";
import { keepingCohortFile } from "../cohort-file.ts";
import { measuredCosts } from "../capacity/costs.ts";
import { interruptible, interruptionTeller, type Interrupt } from "../interrupt.ts";
import { chooseDisplay } from "../progress/displays.ts";
import { RunReporter } from "../progress/reporter.ts";
import { fluxObjects, phases } from "../progress/steps.ts";
import { duration, note, print } from "../terminal.ts";

/* Pulumi's library takes seconds to load on a busy machine: a run has begun to tell of itself by then. */
const loadStack = () => import("../stack.ts");

export interface DownOptions {
  /** Events for programs on standard output. */
  readonly json: boolean;
  /** How many resources the engine works on at once. */
  readonly parallel?: number | undefined;
}

/** Removes everything of a cohort and looks whether anything is left. Needs no cohort file. Returns the exit code. */
export async function down(name: string, options: DownOptions): Promise<number> {
  return removeCohort(parseCohortName(name), options.json ? note : print, options);
}

/** @param say where what came of it is told */
export async function removeCohort(cohort: string, say: (text: string) => void, options: DownOptions = { json: false }): Promise<number> {
  return keepingCohortFile(cohort, () => remove(cohort, say, options));
}

async function remove(cohort: string, say: (text: string) => void, { json, parallel }: DownOptions): Promise<number> {
  const learners = await readdir(join(cohortPaths(cohort).root, "learners")).catch(() => []);
  const { steps, gone } = measuredCosts;
  const reporter = new RunReporter({
    command: "down",
    cohort,
    learners,
    // What is one's share of making is not one's share of removing.
    typical: Object.fromEntries(Object.keys(steps).filter((step) => step !== fluxObjects.step).map((step) => [step, 1])),
    expectedSeconds: gone.host + gone.learner * learners.length,
    display: chooseDisplay(json, learners),
  });
  const resume = `./lab down ${cohort}`;
  try {
    return await interruptible({ cohort, resume, onSignal: interruptionTeller(reporter) }, async (interrupt) => {
      // Without Pulumi's CLI there can be no stack, but an interrupted first run may have left something on the host.
      const stack = (await locate("pulumi")) === undefined ? undefined : await interrupt.orEnd(reporter.phase(phases.stack, async () => (await loadStack()).findStack(cohort)));
      if (stack !== undefined) await destroy(stack, learners, parallel, reporter, interrupt);
      const left = await reporter.phase(phases.cleanUp, async () => {
        await removeCohortFromHost(cohort);
        endOrphansOfEngine(cohortPaths(cohort).daemon);
        const remaining = await remainder(cohort);
        const { forgetStack, removeHomeWithoutCohorts } = await loadStack();
        if (stack !== undefined) await forgetStack(stack);
        await removeHomeWithoutCohorts();
        return remaining;
      });
      if (left.length === 0) for (const learner of learners) reporter.learnerDone(learner);
      const exitCode = left.length === 0 ? ExitCode.ok : ExitCode.failed;
      reporter.summary({ result: left.length === 0 ? "succeeded" : "failed", exitCode, ...(left.length > 0 && { cause: `left over: ${left.join("; ")}` }) });
      reporter.close();
      for (const thing of left) say(`left over: ${thing}`);
      if (left.length === 0) say(`Cohort ${cohort} is gone: no process, port, folder, repository, image or state is left (${duration(Date.now() - reporter.startedAt)}).`);
      return exitCode;
    });
  } catch (error) {
    reporter.failed(error);
    throw error;
  } finally {
    reporter.close();
  }
}

async function destroy(stack: Stack, learners: readonly string[], parallel: number | undefined, reporter: RunReporter, interrupt: Interrupt): Promise<void> {
  const cohort = stack.name;
  note(`Removing cohort ${cohort}.`);
  // Nothing in a cluster is kept, so it need not run while its end is written down.
  await Promise.all(learners.map((learner) => removeProcesses(cohort, learner, "SIGKILL")));
  // Pulumi would write the whole state after each of some forty steps a learner; what a killed destroy leaves in it is
  // found gone by the next.
  stack.workspace.envVars["PULUMI_SKIP_CHECKPOINTS"] = "true";
  interrupt.check();
  try {
    await reporter.engine((onEvent) => stack.destroy({ onEvent, color: "never", signal: interrupt.signal, ...(parallel !== undefined && { parallel }) }));
  } catch (error) {
    interrupt.check();
    throw new LabError("down-failed", `Cohort ${cohort} was not removed completely. ${reporter.causes(error)} Run \`./lab down ${cohort}\` again.`, { cause: error });
  } finally {
    await (await loadStack()).cleanUpAfterEngine(stack);
  }
}

/** What of a cohort can still be found on this machine. */
async function remainder(cohort: string): Promise<string[]> {
  const { root, daemon } = cohortPaths(cohort);
  const folder = await readdir(root).then(
    () => [`folder ${root}; remove it with \`rm -r ${root}\``],
    () => [],
  );
  const processes = findMarked(daemon).map(({ name, identity: { pid } }) => `process ${pid} (${name}); end it with \`kill ${pid}\``);
  const ports = Object.entries(await portsOf(cohort)).map(([owner, port]) => `port ${port} leased to ${owner}; run \`./lab down ${cohort}\` again`);
  return [...processes, ...folder, ...ports, ...(await nodesRemainder(cohort))];
}
