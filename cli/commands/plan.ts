import { ExitCode } from "../../shared/errors.ts";
import { isolationLines, roomsRefusal } from "../../stacks/isolation.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { capacityFor, remedies, type Capacity } from "../capacity/capacity.ts";
import { costsOf, learnersHere, portsNeeded } from "../capacity/costs.ts";
import { gitHost } from "../../git-hosts/hosts.ts";
import { machineFacts } from "../capacity/facts.ts";
import { cloudCosts, sourceOf, type CloudCost } from "../capacity/prices.ts";
import { writesOf } from "../capacity/writes.ts";
import { quotaLines, quotasOf } from "../capacity/quotas.ts";
import { readCohort } from "../cohort-file.ts";
import { alignColumns } from "../table.ts";
import { arrivals, leavers, leaversSentence } from "../course/backup.ts";
import { unmetNeeds } from "../providers.ts";
import { changesOf, type Move, type roomChanges } from "../moves.ts";
import { duration, note, paint, print, printJson } from "../terminal.ts";
import { cohortPaths } from "../../shared/paths.ts";

/** Tells what `up` would create, whether it fits and what it costs. Creates nothing. Exit code 1 when it does not fit, or `up` would refuse it. */
export async function plan(name: string, { json }: { readonly json: boolean }): Promise<number> {
  const cohort = await readCohort(name);
  const paths = cohortPaths(cohort.cohort);
  const here = learnersHere(cohort);
  const facts = await machineFacts({ ...cohort, learners: here });
  const costs = costsOf(cohort);
  // What embedded clusters take of this machine is known; where there are none, nothing binds here.
  const capacity = here.length === 0 ? undefined : capacityFor(here.length, facts, costs);
  const [cloud, { moves, rooms }] = [cloudCosts(cohort), await changesOf(cohort)];
  const refusal = roomsRefusal(cohort);
  const unmet = [...(await unmetNeeds(cohort, { bySetup: false })).values()];
  const { kind: gitKind, shown } = gitHost(cohort.git.kind);
  const budget = writesOf(cohort);
  const quotas = here.length === 0 ? undefined : quotasOf(here.length, cohort.limits, cohort.nodes, facts);
  const creates = {
    learners: cohort.learners.length,
    up: facts.learnersUp,
    clusters: countBy(cohort),
    perLearner: {
      controlPlanes: 1,
      fluxControllers: 4,
      gitRepositories: 1,
      imageRepositories: 1 + (cohort.learners[0]?.template.sideImages.length ?? 0),
      ports: costs.ports.learner,
    },
    ports: portsNeeded(cohort),
  };
  const ids = cohort.learners.map(({ learner }) => learner.id);
  const removes = await leavers(paths, ids);
  const fits = capacity === undefined || capacity.seats >= capacity.wanted;
  if (json)
    printJson({
      schemaVersion: 1,
      cohort: cohort.cohort,
      fits,
      creates,
      removes,
      facts,
      costs,
      ...capacity,
      cloud,
      moves,
      unmet,
      isolation: {
        learners: cohort.isolation,
        asked: cohort.rooms,
        ...(cohort.room && { room: cohort.room.kind, because: cohort.room.because }),
        ...(refusal && { refused: refusal.message }),
        changes: rooms,
      },
      ...(budget && { [gitKind]: budget }),
      ...(quotas && { quotas }),
    });
  else {
    const { perLearner, clusters } = creates;
    const kinds = Object.entries(clusters).map(([kind, count]) => `${count} ${kind}`);
    print(
      `cohort ${cohort.cohort}: ${creates.learners} ${creates.learners === 1 ? "learner" : "learners"}, ${creates.up} of them up; template ${cohort.template}, clusters: ${kinds.join(", ")}${here.length === 0 ? "" : `, pods ${cohort.nodes}`}`,
    );
    print(
      `each with a control plane, ${perLearner.fluxControllers} Flux controllers, a Git repository and ${perLearner.imageRepositories} image paths; ${creates.ports} ports of this machine in all`,
    );
    if (cohort.opening)
      print(
        `open to other machines at ${cohort.opening.listen}${cohort.opening.name === cohort.opening.listen ? "" : `, as ${cohort.opening.name}`}, over TLS`,
      );
    if (removes.length > 0) print(paint("yellow", leaversSentence(removes, await arrivals(paths, ids))));
    for (const sentence of unmet) print(paint("yellow", sentence));
    for (const move of moves) print(sentenceOf(move));
    printIsolation(cohort, rooms);
    for (const cost of cloud) print(priceOf(cost));
    if (budget !== undefined) {
      print(
        `${shown.title}: ${budget.writes} requests that write, ${budget.writesPerLearner} a learner, at ${budget.perMinute} a minute and ${budget.perHour} an hour at most: about ${duration(budget.seconds * 1000)} for all, and workflows run beside`,
      );
    }
    if (capacity !== undefined) {
      print(`\n${table(capacity)}`);
      if (quotas !== undefined) for (const line of quotaLines(quotas)) print(line);
      print(
        fits
          ? `${paint("green", "fits")}: ${capacity.seats} seats, by ${capacity.binding.name}`
          : `${paint("red", "does not fit")}: ${capacity.seats} seats, by ${capacity.binding.name}. ${remedies[capacity.binding.name]}.`,
      );
      print(
        capacity.readySeconds === 0 ? "ready now" : `about ${duration(capacity.readySeconds * 1000)} until all are ready, tools installed`,
      );
      note(
        `By costs measured on ${costs.measuredOn} (${costs.source}), with ${costs.cores} cores${here.length === cohort.learners.length ? "" : "; of embedded clusters only"}.`,
      );
    }
  }
  return fits && refusal === undefined ? ExitCode.ok : ExitCode.failed;
}

