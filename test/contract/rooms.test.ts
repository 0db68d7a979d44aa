import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { plan } from "../../cli/commands/plan.ts";
import { planCgroup } from "../../host/room/cgroups.ts";
import { findRoom, probeRoom } from "../../host/room/machine.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

describe("a look at what rooms this machine can make", () => {
  test("tries what rooms are made of and leaves no control group behind", async () => {
    const finding = await findRoom();
    const places = Object.values((await planCgroup("x")).folders).map((folder) => dirname(folder));
    const left = places.flatMap((place) => (existsSync(place) ? readdirSync(place) : []));
    expect(left.filter((name) => name.startsWith(`gitops-lab-trial-${process.pid}-`))).toEqual([]);
    const trial = await probeRoom();
    expect(finding.triedBy).toBe(trial?.by);
    if (trial !== undefined)
      expect(finding.kind === "none").toBe([trial.userNamespace, trial.mounts, trial.network, trial.seccomp].some(Boolean));
    for (const { met, found, name } of finding.conditions) if (!met) expect([name, found]).toEqual([name, expect.stringMatching(/\w/)]);
  });

  test("takes the words of a trial that does not go well", async () => {
    const finding = await findRoom(async () => ({ ...(await probeRoom()), by: "lab-room", network: "no network here" }));
    expect(finding.kind).toBe("none");
    expect(finding.because).toMatchObject([{ name: "network of its own", found: "no network here", help: expect.any(String) }]);
  });
});

describe("plan", () => {
  let printed = "";
  beforeEach(() => {
    printed = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  });
  afterEach(() => vi.restoreAllMocks());

  test("tells how the learners are kept apart here, and where `up` would refuse", async () => {
    const { kind } = await findRoom();
    await plan("demo", { json: true });
    const { isolation } = JSON.parse(printed) as { isolation: { learners: string; asked: string; room: string; refused?: string } };
    expect(isolation).toMatchObject({ asked: "rooms", room: kind, learners: kind === "none" ? "none" : "room" });
    expect(isolation.refused === undefined).toBe(kind !== "none");
    printed = "";
    await plan("demo", { json: false });
    expect(printed).toMatch({ root: /^A room for each learner/m, user: /^Lesser rooms/m, none: /refused.*No room can be made/ }[kind]);
  });
});
