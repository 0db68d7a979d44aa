import { LabError } from "../shared/errors.ts";
import { run } from "../shared/exec.ts";
import { CohortOutputs } from "../shared/outputs.ts";
import { pulumiEnvironment } from "../tools/environment.ts";
import { locate, toolPath } from "../tools/locate.ts";
import { pulumiProject } from "./project.ts";
import { notUp } from "./not-up.ts";
import { stateFolder } from "./state/backend.ts";
import { stateFailure } from "./state/failures.ts";
import { mendState } from "./state/mend.ts";

/**
 * The outputs of a cohort's last `up`, also while another operation runs. Throws LabError if there are none, or only those of
 * another version of this program.
 */
export async function readOutputs(cohort: string): Promise<CohortOutputs> {
  // Without Pulumi's CLI there can be no stack.
  if ((await locate("pulumi")) === undefined) throw await notUp(cohort);
  const outputs = await outputsInState(cohort);
  if (outputs === undefined || Object.keys(outputs).length === 0) {
    throw await notUp(cohort, outputs === undefined ? "" : ", since its first `up` did not finish");
  }
  const parsed = CohortOutputs.safeParse(outputs);
  if (parsed.success) return parsed.data;
  throw new LabError(
    "outputs-unreadable",
    `The outputs of cohort ${cohort} are not in this version's form (schemaVersion ${String(outputs["schemaVersion"])}, expected 1). Run \`./lab up ${cohort}\` to write them anew.`,
    { cause: parsed.error },
  );
}

/**
 * What the state has as outputs, in whichever form; undefined where there is no stack. Pulumi's CLI reads them, since its
 * automation library takes longer to load and asks twice.
 */
export async function outputsInState(cohort: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const env = await pulumiEnvironment();
  const folder = await stateFolder();
  if (folder !== undefined) await mendState(folder, cohort);
  const args = ["stack", "output", "--json", "--show-secrets", "--non-interactive", "--stack", cohort];
  const result = await run(await toolPath("pulumi"), args, { cwd: await pulumiProject(cohort), env, reject: false, stdin: "ignore" });
  if (result.exitCode === 0) return JSON.parse(result.stdout) as Record<string, unknown>;
  if (/no stack named/.test(result.stderr)) return undefined;
  const aboutState = await stateFailure(cohort, new Error(result.stderr));
  if (aboutState !== undefined) throw aboutState;
  throw new LabError(
    "outputs-unavailable",
    `Pulumi did not give the outputs of cohort ${cohort}: ${result.stderr.trim().split("\n").at(-1)} Try \`eval "$(./lab env)"; pulumi stack output --stack ${cohort}\`.`,
    { cause: result },
  );
}
