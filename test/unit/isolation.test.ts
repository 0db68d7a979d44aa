import { describe, expect, test } from "vitest";
import { roomChanges } from "../../cli/moves.ts";
import { findingOf, type RoomFinding } from "../../host/room/machine.ts";
import type { RoomFacts, RoomTrial } from "../../host/room/preflight.ts";
import { isolationSentence, noRoom } from "../../shared/isolation.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { isolationLines, lookAgain, lookForRoom, requireRooms, roomsRefusal } from "../../stacks/isolation.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { LabState } from "../support/lab-state.ts";

const trial: RoomTrial = { by: "lab-room", userNamespace: "", mounts: "", network: "", proc: "", idmap: "", cgroup: "", seccomp: "" };
const facts: RoomFacts = {
  platform: "linux",
  kernel: "6.8.0-31-generic",
  uid: 1000,
  capabilities: 0n,
  ids: [[0, 2 ** 32 - 2]],
  settings: { apparmorRestrictUserns: 1 },
  cgroups: 2,
  trial,
};
const root = findingOf({ ...facts, uid: 0, capabilities: (1n << 41n) - 1n });
const lesser = findingOf(facts);
const nowhere = findingOf({ ...facts, trial: { ...trial, userNamespace: "Operation not permitted" } });
const untried = findingOf({ ...facts, trial: undefined });

const [ada, bob] = ["ada", "bob"].map((id) => ({ id, name: id, email: `${id}@example.org` }));
const kind = { kind: "kind" };
const oci = { registry: { kind: "oci", url: "https://registry.example.org/x", username: "lab" } };
const elsewhere = { git: { kind: "github", organization: "course" }, ...oci };
const specOf = (change: object = {}) => parseCohort({ course: "x", learners: [ada, bob], ...change }, "x");
const planOf = async (found: RoomFinding, change: object = {}) => {
  const spec = specOf(change);
  return planCohort("x", spec, { room: await lookForRoom(spec, async () => found) });
};

describe("the cohort file", () => {
  test("asks for rooms unless it says otherwise", () => {
    expect(specOf().isolation).toBe("rooms");
    expect(specOf({ isolation: "none" }).isolation).toBe("none");
    expect(() => specOf({ isolation: "room" })).toThrow(/`isolation` is "room"; allowed: rooms, none/);
  });
});

describe("a plan", () => {
  test.each<[string, RoomFinding, object, "room" | "none"]>([
    ["root's rooms", root, {}, "room"],
    ["lesser rooms", lesser, {}, "room"],
    ["no rooms", nowhere, {}, "none"],
    ["rooms that the file does not want", root, { isolation: "none" }, "none"],
  ])("has each learner in a room or not: %s", async (_, found, change, isolation) => {
    const plan = await planOf(found, change);
    expect(plan.isolation).toBe(isolation);
    expect(plan.learners.map((one) => one.isolation)).toEqual([isolation, isolation]);
  });

  test("claims no room without having looked", () => expect(planCohort("x", specOf()).isolation).toBe("none"));

  test("looks only where something would be in a room", async () => {
    const never = () => expect.unreachable("it looked");
    expect(await lookForRoom(specOf({ isolation: "none" }), never)).toBeUndefined();
    const accounts = [ada, bob].map((learner) => ({ ...learner, github: learner?.id }));
    expect(await lookForRoom(specOf({ cluster: kind, ...elsewhere, learners: accounts }), never)).toBeUndefined();
    // The builder is on this machine, wherever the clusters are.
    expect(await lookForRoom(specOf({ cluster: kind, access: { listen: "192.0.2.1" } }), async () => root)).toBe(root);
  });

  test("has a learner of whom nothing runs here in no room", async () => {
    const learners = [
      { ...ada, github: "ada", cluster: kind },
      { ...bob, github: "bob" },
    ];
    const plan = await planOf(root, { ...elsewhere, learners });
    expect(plan.learners.map(({ isolation }) => isolation)).toEqual(["none", "room"]);
    expect(plan.learners.map((one) => noRoom(one))).toEqual([undefined, undefined]);
  });

  test("follows what the program that makes rooms finds", async () => {
    const before = await planOf(root);
    const now = await lookAgain(before, async () => nowhere);
    expect([now.isolation, ...now.learners.map(({ isolation }) => isolation)]).toEqual(["none", "none", "none"]);
    expect(() => requireRooms(now)).toThrow(expect.objectContaining({ code: "rooms-impossible" }));
    expect((await lookAgain(await planOf(nowhere), async () => lesser)).isolation).toBe("room");
    const none = await planOf(root, { isolation: "none" });
    expect(await lookAgain(none, async () => root)).toBe(none);
  });
});

