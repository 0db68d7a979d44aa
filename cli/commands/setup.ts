import type { CohortPlan } from "../../stacks/plan.ts";
import { setupTools } from "../../tools/install.ts";
import { progressLines, type Step } from "../../tools/progress.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { openStack } from "../stack.ts";
import { note } from "../terminal.ts";

/**
 * Installs whatever tool is missing. Says nothing when all are there.
 *
 * @param onProgress who shows how it goes; lines on standard error where it is not given
 */
export async function installTools({ nodes }: Pick<CohortPlan, "nodes"> = { nodes: "simulated" }, onProgress?: (step: Step) => void): Promise<void> {
  if (onProgress !== undefined) return setupTools({ onProgress, realNodes: nodes === "real" });
  const lines = progressLines(process.stderr);
  try {
    await setupTools({ onProgress: lines.show, realNodes: nodes === "real" });
  } finally {
    lines.close();
  }
}

/** Makes a cohort ready for `./lab up` and for plain `pulumi up`: its tools, and its stack. */
export async function setup(name: string): Promise<void> {
  const plan = await readCohort(name);
  const { cohort } = plan;
  await installTools(plan);
  await keepingCohortFile(cohort, () => openStack(cohort));
  note(`Ready. \`./lab up ${cohort}\` brings the cohort up; so does \`eval "$(./lab env)"\`, then \`pulumi up -s ${cohort}\`.`);
}
