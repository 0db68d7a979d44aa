import { describe, expect, test } from "vitest";
import { lookAtProcesses, noLook, usageBetween } from "../../dashboard/usage.ts";

const mebibyte = 1024 ** 2;

describe("what a learner's processes take", () => {
  test("is memory alone at the first look", () => {
    expect(usageBetween(noLook, { at: 5000, cpuSeconds: new Map([[1, 3]]), pssBytes: 2.4 * mebibyte })).toEqual({ pssBytes: 2 * mebibyte });
  });

  test("is a share of a core, of the processes that both looks saw", () => {
    const before = {
      at: 0,
      cpuSeconds: new Map([
        [1, 3],
        [2, 9],
      ]),
      pssBytes: 0,
    };
    const now = {
      at: 4000,
      cpuSeconds: new Map([
        [1, 5],
        [7, 100],
      ]),
      pssBytes: mebibyte,
    };
    expect(usageBetween(before, now)).toEqual({ pssBytes: mebibyte, cpuShare: 0.5 });
  });

  test("is measured of those that run", async () => {
    const look = await lookAtProcesses([process.pid, 2 ** 22 + 1]);
    expect([...look.cpuSeconds.keys()]).toEqual([process.pid]);
    expect(look.pssBytes).toBeGreaterThan(mebibyte);
  });
});
