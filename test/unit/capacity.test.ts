import { describe, expect, test } from "vitest";
import { capacityFor, limitNames, type MachineFacts } from "../../cli/capacity/capacity.ts";
import { costsOf, measuredCosts as costs } from "../../cli/capacity/costs.ts";

const roomy: MachineFacts = {
  cores: 64,
  memoryMiB: 1024 * 1024,
  diskMiB: 1024 * 1024,
  inotifyInstances: 8192,
  inotifyWatches: 500_000,
  openFiles: 1_000_000,
  ports: 10_000,
  hostIsUp: false,
  learnersUp: 0,
  learnersOnMachine: 0,
};
const each = costs.memory.learner + costs.memory.learnerWhileUp;
const first = costs.memory.reserve + costs.memory.host;

describe("seats", () => {
  test.each<[string, Partial<MachineFacts>, string, number]>([
    ["memory for exactly three", { memoryMiB: first + 3 * each }, "memory", 3],
    ["memory for three but for one MiB", { memoryMiB: first + 3 * each - 1 }, "memory", 2],
    ["no memory", { memoryMiB: 100 }, "memory", 0],
    ["one core", { cores: 1 }, "cores", 37],
    ["a core that other cohorts use", { cores: 1, learnersOnMachine: 30 }, "cores", 7],
    ["little disk", { diskMiB: costs.disk.host + 5 * costs.disk.learner + 199 }, "disk", 5],
    ["the usual inotify instances", { inotifyInstances: 128 }, "inotify instances", 42],
    ["few inotify watches", { inotifyWatches: 9 }, "inotify watches", 2],
    ["few open files", { openFiles: 1024 }, "open files", 3],
    ["few ports", { ports: 9 }, "ports", 3],
    ["ports for the daemon alone", { ports: 1 }, "ports", 0],
    ["memory and disk for the same", { memoryMiB: first + 4 * each, diskMiB: costs.disk.host + 4 * costs.disk.learner }, "memory", 4],
  ])("with %s", (_, facts, name, seats) => {
    const capacity = capacityFor(100, { ...roomy, ...facts }, costs);
    expect(capacity.binding.name).toBe(name);
    expect(capacity.seats).toBe(seats);
  });

  test("are told for every limit", () => expect(capacityFor(1, roomy, costs).limits.map(({ name }) => name)).toEqual(limitNames));

  test("of learners that are up are paid for", () => {
    const full: MachineFacts = {
      ...roomy,
      memoryMiB: 0,
      diskMiB: 0,
      inotifyInstances: 0,
      inotifyWatches: 0,
      openFiles: 0,
      ports: 22,
      hostIsUp: true,
      learnersUp: 10,
      learnersOnMachine: 10,
    };
    expect(capacityFor(10, full, costs).seats).toBe(10);
    expect(capacityFor(11, full, costs).seats).toBe(10);
  });
});

test("pods that run for real take memory and time", () => {
  const facts = { ...roomy, cores: 2, memoryMiB: first + 3 * each };
  expect(capacityFor(1, facts, costsOf({ nodes: "simulated" }))).toMatchObject({ seats: 3, readySeconds: 21 });
  expect(capacityFor(1, facts, costsOf({ nodes: "real" }))).toMatchObject({ seats: 2, readySeconds: 35 });
});

describe("the time until all are ready", () => {
  test.each([
    [1, {}, 2, 21],
    [10, {}, 2, 125],
    [10, {}, 4, 63],
    [10, { hostIsUp: true, learnersUp: 9, learnersOnMachine: 9 }, 2, 12],
    [10, { hostIsUp: true, learnersUp: 10, learnersOnMachine: 10 }, 2, 0],
  ])("of %i learners with %j on %i cores", (wanted, facts, cores, seconds) => {
    expect(capacityFor(wanted, { ...roomy, ...facts, cores }, costs).readySeconds).toBe(seconds);
  });
});
