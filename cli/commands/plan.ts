import { ExitCode } from "../../shared/errors.ts";
import { capacityFor, remedies, type Capacity } from "../capacity/capacity.ts";
import { costsOf } from "../capacity/costs.ts";
import { machineFacts } from "../capacity/facts.ts";
import { readCohort } from "../cohort-file.ts";
import { arrivals, leavers, leaversSentence } from "../course/backup.ts";
import { duration, note, paint, print, printJson } from "../terminal.ts";

/** Tells what `up` would create and whether it fits. Creates nothing. Exit code 1 when it does not fit. */
export async function plan(name: string, { json }: { readonly json: boolean }): Promise<number> {
  const cohort = await readCohort(name);
  const facts = await machineFacts(cohort);
  const costs = costsOf(cohort);
  const capacity = capacityFor(cohort.learners.length, facts, costs);
  const { host, learner } = costs.ports;
  const creates = {
    learners: capacity.wanted,
    up: facts.learnersUp,
    perLearner: { controlPlanes: 1, fluxControllers: 4, gitRepositories: 1, imageRepositories: 1 + (cohort.learners[0]?.template.sideImages.length ?? 0), ports: learner },
    ports: host + learner * capacity.wanted,
  };
  const ids = cohort.learners.map((one) => one.learner.id);
  const removes = await leavers(cohort.cohort, ids);
  const fits = capacity.seats >= capacity.wanted;
  if (json) printJson({ schemaVersion: 1, cohort: cohort.cohort, fits, creates, removes, facts, costs, ...capacity });
  else {
    const { perLearner } = creates;
    print(`cohort ${cohort.cohort}: ${creates.learners} ${creates.learners === 1 ? "learner" : "learners"}, of whom ${creates.up} ${creates.up === 1 ? "is" : "are"} up; template ${cohort.template}, pods ${cohort.nodes}`);
    print(`each with a control plane, ${perLearner.fluxControllers} Flux controllers, a Git repository, ${perLearner.imageRepositories} image paths and ${perLearner.ports} ports; ${creates.ports} ports in all`);
    if (cohort.opening) print(`open to other machines at ${cohort.opening.listen}${cohort.opening.name === cohort.opening.listen ? "" : `, as ${cohort.opening.name}`}, over TLS`);
    if (removes.length > 0) print(paint("yellow", leaversSentence(removes, await arrivals(cohort.cohort, ids))));
    print(`\n${table(capacity)}\n`);
    print(fits ? `${paint("green", "fits")}: ${capacity.seats} seats, by ${capacity.binding.name}` : `${paint("red", "does not fit")}: ${capacity.seats} seats, by ${capacity.binding.name}. ${remedies[capacity.binding.name]}.`);
    print(capacity.readySeconds === 0 ? "ready now" : `about ${duration(capacity.readySeconds * 1000)} until all are ready, tools installed`);
    note(`By costs measured on ${costs.measuredOn} (${costs.source}), with ${costs.cores} cores.`);
  }
  return fits ? ExitCode.ok : ExitCode.failed;
}

function table({ limits, binding }: Capacity): string {
  const rows = [["limit", "available", "a learner", "seats"], ...limits.map((limit) => [limit.name, limit.has, limit.perLearner, `${limit.seats}${limit === binding ? "  binds" : ""}`])];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd()).join("\n");
}
