import { clusterProvider } from "../../clusters/providers.ts";
import { requireAddress } from "../../host/doors/address.ts";
import { requireImageNames } from "../../host/git/image-names.ts";
import { requireLayout } from "../../ledger/creation.ts";
import { requirePorts } from "../../ledger/ports.ts";
import { findMarked } from "../../ledger/process-identity.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { requireRooms } from "../../stacks/isolation.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { capacityFor, remedies } from "../capacity/capacity.ts";
import { costsOf, learnersHere, portsNeeded } from "../capacity/costs.ts";
import { machineFacts } from "../capacity/facts.ts";
import { requireGitHost } from "../git-host.ts";
import { requireHome } from "../home.ts";
import { note } from "../terminal.ts";

/** Throws LabError (exit code 2) where a cohort can't come up here; creates nothing. Returns the seconds it takes. */
export async function requireConditions(plan: CohortPlan, paths: CohortPaths, force: boolean): Promise<number> {
  await requireHome();
  await requireLayout(paths);
  // Where nothing could try yet, the tools are installed first, and a step of the bring-up looks again.
  if (!plan.room?.because.some(({ untried }) => untried)) requireRooms(plan);
  if (plan.opening) await requireAddress(plan.opening);
  const needed = portsNeeded(plan);
  await requireImageNames(plan, paths);
  const idle = findMarked(paths.daemon).length === 0;
  const inDocker = plan.learners.flatMap(({ learner, cluster }) =>
    clusterProvider(cluster.kind).place.holdsPortsAsleep ? [learner.id] : [],
  );
  await requirePorts(plan.cohort, needed, plan.ports, idle, inDocker);
  await requireGitHost(plan);
  return requireRoom(plan, force);
}

/** A guess for clusters that are not on this machine, of which none was measured. */
const elsewhereSeconds = 600;

/** Throws LabError `no-room` (exit code 2) where fewer learners fit than the file has; with `force` only says so. Returns the seconds it takes. */
async function requireRoom(plan: CohortPlan, force: boolean): Promise<number> {
  const embedded = learnersHere(plan);
  if (embedded.length === 0) return elsewhereSeconds;
  const capacity = capacityFor(embedded.length, await machineFacts({ ...plan, learners: embedded }), costsOf(plan));
  if (capacity.seats >= capacity.wanted) return capacity.readySeconds;
  const { binding } = capacity;
  const sentence = `${capacity.wanted} learners do not fit on this machine: ${binding.name} is enough for ${capacity.seats} (${binding.has} left, ${binding.perLearner} a learner)`;
  if (force) {
    note(`${sentence}. Going on, as --force asks.`);
    return capacity.readySeconds;
  }
  throw new LabError(
    "no-room",
    `${sentence}. Nothing was created. ${remedies[binding.name]}, take learners out of the cohort file, or run \`./lab up ${plan.cohort} --force\` to try all the same; \`./lab plan ${plan.cohort}\` shows every limit.`,
    { exitCode: ExitCode.badInput },
  );
}
