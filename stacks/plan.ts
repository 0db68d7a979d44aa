import { gitHost, type GitSettings } from "../git-hosts/hosts.ts";
import type { RegistrySettings } from "../registries/registries.ts";
import type { LearnerPlan as LabPlan } from "../components/learner.ts";
import type { PortRange } from "../ledger/ports.ts";
import type { RoomFinding } from "../host/room/machine.ts";
import { labTemplate } from "../lab-templates/templates.ts";
import { clusterKinds, clusterProvider, type ClusterPlan, type ClusterSpec } from "../clusters/providers.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { isolationOf } from "../shared/isolation.ts";
import type { Limits } from "../shared/limits.ts";
import { isOnLabHost, labHostKind } from "../shared/on-lab-host.ts";
import type { Opening } from "../shared/opening.ts";
import type { Isolation } from "../shared/outputs.ts";
import { ttlMs } from "../shared/ttl.ts";
import type { CohortSpec } from "./cohort-spec.ts";

/** Since when a cohort and its learners are there; what is not there yet begins now. */
export interface Beginnings {
  readonly cohort: Date;
  readonly learners: Readonly<Record<string, Date>>;
}

/** A learner's lab, with what the cohort file says of each part's kind. */
export interface LearnerPlan extends LabPlan {
  readonly cluster: ClusterPlan;
  readonly git: GitSettings & LabPlan["git"];
  readonly registry: RegistrySettings & LabPlan["registry"];
}

export interface CohortPlan {
  readonly cohort: string;
  readonly course: string;
  readonly template: string;
  readonly ports: PortRange;
  /** Where the cohort is opened beside loopback. */
  readonly opening?: Opening;
  /** Whether pods of embedded clusters run for real. */
  readonly nodes: "real" | "simulated";
  /** What the cohort file asks for, and what this machine has found of itself where that is rooms. */
  readonly rooms: CohortSpec["isolation"];
  readonly room?: RoomFinding;
  /** Whether what the learners write runs in rooms, as far as it runs on this machine. */
  readonly isolation: Isolation;
  /** Whether something of the cohort is embedded, and so runs on this machine. */
  readonly needsHost: boolean;
  /** What each learner may take of this machine. */
  readonly limits: Limits;
  /** How many learners are brought up at the same time; undefined: what suits the machine. */
  readonly parallel: number | undefined;
  /** Time to live of the cohort, and of the learners who have one of their own, by id: `12h`, `14d` or `2w`. */
  readonly ttl: string;
  readonly learnerTtls: Readonly<Record<string, string>>;
  readonly git: GitSettings;
  readonly registry: RegistrySettings;
  readonly learners: readonly LearnerPlan[];
}

/** What a plan takes from the machine beside the cohort file. */
export interface Found {
  /** What `cluster.nodes: auto` means here: `chooseFor` of clusters/upkeep.ts. */
  readonly nodes?: "real" | "simulated";
  /** Which room the machine can make: stacks/isolation.ts. */
  readonly room?: RoomFinding | undefined;
  /** Of each learner's credentials, by id; those who are not in it have had no rotation: stacks/generations.ts. */
  readonly generations?: Readonly<Record<string, LearnerPlan["generations"]>>;
  /** Since when it is there: stacks/lifetimes.ts. */
  readonly beginnings?: Beginnings;
}

/**
 * Derives every name of a cohort. Pure: the same file and findings give the same plan. Throws LabError when the template
 * refuses its parameters (`parameters-invalid`) and where `access` can't open what the file asks for (`access-unsupported`).
 *
 * @param found what the file does not say; pods are simulated, there are no rooms, and nothing has begun or was rotated without
 */
