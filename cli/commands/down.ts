import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { removeProcesses } from "../../host/daemon/client.ts";
import { removeCohortFromHost } from "../../host/drivers/lab-host.ts";
import { nodesRemainder } from "../../host/node/node-process.ts";
import { takeRemainders } from "../../host/remainders.ts";
import { endOrphansOfEngine, findMarked } from "../../host/process-identity.ts";
import { portsOf } from "../../host/ports.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { locate } from "../../tools/locate.ts";
import { keepingCohortFile } from "../cohort-file.ts";
import { Progress } from "../progress.ts";
import { findStack, forgetStack, removeHomeWithoutCohorts } from "../stack.ts";
import { duration, note, print } from "../terminal.ts";
import { causes } from "./up.ts";

/** Removes everything of a cohort and looks whether anything is left. Needs no cohort file. Returns the exit code. */
export async function down(name: string): Promise<number> {
  return removeCohort(parseCohortName(name), print);
}

/** @param say where what came of it is told */
export async function removeCohort(cohort: string, say: (text: string) => void): Promise<number> {
  return keepingCohortFile(cohort, () => remove(cohort, say));
}

async function remove(cohort: string, say: (text: string) => void): Promise<number> {
  const started = Date.now();
  // Without Pulumi's CLI there can be no stack, but an interrupted first run may have left something on the host.
  const stack = (await locate("pulumi")) === undefined ? undefined : await findStack(cohort);
  if (stack !== undefined) {
    note(`Removing cohort ${cohort}.`);
    const learners = await readdir(join(cohortPaths(cohort).root, "learners")).catch(() => []);
    const progress = new Progress(learners);
    // Nothing in a cluster is kept, so it need not run while its end is written down.
    await Promise.all(learners.map((learner) => removeProcesses(cohort, learner, "SIGKILL")));
    // Pulumi would write the whole state after each of some forty steps a learner; what a killed destroy leaves in it is
    // found gone by the next.
    stack.workspace.envVars["PULUMI_SKIP_CHECKPOINTS"] = "true";
    // Whoever is removed goes with their cluster: that it does not answer any more is no reason to keep them in the state.
    stack.workspace.envVars["PULUMI_K8S_DELETE_UNREACHABLE"] = "true";
    try {
      await stack.destroy({ onEvent: progress.onEvent, color: "never" });
    } catch (error) {
      throw new LabError("down-failed", `Cohort ${cohort} was not removed completely. ${causes(progress, error)} Run \`./lab down ${cohort}\` again.`, { cause: error });
    }
  }
  await removeCohortFromHost(cohort);
  endOrphansOfEngine(cohortPaths(cohort).daemon);
  const elsewhere = await takeRemainders(cohort);
  const left = [...(await remainder(cohort)), ...elsewhere.flatMap(({ kind, sentence }) => (kind === "left" ? [sentence] : []))];
  if (stack !== undefined) await forgetStack(stack);
  await removeHomeWithoutCohorts();
  const kept = elsewhere.filter(({ kind }) => kind === "kept");
  for (const { sentence } of kept) say(`kept: ${sentence}`);
  if (left.length > 0) {
    for (const thing of left) say(`left over: ${thing}`);
    return ExitCode.failed;
  }
  say(`Cohort ${cohort} is gone: no process, port, folder, repository, image or state is left${kept.length === 0 ? "" : " but what is kept"} (${duration(Date.now() - started)}).`);
  return ExitCode.ok;
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