describe("up", () => {
  test("refuses several learners without rooms: what is missing, what helps, and the line of the file", async () => {
    const plan = await planOf(nowhere);
    expect(() => requireRooms(plan)).toThrow(expect.objectContaining({ code: "rooms-impossible", exitCode: 2 }));
    const { message } = roomsRefusal(plan)!;
    expect(message).toMatch(
      /^No room can be made on this machine, .*the 2 learners of cohort x .*Missing: user namespaces: Operation not permitted\./,
    );
    expect(message).toContain("kernel.apparmor_restrict_unprivileged_userns=0");
    expect(message).toContain("Nothing was created.");
    expect(message).toContain("`isolation: none`");
    expect(message).not.toContain("\n");
  });

  test.each<[string, RoomFinding, object]>([
    ["rooms", root, {}],
    ["lesser rooms", lesser, {}],
    ["one learner alone", nowhere, { learners: [ada] }],
    ["a file that wants none", nowhere, { isolation: "none" }],
    [
      "one learner here and one in a cluster of kind",
      nowhere,
      { access: { listen: "192.0.2.1" }, learners: [ada, { ...bob, cluster: kind }] },
    ],
    ["clusters elsewhere, where only the builder is here", nowhere, { access: { listen: "192.0.2.1" }, cluster: kind }],
  ])("goes on with %s", async (_, found, change) => requireRooms(await planOf(found, change)));

  test("refuses where nobody could try, too", async () => {
    expect(roomsRefusal(await planOf(untried))?.message).toContain("`./lab setup` builds lab-room");
  });
});

describe("an instructor is told", () => {
  const told = async (found: RoomFinding, change: object = {}) => isolationLines(await planOf(found, change));

  test("that each has a room", async () => {
    expect(await told(root)).toEqual([{ isWarning: false, text: "A room for each learner, with user ids that no account has." }]);
  });

  test("what a lesser room lacks", async () => {
    const [line, ...more] = await told(lesser);
    expect(line).toMatchObject({ isWarning: true, text: expect.stringMatching(/^Lesser rooms.*Run the lab as root/) });
    expect(more).toEqual([]);
  });

  test("that there is none, with the reason or that the file asks for it", async () => {
    expect(await told(nowhere, { learners: [ada] })).toMatchObject([
      { isWarning: true, text: expect.stringMatching(/^No room: what the learner writes runs on the lab host.*Operation not permitted/) },
    ]);
    expect(await told(root, { isolation: "none" })).toMatchObject([
      { isWarning: true, text: expect.stringMatching(/^No room: .*`isolation: none` in the cohort file asks for that\.$/) },
    ]);
  });

  test("that builds have none, where clusters are elsewhere", async () => {
    expect(await told(nowhere, { access: { listen: "192.0.2.1" }, cluster: kind })).toMatchObject([
      { isWarning: true, text: expect.stringMatching(/^No room: what the learner pushes is built on the lab host/) },
    ]);
  });
});

test("a sentence for every way in which a lab can be kept apart", () => {
  const at = (isolation: "room" | "none", cluster: string, git: string) =>
    isolationSentence({ isolation, cluster: { kind: cluster }, git: { kind: git } });
  expect(at("room", "embedded", "embedded")).toMatch(/^A room: what the learner writes/);
  expect(at("none", "embedded", "github")).toMatch(/^No room: what the learner writes/);
  expect(at("room", "kind", "embedded")).toMatch(/^A room: what the learner pushes is built/);
  expect(at("none", "kind", "embedded")).toMatch(/^No room: what the learner pushes is built/);
  expect(at("none", "gke", "github")).toMatch(/^Not on the lab host/);
});

test("a lab that is there is brought into a room, and out of it where the file says so", async () => {
  const there = (isolation: "room" | "none"): LearnerOutputs => {
    const { learner } = new LabState();
    return { ...learner, isolation, cluster: { ...learner.cluster, kind: "embedded" } };
  };
  const learners = { ada: there("none"), bob: there("room") };
  expect(roomChanges({ learners }, await planOf(root))).toEqual({ into: ["ada"], outOf: [] });
  expect(roomChanges({ learners }, await planOf(root, { isolation: "none" }))).toEqual({ into: [], outOf: ["bob"] });
  expect(roomChanges({ learners: {} }, await planOf(root))).toEqual({ into: [], outOf: [] });
});
