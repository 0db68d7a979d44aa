import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { goDurationSeconds } from "../../shared/go-duration.ts";
import { lookAtRollback } from "../../verification/held-rollback.ts";
import { digestOf, kustomization, LabState, overlay, repository, shaOf, tagOf } from "../support/lab-state.ts";

const production = overlay("production");
const at = (time: string) => `2026-11-02T${time}Z`;

function deploy(lab: LabState, letter: string, version: string, digest: string): void {
  lab.find("Kustomization", "apps-production")["status"].lastAppliedRevision = `main@sha1:${shaOf(letter)}`;
  lab.find("Deployment", "backend", "production")["spec"].template.spec.containers[0].image =
    `${repository}:${tagOf("production", version)}@${digestOf(digest)}`;
}

/** Takes production back to 0.1.0 with commit 5, received at 10:00:00. */
function revert(lab: LabState, body = `This reverts commit ${shaOf("4")}.\n`): void {
  lab.commit("5", 'Revert "Update production"', "Ada", { [production]: kustomization("production", "0.1.0", "a") }, body);
  lab.receive("5", at("10:00:00"));
  deploy(lab, "5", "0.1.0", "a");
}

/** Brings 0.2.0 again with commit 6. */
function again(lab: LabState, time: string): void {
  lab.commit("6", "Update production", "gitops-lab-bot", { [production]: kustomization("production", "0.2.0", "b") });
  lab.receive("6", at(time));
  deploy(lab, "6", "0.2.0", "b");
}