export function planCohort(
  cohort: string,
  spec: CohortSpec,
  { nodes = "simulated", room, generations = {}, beginnings }: Found = {},
): CohortPlan {
  const template = labTemplate(spec.template);
  const parsed = template.params.safeParse(spec.parameters);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `\`parameters.${issue.path.join(".")}\`: ${issue.message}`).join("; ");
    throw new LabError(
      "parameters-invalid",
      `The template ${template.name} refuses the cohort's parameters: ${problems}. Nothing was created. docs/cohort-file.md lists them.`,
      {
        exitCode: ExitCode.badInput,
      },
    );
  }
  const hasRooms = spec.isolation === "rooms" && room !== undefined && room.kind !== "none";
  const cohortSince = beginnings?.cohort ?? new Date(0);
  const cohortUntil = new Date(cohortSince.getTime() + ttlMs(spec.ttl));
  const learners = spec.learners.map(({ id, name, email, github, ttl, cluster = spec.cluster }): LearnerPlan => {
    const since = ttl === undefined ? cohortSince : (beginnings?.learners[id] ?? cohortSince);
    return {
      cohort,
      learner: { id, name, email, github },
      cluster: planCluster(cluster, nodes, id),
      git: { ...spec.git, repository: gitHost(spec.git.kind).repositoryName(cohort, id), branch: "main" },
      registry: { ...spec.registry, image: "backend" },
      via: clusterProvider(cluster.kind).place.reach === "loopback" || spec.access === undefined ? "loopback" : "door",
      ports: spec.ports,
      isolation: isolationOf({ cluster, git: spec.git }, hasRooms),
      generations: generations[id] ?? { kubeconfig: 0, git: 0, registry: 0 },
      lifetime: { cohortSince, cohortUntil, since, ttl: ttl ?? spec.ttl, until: new Date(since.getTime() + ttlMs(ttl ?? spec.ttl)) },
      template,
      parameters: parsed.data,
      releases: template.releases(parsed.data),
    };
  });
  if (spec.access) requireOfThisMachine(learners);
  return {
    cohort,
    course: spec.course,
    template: template.name,
    ports: spec.ports,
    ...(spec.access && { opening: spec.access }),
    nodes: learners.some(({ cluster }) => isOnLabHost(cluster) && clusterProvider(cluster.kind).pods(cluster) === "real")
      ? "real"
      : "simulated",
    rooms: spec.isolation,
    ...(room && { room }),
    isolation: hasRooms ? "room" : "none",
    needsHost: [spec.git, spec.registry, ...learners.map(({ cluster }) => cluster)].some(isOnLabHost),
    limits: spec.limits,
    parallel: spec.parallel,
    ttl: spec.ttl,
    learnerTtls: Object.fromEntries(spec.learners.flatMap(({ id, ttl }) => (ttl === undefined ? [] : [[id, ttl]]))),
    git: spec.git,
    registry: spec.registry,
    learners,
  };
}

function planCluster(spec: ClusterSpec, auto: "real" | "simulated", learner: string): ClusterPlan {
  return clusterProvider(spec.kind).plan(spec, { nodes: auto }, learner) as ClusterPlan;
}

function requireOfThisMachine(learners: readonly LearnerPlan[]): void {
  const of = (name: string, { kind }: { readonly kind: string }, isHere: boolean) => (isHere ? [] : [`${name} is "${kind}"`]);
  const isHere = (kind: string) => clusterProvider(kind).place.onThisMachine;
  const faults = learners.flatMap(({ learner, cluster, git, registry }) => [
    ...of("`git.kind`", git, isOnLabHost(git)),
    ...of("`registry.kind`", registry, isOnLabHost(registry)),
    ...of(`\`cluster.kind\` of learner ${learner.id}`, cluster, isHere(cluster.kind)),
  ]);
  if (faults.length === 0) return;
  throw new LabError(
    "access-unsupported",
    `\`access\` opens what is of this machine, and ${[...new Set(faults)].join(", ")}. Nothing was created. Take \`access\` out of the cohort file, or set Git and registry to ${labHostKind} and every learner's cluster to ${clusterKinds.filter(isHere).join(" or ")}.`,
    { exitCode: ExitCode.badInput },
  );
}
