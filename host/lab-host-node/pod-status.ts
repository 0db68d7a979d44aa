import { constants } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { ProcessIdentity } from "../../ledger/process-identity.ts";
import type { ProcessStatus } from "../processes/supervisor.ts";

const Condition = z.looseObject({ type: z.string(), status: z.string() });
const ContainerStatus = z.looseObject({
  containerID: z.string().optional(),
  state: z.looseObject({ running: z.looseObject({ startedAt: z.string() }).optional() }).default({}),
  lastState: z.looseObject({ terminated: z.looseObject({ finishedAt: z.string() }).optional() }).default({}),
});

/** A pod on the node, as far as its kubelet needs to know it. */
export const BoundPod = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.looseObject({ containers: z.array(z.looseObject({ name: z.string(), image: z.string() })) }),
  status: z
    .looseObject({
      phase: z.string().default("Pending"),
      startTime: z.string().optional(),
      conditions: z.array(Condition).default([]),
      containerStatuses: z.array(ContainerStatus).default([]),
    })
    .default({ phase: "Pending", conditions: [], containerStatuses: [] }),
});
export type BoundPod = z.output<typeof BoundPod>;

/** The process that a pod stands for, and when it was started. */
export interface PodProcess extends Pick<ProcessStatus, "state" | "restarts" | "lastExit"> {
  readonly identity?: ProcessIdentity;
  readonly startedAt?: Date;
}

/** Why a pod gets no process. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** The part of a pod's status that its kubelet writes. */
export interface PodStatus {
  readonly phase: "Running" | "Pending";
  readonly startTime: string;
  readonly conditions: readonly z.output<typeof Condition>[];
  readonly containerStatuses: readonly object[];
}

/** Whether the pod has a process; one that was refused, or not looked at yet, never had. */
export const hasProcess = ({ status }: BoundPod) => status.phase === "Running";

/**
 * What a kubelet would say of a pod whose one container is that process. What the pod's status says already and still holds
 * is kept as it is, times included, so that a status that needs no change comes out equal.
 */
export function podStatus(pod: BoundPod, process: PodProcess, now: Date): PodStatus {
  const [container] = pod.spec.containers;
  const [before] = pod.status.containerStatuses;
  const running = process.state === "running" && process.identity !== undefined;
  const id = process.identity && containerId(process.identity);
  const startedAt = (before?.containerID === id && before?.state.running?.startedAt) || seconds(process.startedAt ?? now);
  const ended = process.lastExit && lastEnd(process.lastExit, before);
  const status = {
    name: container?.name,
    image: container?.image,
    imageID: "",
    ...(id !== undefined && { containerID: id }),
    ready: running,
    started: running,
    restartCount: process.restarts,
    state: running ? { running: { startedAt } } : { waiting: waiting(process) },
    lastState: ended === undefined ? {} : { terminated: ended },
  };
  return assemble(pod, "Running", [status], running ? undefined : "ContainersNotReady", now);
}

/** What is said of a pod that gets no process. */
export function refusedStatus(pod: BoundPod, refusal: Refusal, now: Date): PodStatus {
  const statuses = pod.spec.containers.map(({ name, image }) => ({
    name,
    image,
    imageID: "",
    ready: false,
    started: false,
    restartCount: 0,
    state: { waiting: { ...refusal } },
    lastState: {},
  }));
  return assemble(pod, "Pending", statuses, "ContainersNotReady", now);
}

/** Whether the pod's status says all of it already. */
export function says(pod: BoundPod, wanted: PodStatus): boolean {
  const { phase, startTime, conditions, containerStatuses } = pod.status;
  return (
    phase === wanted.phase &&
    startTime === wanted.startTime &&
    isDeepStrictEqual(containerStatuses, wanted.containerStatuses) &&
    wanted.conditions.every((condition) => conditions.some((present) => isDeepStrictEqual(present, condition)))
  );
}

function assemble(
  pod: BoundPod,
  phase: PodStatus["phase"],
  containerStatuses: readonly object[],
  notReady: string | undefined,
  now: Date,
): PodStatus {
  const condition = (type: string, met: boolean) => {
    const wanted = { type, status: met ? "True" : "False", ...(!met && { reason: notReady }) };
    const present = pod.status.conditions.find((one) => one.type === type);
    const holds = present?.status === wanted.status && present["reason"] === wanted.reason;
    return holds ? present : { ...wanted, lastTransitionTime: seconds(now) };
  };
  return {
    phase,
    startTime: pod.status.startTime ?? seconds(now),
    conditions: [
      condition("Initialized", true),
      condition("Ready", notReady === undefined),
      condition("ContainersReady", notReady === undefined),
    ],
    containerStatuses,
  };
}

function waiting({ state, lastExit }: PodProcess): Refusal {
  if (state !== "restarting") return { reason: "ProcessStopped", message: "the process is stopped on the lab host" };
  return {
    reason: "CrashLoopBackOff",
    message: `the lab daemon starts the process again; it ended last because: ${lastExit?.reason ?? "unknown"}`,
  };
}

/** How a process ended, as of a container. A status that tells of this end already is kept, for it may know more. */
function lastEnd({ at, reason }: NonNullable<PodProcess["lastExit"]>, before: z.output<typeof ContainerStatus> | undefined): object {
  const finishedAt = seconds(new Date(at));
  const told = before?.lastState.terminated;
  if (told?.finishedAt === finishedAt) return told;
  const code = exitCode(reason);
  return {
    // 137 and this reason are what a kubelet says of a container whose end it did not see.
    exitCode: code ?? 137,
    reason: code === undefined ? "ContainerStatusUnknown" : code === 0 ? "Completed" : "Error",
    message: reason,
    startedAt: before?.state.running?.startedAt ?? finishedAt,
    finishedAt,
    ...(before?.state.running && before.containerID !== undefined && { containerID: before.containerID }),
  };
}

/** By the reasons that `startDetached` gives. */
function exitCode(reason: string): number | undefined {
  const [, code, signal] = /^(?:exit code (\d+)|killed by (SIG\w+))$/.exec(reason) ?? [];
  if (code !== undefined) return Number(code);
  const number = signal === undefined ? undefined : constants.signals[signal as NodeJS.Signals];
  return number === undefined ? undefined : 128 + number;
}

/** As a runtime's ids begin with its name. */
function containerId({ bootId, pid, startTime }: ProcessIdentity): string {
  return `process://${bootId}/${pid}/${startTime}`;
}

/** A time as the API keeps it, in whole seconds. */
export function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
