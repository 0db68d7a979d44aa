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
 * The outputs of a cohort's last `up`, also while another operation runs. Pulumi's CLI reads them, since its automation library
 * takes longer to load. Throws LabError if there are none, or only those of another version of this program.
 */
export async function readOutputs(cohort: string): Promise<CohortOutputs> {
  // Without Pulumi's CLI there can be no stack.
  if ((await locate("pulumi")) === undefined) throw await notUp(cohort);
  const env = await pulumiEnvironment();
  const folder = await stateFolder();
  if (folder !== undefined) await mendState(folder, cohort);
  const args = ["stack", "output", "--json", "--show-secrets", "--non-interactive", "--stack", cohort];
  const result = await run(await toolPath("pulumi"), args, { cwd: await pulumiProject(cohort), env, reject: false, stdin: "ignore" });
  const isMissing = result.exitCode !== 0 && /no stack named/.test(result.stderr);
  if (result.exitCode !== 0 && !isMissing) {
    const aboutState = await stateFailure(cohort, new Error(result.stderr));
    if (aboutState !== undefined) throw aboutState;
    throw new LabError(
      "outputs-unavailable",
      `Pulumi did not give the outputs of cohort ${cohort}: ${result.stderr.trim().split("\n").at(-1)} Try \`eval "$(./lab env)"; pulumi stack output --stack ${cohort}\`.`,
      {
        cause: result,
      },
    );
  }
  const outputs = isMissing ? {} : (JSON.parse(result.stdout) as Record<string, unknown>);
  if (Object.keys(outputs).length === 0) {
    throw await notUp(cohort, isMissing ? "" : ", since its first `up` did not finish");
  }
  const parsed = CohortOutputs.safeParse(outputs);
  if (parsed.success) return parsed.data;
  throw new LabError(
    "outputs-unreadable",
    `The outputs of cohort ${cohort} are not in this version's form (schemaVersion ${String(outputs["schemaVersion"])}, expected 1). Run \`./lab up ${cohort}\` to write them anew.`,
    { cause: parsed.error },
  );
}
