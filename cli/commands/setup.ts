import type { CohortPlan } from "../../stacks/plan.ts";
import { setupTools } from "../../tools/install.ts";
import { progressLines } from "../../tools/progress.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { openStack } from "../stack.ts";
import { note } from "../terminal.ts";

/** Installs whatever tool is missing. Says nothing when all are there. */
export async function installTools({ nodes, git }: Pick<CohortPlan, "nodes"> & Partial<Pick<CohortPlan, "git">> = { nodes: "simulated" }): Promise<void> {
  const lines = progressLines(process.stderr);
  try {
    await setupTools({ onProgress: lines.show, realNodes: nodes === "real", plugins: ["kubernetes", ...(git?.kind === "github" ? (["github"] as const) : [])] });
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
