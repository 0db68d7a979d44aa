import { findRoom, type RoomFinding } from "../host/room/machine.ts";
import { reasons } from "../host/room/preflight.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { isolationOf, noRoom } from "../shared/isolation.ts";
import { isOnLabHost } from "../shared/on-lab-host.ts";
import type { CohortSpec } from "./cohort-spec.ts";
import type { CohortPlan } from "./plan.ts";

/** Which room this machine can make; undefined where the cohort file wants none, or nothing of the cohort would be in one. */
export async function lookForRoom(
  { isolation, cluster, git, learners }: Pick<CohortSpec, "isolation" | "cluster" | "git" | "learners">,
  find: () => Promise<RoomFinding> = findRoom,
): Promise<RoomFinding | undefined> {
  const runsHere = isOnLabHost(git) || learners.some((learner) => isOnLabHost(learner.cluster ?? cluster));
  return isolation === "rooms" && runsHere ? find() : undefined;
}

/** The plan by what the machine is found to make now: the program that makes rooms may have been built since. */
export async function lookAgain(plan: CohortPlan, find: () => Promise<RoomFinding> = findRoom): Promise<CohortPlan> {
  if (plan.room === undefined) return plan;
  const room = await find();
  const hasRooms = room.kind !== "none";
  const learners = plan.learners.map((one) => ({ ...one, isolation: isolationOf(one, hasRooms) }));
  return { ...plan, room, isolation: hasRooms ? "room" : "none", learners };
}

/** Throws the refusal of `roomsRefusal`, where there is one. */
export function requireRooms(plan: Pick<CohortPlan, "cohort" | "room" | "learners">): void {
  const refusal = roomsRefusal(plan);
  if (refusal !== undefined) throw refusal;
}

/**
 * Why several learners can't be beside each other on this machine (`rooms-impossible`, exit code 2); undefined where they
 * can: there are rooms, or the cohort file asks for none. One learner goes without, and clusters elsewhere need none.
 */
export function roomsRefusal({ cohort, room, learners }: Pick<CohortPlan, "cohort" | "room" | "learners">): LabError | undefined {
  const here = learners.filter(({ cluster }) => isOnLabHost(cluster));
  if (room === undefined || room.kind !== "none" || here.length < 2) return undefined;
  return new LabError(
    "rooms-impossible",
    `No room can be made on this machine, and without rooms what one of the ${here.length} learners of cohort ${cohort} writes could read and change all that the others have, and what the user who started the lab has. Missing: ${reasons(room.because)} Nothing was created. Mend that (\`./lab doctor\` shows every condition), or, if you trust every learner with this machine, put \`isolation: none\` beside \`learners\` in the cohort file.`,
    { exitCode: ExitCode.badInput },
  );
}

/** How the learners are kept apart, a sentence each for an instructor; what is worse than a whole room is a warning. */
export function isolationLines({ rooms, room, learners }: Pick<CohortPlan, "rooms" | "room" | "learners">): readonly IsolationLine[] {
  const bare = learners.flatMap((learner) => noRoom(learner) ?? []);
  if (bare.length > 0) {
    const why = rooms === "none" ? "`isolation: none` in the cohort file asks for that." : room === undefined ? "" : reasons(room.because);
    return [...new Set(bare)].map((sentence) => ({ isWarning: true, text: `${sentence} ${why}`.trim() }));
  }
  if (room?.kind === "user")
    return [
      {
        isWarning: true,
        text: `Lesser rooms, as this machine makes them: root in a room is outside the user who started the lab, as every other room's is. ${reasons(room.because)}`,
      },
    ];
  if (room?.kind !== "root") return [];
  const lacks = room.because.length === 0 ? "" : ` ${reasons(room.because)}`;
  return [{ isWarning: lacks !== "", text: `A room for each learner, with user ids that no account has.${lacks}` }];
}

export interface IsolationLine {
  readonly text: string;
  readonly isWarning: boolean;
}
