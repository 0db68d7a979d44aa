import { access } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fluxNamespace } from "../../shared/names.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { toolPath } from "../../tools/locate.ts";
import { buildModule } from "../images/program.ts";
import { fluxFolder } from "../pipeline/flux-tree.ts";
import type { Jobs } from "../pipeline/jobs.ts";
import { limitsOf } from "../limits/stored.ts";
import { limits as learnerLimits } from "../room/cgroups.ts";
import { cgroupOf } from "../room/groups.ts";
import { leaseNumbers } from "../room/numbers.ts";
import { runThrownAway, type JobRoom } from "../room/thrown-away.ts";

/** The most that a job is given, in bytes. */
export const mostInput = { build: 34 * 1024 ** 2, render: 10 * 1024 ** 2 } as const;

/** Where Flux starts in a learner's repository: the path of the root Kustomization in components/flux/bootstrap.ts. */
const rootPath = `./${fluxFolder}/bootstrap/flux-system`;
export const renderLimits = { seconds: 10, memoryBytes: 512 * 1024 ** 2, processes: 64, outputBytes: 8 * 1024 ** 2 };

/** Does the jobs here, in rooms or without. */
export function jobsHere(roomOf: (learner: string) => Promise<JobRoom | "none">): Jobs {
  return {
    build: async (learner, module) => buildModule(module, await roomOf(learner)),
    render: async (learner, tree) =>
      runThrownAway({
        program: await toolPath("lab-render"),
        args: [rootPath, `${fluxNamespace}/${fluxNamespace}`],
        env: { TMPDIR: "/tmp", HOME: "/tmp", GOMAXPROCS: "2", GOMEMLIMIT: "400MiB" },
        input: tree,
        limits: renderLimits,
        room: await roomOf(learner),
      }),
  };
}

/** A number of the learner's block that no container of a node is given: their images use low ones and those at the end. */
const jobNumber = 0xc000;

/** Whose number and whose group a learner's jobs have. */
export function learnerRooms(cohort: string, paths: CohortPaths): (learner: string) => Promise<JobRoom> {
  return async (learner) => {
    const own = paths.learner(learner);
    await access(own.root);
    const { node } = await leaseNumbers(`${cohort}/${learner}`);
    const cgroup = await cgroupOf(own);
    const limits = cgroup && learnerLimits(cgroup.version, availableParallelism(), await limitsOf(paths));
    return { uid: node === 0 ? 0 : node + jobNumber, ...(cgroup && limits && { cgroup: { ...cgroup, limits } }) };
  };
}