describe("lookAtRollback", () => {
  beforeEach(() => void vi.useFakeTimers({ now: new Date(at("10:05:00")), toFake: ["Date"] }));
  afterEach(() => void vi.useRealTimers());

  const look = (lab: LabState, since?: string) =>
    lookAtRollback(lab.context(), "production", since === undefined ? undefined : new Date(at(since)));

  test("finds what could be reverted", async () => {
    expect(await look(new LabState())).toMatchObject({
      stage: "promoted",
      promoted: { commit: shaOf("4"), author: "gitops-lab-bot" },
      neededSeconds: 120,
    });
  });

  test("finds nothing to revert in a fresh repository", async () => {
    const lab = new LabState();
    lab.commits = lab.commits.slice(-1);
    expect(await look(lab)).toMatchObject({ stage: "none" });
  });

  test("counts two intervals of the automation as held", async () => {
    const lab = new LabState();
    revert(lab);
    expect(await look(lab)).toMatchObject({
      stage: "held",
      promoted: { commit: shaOf("4") },
      revert: { commit: shaOf("5") },
      heldSeconds: 300,
    });
    vi.setSystemTime(new Date(at("10:01:59")));
    expect(await look(lab)).toMatchObject({
      stage: "reverted",
      heldSeconds: 119,
      sentence: expect.stringContaining("must hold for 120 s"),
    });
  });

  test("takes the interval from the cluster", async () => {
    const lab = new LabState();
    revert(lab);
    lab.find("ImageUpdateAutomation", "backend", "production")["spec"].interval = "2m31s";
    expect(await look(lab)).toMatchObject({ stage: "reverted", neededSeconds: 302 });
    lab.remove("ImageUpdateAutomation", "backend", "production");
    await expect(look(lab)).rejects.toMatchObject({ code: "interval-unknown" });
  });

  test("says who undid it too soon", async () => {
    const lab = new LabState();
    revert(lab);
    again(lab, "10:00:20");
    expect(await look(lab)).toMatchObject({ stage: "undone", heldSeconds: 20, undoneBy: { commit: shaOf("6"), author: "gitops-lab-bot" } });
  });

  test("stays held when it is rolled forward later", async () => {
    const lab = new LabState();
    revert(lab);
    again(lab, "10:02:00");
    expect(await look(lab)).toMatchObject({ stage: "held", heldSeconds: 120, sentence: expect.stringContaining("until commit 6666666") });
  });

  test("wants the cluster to follow while the rollback stands", async () => {
    const lab = new LabState();
    revert(lab);
    deploy(lab, "4", "0.1.0", "a");
    expect(await look(lab)).toMatchObject({
      stage: "reverted",
      sentence: expect.stringContaining(`Flux has applied ${shaOf("4")} to production`),
    });
    deploy(lab, "5", "0.2.0", "b");
    expect(await look(lab)).toMatchObject({ stage: "reverted", sentence: expect.stringContaining("The Deployment in production says") });
  });

  test("leaves out reverts from before", async () => {
    const lab = new LabState();
    revert(lab);
    expect(await look(lab, "10:00:01")).toMatchObject({ stage: "promoted", sentence: expect.stringContaining("No commit since") });
    expect(await look(lab, "09:59:59")).toMatchObject({ stage: "held" });
  });

  test.each(["", `This reverts commit ${shaOf("4").slice(0, 8)}`, `This reverts commit ${shaOf("d")}.`, "Annule 4444444"])(
    "takes for a rollback what goes back, with the message %j",
    async (body) => {
      const lab = new LabState();
      revert(lab, body);
      expect(await look(lab)).toMatchObject({ stage: "held", promoted: { commit: shaOf("4") }, revert: { commit: shaOf("5") } });
    },
  );

  test("takes nothing for a rollback that says so and does something else", async () => {
    const lab = new LabState();
    lab.commit("5", "Revert", "Ada", { [production]: kustomization("production", "0.3.0", "c") }, `This reverts commit ${shaOf("4")}.\n`);
    lab.receive("5", at("10:00:00"));
    expect(await look(lab)).toMatchObject({ stage: "promoted", promoted: { commit: shaOf("5") } });
  });

  test("takes several taken back at once for a rollback, each one alone too", async () => {
    const lab = new LabState();
    lab.commit("5", "Update production", "bot", { [production]: kustomization("production", "0.3.0", "c") });
    lab.commit("6", "Back to the first", "Ada", { [production]: kustomization("production", "0.1.0", "a") });
    lab.receive("6", at("10:00:00"));
    deploy(lab, "6", "0.1.0", "a");
    expect(await look(lab)).toMatchObject({ stage: "held", promoted: { commit: shaOf("5") }, revert: { commit: shaOf("6") } });

    const stepwise = new LabState();
    stepwise.commit("5", "Update production", "bot", { [production]: kustomization("production", "0.3.0", "c") });
    stepwise.commit("6", "Back", "Ada", { [production]: kustomization("production", "0.2.0", "b") });
    stepwise.receive("6", at("10:00:00"));
    stepwise.commit("7", "And back", "Ada", { [production]: kustomization("production", "0.1.0", "a") });
    stepwise.receive("7", at("10:00:30"));
    deploy(stepwise, "7", "0.1.0", "a");
    expect(await look(stepwise)).toMatchObject({ stage: "held", promoted: { commit: shaOf("4") }, revert: { commit: shaOf("7") } });
  });

  test("takes a promotion of an older image for none", async () => {
    const lab = new LabState();
    revert(lab, "");
    lab.journal.get(shaOf("5"))!.push({ event: "carried-out", at: at("10:00:00"), environment: "production", promotion: shaOf("1") });
    expect(await look(lab)).toMatchObject({ stage: "promoted", promoted: { commit: shaOf("5") } });
  });

  test("does not count what one push brings and takes away again", async () => {
    const lab = new LabState();
    lab.commit("5", "Back", "Ada", { [production]: kustomization("production", "0.1.0", "a") });
    lab.commit("6", "And forth", "Ada", { [production]: kustomization("production", "0.2.0", "b") });
    lab.receive("6", at("10:00:00"));
    expect(await look(lab)).toMatchObject({ stage: "promoted" });
  });

  test("takes a revert of a revert for no rollback", async () => {
    const lab = new LabState();
    revert(lab);
    again(lab, "10:00:20");
    Object.assign(lab.commits[0]!, { body: `This reverts commit ${shaOf("5")}.\n` });
    expect(await look(lab)).toMatchObject({ stage: "undone", revert: { commit: shaOf("5") } });
  });

  test("takes what rolled forward for a promotion", async () => {
    const lab = new LabState();
    revert(lab);
    again(lab, "10:00:20");
    Object.assign(lab.commits[0]!, { body: `This reverts commit ${shaOf("5")}.\n` });
    lab.commit(
      "7",
      "Revert again",
      "Ada",
      { [production]: kustomization("production", "0.1.0", "a") },
      `This reverts commit ${shaOf("6")}.\n`,
    );
    lab.receive("7", at("10:01:00"));
    deploy(lab, "7", "0.1.0", "a");
    expect(await look(lab)).toMatchObject({ stage: "held", promoted: { commit: shaOf("6") }, revert: { commit: shaOf("7") } });
  });

  test("goes by the push that brought the commit, whatever the commit's own date", async () => {
    const lab = new LabState();
    revert(lab);
    lab.journal.clear();
    expect(await look(lab)).toMatchObject({ stage: "reverted", heldSeconds: 0 });
    for (const [index, letter] of ["1", "2", "3", "4"].entries()) lab.receive(letter, at(`09:0${index}:00`));
    for (const [letter, time] of [
      ["6", "10:04:00"],
      ["7", "10:04:20"],
      ["8", "10:04:40"],
    ] as const) {
      lab.commit(letter, "Docs", "Ada", { "README.md": letter });
      lab.receive(letter, at(time));
    }
    expect(await look(lab)).toMatchObject({ stage: "reverted", heldSeconds: 60 });
  });
});

test.each([
  ["5s", 5],
  ["1m", 60],
  ["1m30s", 90],
  ["1h0m0s", 3600],
  ["500ms", 0.5],
  ["1.5h", 5400],
  ["", undefined],
  ["5", undefined],
  ["5 s", undefined],
  ["-5s", undefined],
])("goDurationSeconds(%j) is %j", (text, seconds) => {
  expect(goDurationSeconds(text)).toBe(seconds);
});
