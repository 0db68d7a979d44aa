import { ExitCode } from "../../shared/errors.ts";
import { capacityFor, remedies, type Capacity } from "../capacity/capacity.ts";
import { costsOf } from "../capacity/costs.ts";
import { githubBudget } from "../capacity/github.ts";
import { machineFacts } from "../capacity/facts.ts";
import { readCohort } from "../cohort-file.ts";
import { duration, note, paint, print, printJson } from "../terminal.ts";

/** Tells what `up` would create and whether it fits. Creates nothing. Exit code 1 when it does not fit. */
export async function plan(name: string, { json }: { readonly json: boolean }): Promise<number> {
  const cohort = await readCohort(name);
  const facts = await machineFacts(cohort);
  const costs = costsOf(cohort.nodes);
  const capacity = capacityFor(cohort.learners.length, facts, costs);
  const github = githubBudget(cohort);
  const { host, learner } = costs.ports;
  const creates = {
    learners: capacity.wanted,
    up: facts.learnersUp,
    perLearner: { controlPlanes: 1, fluxControllers: 4, gitRepositories: 1, imageRepositories: 1 + (cohort.learners[0]?.template.sideImages.length ?? 0), ports: learner },
    ports: host + learner * capacity.wanted,
  };
  const fits = capacity.seats >= capacity.wanted;
  if (json) printJson({ schemaVersion: 1, cohort: cohort.cohort, fits, creates, facts, costs, ...capacity, ...(github && { github }) });
  else {
    const { perLearner } = creates;
    print(`cohort ${cohort.cohort}: ${creates.learners} ${creates.learners === 1 ? "learner" : "learners"}, of whom ${creates.up} ${creates.up === 1 ? "is" : "are"} up; template ${cohort.template}, pods ${cohort.nodes}`);
    print(`each with a control plane, ${perLearner.fluxControllers} Flux controllers, a Git repository, ${perLearner.imageRepositories} image paths and ${perLearner.ports} ports; ${creates.ports} ports in all`);
    print(`\n${table(capacity)}\n`);
    print(fits ? `${paint("green", "fits")}: ${capacity.seats} seats, by ${capacity.binding.name}` : `${paint("red", "does not fit")}: ${capacity.seats} seats, by ${capacity.binding.name}. ${remedies[capacity.binding.name]}.`);
    print(capacity.readySeconds === 0 ? "ready now" : `about ${duration(capacity.readySeconds * 1000)} until all are ready, tools installed`);
    if (github !== undefined) {
      print(`GitHub: ${github.writes} requests that write, ${github.writesPerLearner} a learner, at ${github.perMinute} a minute and ${github.perHour} an hour at most: about ${duration(github.seconds * 1000)} for all, and workflows run beside`);
    }
    note(`By costs measured on ${costs.measuredOn} (${costs.source}), with ${costs.cores} cores.`);
  }
  return fits ? ExitCode.ok : ExitCode.failed;
}

function table({ limits, binding }: Capacity): string {
  const rows = [["limit", "available", "a learner", "seats"], ...limits.map((limit) => [limit.name, limit.has, limit.perLearner, `${limit.seats}${limit === binding ? "  binds" : ""}`])];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd()).join("\n");
}
