import { expect, test } from "vitest";
import { BoundPod, podStatus, refusedStatus, says, type PodProcess, type PodStatus } from "../../host/lab-host-node/pod-status.ts";

const now = new Date("2026-11-01T10:00:00.900Z");
const later = new Date("2026-11-01T10:05:00Z");
const identity = { pid: 7, startTime: "4711", bootId: "boot" };
const running: PodProcess = { state: "running", restarts: 0, identity, startedAt: new Date("2026-11-01T09:59:58.300Z") };
const killed = { ...running, restarts: 1, lastExit: { at: "2026-11-01T10:04:00.250Z", reason: "killed by SIGKILL" } };

const newPod = BoundPod.parse({
  metadata: {
    name: "kustomize-controller-x",
    namespace: "flux-system",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-11-01T10:00:00Z",
  },
  spec: { containers: [{ name: "manager", image: "lab-host.invalid/kustomize-controller:v1" }] },
  status: {
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: "2026-11-01T10:00:00Z" }],
  },
});

/** The pod as the API has it once this was written. */
function written(pod: BoundPod, status: PodStatus): BoundPod {
  const others = pod.status.conditions.filter(({ type }) => !status.conditions.some((condition) => condition.type === type));
  return BoundPod.parse({ ...pod, status: structuredClone({ ...status, conditions: [...others, ...status.conditions] }) });
}

const readiness = ({ conditions }: PodStatus) => conditions.find(({ type }) => type === "Ready");

test("a running process is a Running and Ready pod, since the process runs", () => {
  const status = podStatus(newPod, running, now);
  expect(status).toMatchObject({
    phase: "Running",
    startTime: "2026-11-01T10:00:00Z",
    containerStatuses: [
      {
        name: "manager",
        containerID: "process://boot/7/4711",
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: "2026-11-01T09:59:58Z" } },
        lastState: {},
      },
    ],
  });
  expect(readiness(status)).toEqual({ type: "Ready", status: "True", lastTransitionTime: "2026-11-01T10:00:00Z" });
});

test("a status that still holds is not written again, whatever the clock says", () => {
  const pod = written(newPod, podStatus(newPod, running, now));
  expect(says(newPod, podStatus(newPod, running, now))).toBe(false);
  // The time of the machine's start, from which it is reckoned, moves by a second when the clock is set.
  expect(says(pod, podStatus(pod, { ...running, startedAt: new Date("2026-11-01T09:59:59.100Z") }, later))).toBe(true);
});

test("a process in back-off is a pod that waits, with the supervisor's reason and count", () => {
  const pod = written(newPod, podStatus(newPod, running, now));
  const status = podStatus(pod, { ...killed, state: "restarting" }, later);
  expect(status).toMatchObject({
    phase: "Running",
    containerStatuses: [
      {
        ready: false,
        restartCount: 1,
        state: { waiting: { reason: "CrashLoopBackOff", message: expect.stringContaining("killed by SIGKILL") } },
        lastState: {
          terminated: {
            exitCode: 137,
            reason: "Error",
            message: "killed by SIGKILL",
            startedAt: "2026-11-01T09:59:58Z",
            finishedAt: "2026-11-01T10:04:00Z",
            containerID: "process://boot/7/4711",
          },
        },
      },
    ],
  });
  expect(readiness(status)).toMatchObject({ status: "False", reason: "ContainersNotReady", lastTransitionTime: "2026-11-01T10:05:00Z" });
});

test("once it runs again the pod is Ready, keeps what is known of the end, and can be left alone", () => {
  const first = written(newPod, podStatus(newPod, running, now));
  const waiting = written(first, podStatus(first, { ...killed, state: "restarting" }, later));
  const again = { ...killed, identity: { ...identity, pid: 8 }, startedAt: later };
  const status = podStatus(waiting, again, later);
  expect(status.containerStatuses).toMatchObject([
    {
      ready: true,
      containerID: "process://boot/8/4711",
      state: { running: { startedAt: "2026-11-01T10:05:00Z" } },
      lastState: { terminated: { containerID: "process://boot/7/4711", startedAt: "2026-11-01T09:59:58Z" } },
    },
  ]);
  expect(readiness(status)).not.toHaveProperty("reason");
  const pod = written(waiting, status);
  expect(says(pod, podStatus(pod, again, new Date("2026-11-01T11:00:00Z")))).toBe(true);
});

test.each([
  ["exit code 0", 0, "Completed"],
  ["exit code 3", 3, "Error"],
  ["killed by SIGTERM", 143, "Error"],
  ["ended (it was started by an earlier daemon, so its exit code is not known)", 137, "ContainerStatusUnknown"],
  ["spawn /no/such/program ENOENT", 137, "ContainerStatusUnknown"],
])("an end because of %j has exit code %i", (reason, exitCode, word) => {
  const [status] = podStatus(newPod, { ...killed, lastExit: { ...killed.lastExit, reason } }, later).containerStatuses;
  expect(status).toMatchObject({ lastState: { terminated: { exitCode, reason: word, message: reason } } });
});

test("a process that somebody stopped is a pod that is not ready and does not claim to crash", () => {
  const status = podStatus(newPod, { ...running, state: "paused" }, now);
  expect(status.containerStatuses).toMatchObject([{ ready: false, state: { waiting: { reason: "ProcessStopped" } } }]);
});

test("a pod that gets no process stays Pending and says why", () => {
  const status = refusedStatus(newPod, { reason: "NotOnLabHost", message: "nothing else runs there" }, now);
  expect(status).toMatchObject({
    phase: "Pending",
    containerStatuses: [
      { name: "manager", ready: false, state: { waiting: { reason: "NotOnLabHost", message: "nothing else runs there" } } },
    ],
  });
  expect(readiness(status)?.status).toBe("False");
});