/** How the learners are kept apart, and what that changes of labs that are there. */
function printIsolation(cohort: CohortPlan, { into, outOf }: ReturnType<typeof roomChanges>): void {
  const refusal = roomsRefusal(cohort);
  if (refusal !== undefined) return print(`${paint("red", "refused")}: ${refusal.message}`);
  for (const { text, isWarning } of isolationLines(cohort)) print(isWarning ? paint("yellow", text) : text);
  const work = "each is stopped, moved and started, and keeps repository, images and everything in the cluster";
  if (into.length > 0) print(`brought into rooms: ${into.join(", ")}; ${work}`);
  if (outOf.length > 0) print(paint("yellow", `taken out of their rooms: ${outOf.join(", ")}; ${work}`));
}

/** Clusters by kind. */
function countBy({ learners }: CohortPlan): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { cluster } of learners) counts[cluster.kind] = (counts[cluster.kind] ?? 0) + 1;
  return counts;
}

function sentenceOf({ learner, from, to, madeAnew, kept }: Move): string {
  return `${paint("yellow", `${learner} moves from ${from} to ${to}`)}: made anew: ${madeAnew.join(", ")}; kept: ${kept.length === 0 ? "nothing" : kept.join(", ")}`;
}

function priceOf(cost: CloudCost): string {
  const { kind, clusters, perHour, inAll, unknown } = cost;
  const how = sourceOf(cost);
  const what = `${kind}: ${clusters} ${clusters === 1 ? "cluster" : "clusters"}`;
  if (perHour === undefined || inAll === undefined)
    return `${what}, no estimate: the price of ${unknown.join(", ")} is not in the table (${how})`;
  return `${what}, about $${perHour.toFixed(2)} an hour and $${inAll.toFixed(0)} until they end (${how})`;
}

function table({ limits, binding }: Capacity): string {
  const rows = [
    ["limit", "available", "a learner", "seats"],
    ...limits.map((limit) => [limit.name, limit.has, limit.perLearner, `${limit.seats}${limit === binding ? "  binds" : ""}`]),
  ];
  return alignColumns(rows, "  ");
}
