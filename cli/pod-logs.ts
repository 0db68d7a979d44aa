import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { ProcessTable } from "../host/processes/process-table.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { run } from "../shared/exec.ts";
import { cohortPaths } from "../shared/paths.ts";
import { excerpt } from "../shared/printable.ts";
import { toolPath } from "../tools/locate.ts";
import { note } from "./terminal.ts";
import { cohortOption } from "./which-cohort.ts";

const Pods = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string(), namespace: z.string() }) })) });

/** Shows what the containers of a learner's pods have said, by way of the cluster. Returns the exit code: 3 where it does not answer. */
export async function podLogs(
  cohort: string,
  learner: string,
  { follow, lines }: { readonly follow: boolean; readonly lines: number },
  show: (line: string) => void,
): Promise<number> {
  const paths = cohortPaths(cohort);
  const kubeconfig = join(paths.learner(learner).kubeconfigs, "admin.yaml");
  if (!existsSync(kubeconfig)) {
    throw new LabError(
      "pods-elsewhere",
      `The cluster of ${learner} does not run on this machine, so its pods' logs are not here. Ask the cluster: \`./lab shell ${learner}${cohortOption(cohort)} -- kubectl logs -n develop deployment/backend\`.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const isReal = (await new ProcessTable(paths.daemon).read()).some(({ spec }) => spec.name === `${learner}/node`);
  if (!isReal) {
    note(
      `The pods of ${learner} are simulated: no container runs, so none writes a log. docs/real-pods.md says what \`nodes: real\` takes.`,
    );
    return ExitCode.ok;
  }
  const kubectl = await toolPath("kubectl");
  const ask = (args: readonly string[]) =>
    run(kubectl, [`--kubeconfig=${kubeconfig}`, "--request-timeout=15s", ...args], { reject: false, stdin: "ignore" });
  const listed = await ask(["get", "pods", "--all-namespaces", "--output=json"]);
  if (listed.exitCode !== 0) {
    note(
      `The cluster of ${learner} does not tell its pods: ${excerpt(listed.stderr, 300)} \`./lab status ${cohort}\` shows what does not run.`,
    );
    return ExitCode.unknown;
  }
  const pods = Pods.parse(JSON.parse(listed.stdout)).items.map(({ metadata }) => metadata);
  if (pods.length === 0) note(`${learner} has no pods now.`);
  await Promise.all(
    pods.map(async ({ namespace, name }) => {
      const args = [
        "logs",
        `--namespace=${namespace}`,
        name,
        "--all-containers",
        "--prefix",
        `--tail=${lines}`,
        ...(follow ? ["--follow"] : []),
      ];
      if (!follow) {
        const { stdout, stderr, exitCode } = await ask(args);
        for (const line of stdout.split("\n")) if (line !== "") show(line);
        if (exitCode !== 0) note(`${namespace}/${name}: ${excerpt(stderr, 300)}`);
        return;
      }
      const program = run(kubectl, [`--kubeconfig=${kubeconfig}`, ...args], { reject: false, stdin: "ignore", buffer: false });
      for await (const line of createInterface({ input: program.stdout })) show(line);
    }),
  );
  return ExitCode.ok;
}
