import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deployedDigest } from "../../verification/checks/deployed-digest.ts";
import { imagePolicyMatch } from "../../verification/checks/image-policy-match.ts";
import { kustomizationsReconciled } from "../../verification/checks/kustomizations-reconciled.ts";
import { rollbackCommit } from "../../verification/checks/rollback-commit.ts";
import { lookAtRollback } from "../../verification/held-rollback.ts";
import { lookAtPromotion } from "../../verification/promotion-state.ts";
import { runChecks } from "../../verification/verify.ts";
import { digestOf, kustomization, LabState, managed, overlay, repository, shaOf, tagOf } from "../support/lab-state.ts";

/* The rows of the table in docs/evidence.md, on recorded objects. */

const at = (time: string) => `2026-11-02T${time}.000Z`;
const image = (version: string, digest: string) => ({ repository, tag: tagOf("production", version), digest: digestOf(digest) });
const production = overlay("production");

/** A lab with the pipeline: it built digest b from commit 2 and brought it to staging and production by commits 3 and 4. */
function embedded(): LabState {
  const lab = new LabState();
  lab.learner.git.kind = "embedded";
  lab.journal.set(shaOf("2"), [
    { event: "built", at: at("09:00:00"), version: "0.2.0", tag: tagOf("develop", "0.2.0"), digest: digestOf("b") },
  ]);
  for (const [letter, environment, time] of [
    ["3", "staging", "09:30:00"],
    ["4", "production", "09:40:00"],
  ] as const)
    lab.journal.set(shaOf(letter), [{ event: "carried-out", at: at(time), environment, promotion: shaOf("2") }]);
  return lab;
}

/** Commit 5 takes production back to 0.1.0, in whatever words, at 10:00:00, and Flux follows. */
function rollBack(lab: LabState, message = "Roll production back"): void {
  lab.commit("5", message, "Ada", { [production]: kustomization("production", "0.1.0", "a") });
  lab.receive("5", at("10:00:00"));
  lab.follow("production", "0.1.0", "a");
}

async function look(lab: LabState) {
  const context = lab.context();
  const [promotion, reports] = await Promise.all([
    lookAtPromotion(context),
    runChecks([kustomizationsReconciled, imagePolicyMatch, deployedDigest, rollbackCommit], context),
  ]);
  return { ...promotion, items: reports.map(({ result }) => result.status).join(" "), reports };
}

const allPass = "pass pass pass pass";
const container = (lab: LabState) => lab.find("Deployment", "backend", "production")["spec"].template.spec.containers[0];

/** Somebody sets production's image with kubectl. */
function setByHand(lab: LabState, version: string, digest: string): void {
  container(lab).image = `${repository}:${tagOf("production", version)}@${digestOf(digest)}`;
  lab.find("Deployment", "backend", "production")["metadata"].managedFields.push({
    ...managed("kubectl-set", "Update", { image: {} }),
    time: "2026-11-02T10:03:00Z",
  });
  for (const name of ["pod-1", "pod-2"])
    lab.find("Pod", name, "production")["status"].containerStatuses[0].imageID = `${repository}@${digestOf(digest)}`;
}

/** Staging gets 0.3.0 by commit 6, carried out. */
function stageNext(lab: LabState): void {
  lab.deploy("6", "staging", "0.3.0", "c");
  lab.journal.set(shaOf("6"), [
    { event: "built", at: at("10:00:00"), version: "0.3.0", tag: tagOf("develop", "0.3.0"), digest: digestOf("c") },
    { event: "carried-out", at: at("10:01:00"), environment: "staging", promotion: shaOf("2") },
  ]);
}

/** Production is asked for it by commit 7, and the pipeline tags it at a time. */
function askNext(lab: LabState, time: string): void {
  lab.commit("7", "Ask", "Ada", { "promotion/production.yaml": `tag: ${tagOf("staging", "0.3.0")}\ndigest: ${digestOf("c")}\n` });
  lab.reconcile();
  lab.journal.set(shaOf("7"), [
    { event: "promoted", at: at(time), environment: "production", tag: tagOf("production", "0.3.0"), digest: digestOf("c") },
  ]);
  lab.find("ImagePolicy", "backend", "production")["status"].latestRef = { name: repository, ...image("0.3.0", "c") };
}

beforeEach(() => void vi.useFakeTimers({ now: new Date(at("10:05:00")), toFake: ["Date"] }));
afterEach(() => void vi.useRealTimers());

describe.each(["embedded", "elsewhere"])("what has become of a promotion, Git %s", (where) => {
  const made = () => (where === "embedded" ? embedded() : new LabState());

  test("promoted", async () => {
    const lab = made();
    lab.receive("4", at("09:40:00"));
    if (where === "embedded")
      lab.journal.get(shaOf("4"))!.push({ event: "carried-out", at: at("09:40:00"), environment: "production", promotion: shaOf("2") });
    expect(await look(lab)).toMatchObject({
      state: "promoted",
      since: at("09:40:00"),
      promotion: { commit: shaOf("4"), from: image("0.1.0", "a"), to: image("0.2.0", "b") },
      asked: { image: image("0.2.0", "b"), commit: shaOf("4") },
      applied: true,
      items: allPass,
      says: `production is promoted to ${tagOf("production", "0.2.0")} since ${at("09:40:00")} by commit 4444444`,
    });
  });

  test.each(["Roll production back", `Revert "Update production"\n\nThis reverts commit ${shaOf("4").slice(0, 8)}.`, "x"])(
    "rolled back by %j, waiting and then held",
    async (message) => {
      const lab = made();
      rollBack(lab, message);
      vi.setSystemTime(new Date(at("10:01:30")));
      expect(await look(lab)).toMatchObject({
        state: "rolled-back",
        since: at("10:00:00"),
        promotion: { commit: shaOf("4") },
        asked: { image: image("0.1.0", "a"), commit: shaOf("5") },
        hold: { state: "waiting", seconds: 90, neededSeconds: 120, until: at("10:02:00") },
        items: allPass,
        says: expect.stringMatching(
          /rolled back from \S+0\.2\.0\S+ to \S+0\.1\.0\S+ since \S+ by commit 5555555, waiting: it holds in 30 s$/,
        ),
      });
      vi.setSystemTime(new Date(at("10:02:00")));
      expect(await look(lab)).toMatchObject({ state: "rolled-back", hold: { state: "held" }, items: allPass });
    },
  );

  test("promoted again by a revert of the revert", async () => {
    const lab = made();
    rollBack(lab);
    lab.commit("6", "Forward", "Ada", { [production]: kustomization("production", "0.2.0", "b") });
    lab.receive("6", at("10:04:00"));
    lab.follow("production", "0.2.0", "b");
    expect(await look(lab)).toMatchObject({
      state: "promoted",
      since: at("10:04:00"),
      promotion: { commit: shaOf("4") },
      asked: { commit: shaOf("6") },
      items: allPass,
    });
  });

  test("changed outside Git, by kubectl", async () => {
    const lab = made();
    setByHand(lab, "0.1.0", "a");
    expect(await look(lab)).toMatchObject({
      state: "changed-outside-git",
      since: at("10:03:00"),
      asked: { image: image("0.2.0", "b") },
      outside: { image: image("0.1.0", "a"), by: ["kubectl-set"] },
      items: "pass fail fail fail",
      says: expect.stringMatching(/set by kubectl-set since .*; main asks for \S+0\.2\.0/),
    });
  });

  test("changed outside Git while Flux is suspended, and while it is behind", async () => {
    const lab = made();
    lab.find("Kustomization", "apps-production")["spec"].suspend = true;
    setByHand(lab, "0.1.0", "a");
    expect(await look(lab)).toMatchObject({ state: "changed-outside-git", items: "fail fail fail fail" });
    lab.commit("5", "Back", "Ada", { [production]: kustomization("production", "0.1.0", "c") });
    expect(await look(lab)).toMatchObject({ state: "changed-outside-git", applied: false });
  });

  test("a Deployment that somebody took away", async () => {
    const lab = made();
    lab.remove("Deployment", "backend", "production");
    expect(await look(lab)).toMatchObject({
      state: "changed-outside-git",
      outside: { by: [] },
      says: expect.stringContaining("its Deployment is gone"),
    });
  });

  test("not changed while Flux is suspended", async () => {
    const lab = made();
    lab.find("Kustomization", "apps-production")["spec"].suspend = true;
    expect(await look(lab)).toMatchObject({ state: "promoted", items: "fail pass pass pass" });
  });

  test("rolled back and not applied: it waits however long it has stood", async () => {
    const lab = made();
    lab.find("Kustomization", "apps-production")["spec"].suspend = true;
    lab.commit("5", "Back", "Ada", { [production]: kustomization("production", "0.1.0", "a") });
    lab.receive("5", at("10:00:00"));
    expect(await look(lab)).toMatchObject({
      state: "rolled-back",
      applied: false,
      hold: { state: "waiting" },
      says: expect.stringContaining("waiting for Flux to apply it; Flux has not applied it yet"),
      items: "fail fail fail fail",
    });
  });

  test("an image that both run and the branch does not ask for", async () => {
    const lab = made();
    lab.commit("5", "Back", "Ada", { [production]: kustomization("production", "0.1.0", "a") });
    const { reports } = await look(lab);
    expect(reports[2]!.result).toMatchObject({
      status: "fail",
      observed: expect.stringContaining(`main asks for ${digestOf("a")} in production.`),
    });
  });

  test("staging ahead", async () => {
    const lab = made();
    stageNext(lab);
    expect(await look(lab)).toMatchObject({
      state: "promoted",
      promotion: { commit: shaOf("4") },
      next: { image: { digest: digestOf("c") }, isAsked: false },
      items: allPass,
    });
  });

  test("staging ahead and not well: what was promoted is proved by what staging had", async () => {
    const lab = made();
    stageNext(lab);
    lab.find("Deployment", "backend", "staging")["status"].availableReplicas = 0;
    expect(await look(lab)).toMatchObject({ state: "promoted", items: allPass });
  });

  test("rolled back while staging goes on", async () => {
    const lab = made();
    rollBack(lab);
    stageNext(lab);
    expect(await look(lab)).toMatchObject({ state: "rolled-back", next: { isAsked: false }, items: allPass });
  });

  test("nothing promoted yet", async () => {
    const lab = made();
    lab.commits = lab.commits.slice(-1);
    for (const environment of ["develop", "staging", "production"] as const) lab.follow(environment, "0.1.0", "a");
    const seen = await look(lab);
    expect(seen).toMatchObject({ state: "none", says: expect.stringMatching(/^nothing was promoted to production yet/) });
    expect(seen).not.toHaveProperty("promotion");
    expect(seen.items).toMatch(/fail$/);
  });

  test("an image that is in no registry is not offered", async () => {
    const lab = made();
    lab.manifests.delete(tagOf("production", "0.1.0"));
    const promoted = await look(lab);
    expect(promoted).toMatchObject({ state: "promoted", items: "pass pass pass fail" });
    expect(JSON.stringify(promoted.reports)).not.toMatch(/git revert [0-9a-f]{40} \(|git checkout/);
    rollBack(lab);
    expect(await look(lab)).toMatchObject({ state: "rolled-back", items: "pass pass pass fail" });
  });

  test("an image that production never had is no rollback", async () => {
    const lab = made();
    lab.deploy("5", "production", "0.9.0", "e");
    const seen = await look(lab);
    if (where === "embedded")
      expect(seen).toMatchObject({ state: "changed-without-promotion", asked: { commit: shaOf("5") }, items: "pass pass fail pass" });
    // Elsewhere nobody but the branch tells what was promoted, and staging never had it.
    else expect(seen).toMatchObject({ state: "promoted", promotion: { commit: shaOf("5") }, items: "pass pass fail pass" });
  });

  test("a file that names no image", async () => {
    const lab = made();
    lab.commit("5", "Oops", "Ada", { [production]: "images: [" });
    expect(await look(lab)).toMatchObject({ state: "changed-without-promotion", says: "main names no one image for production any more" });
  });
});

describe("by the pipeline's journal", () => {
  test("the next promotion is on its way for a minute, or two intervals", async () => {
    const lab = embedded();
    stageNext(lab);
    askNext(lab, "10:04:30");
    expect(await look(lab)).toMatchObject({ state: "promoted", next: { isAsked: true }, items: allPass });
    vi.setSystemTime(new Date(at("10:06:31")));
    expect(await look(lab)).toMatchObject({ items: "pass fail pass pass" });
  });

  test("a request that was taken back leaves the policy's choice unasked for", async () => {
    const lab = embedded();
    stageNext(lab);
    askNext(lab, "09:00:00");
    lab.commit("8", "Not yet", "Ada", { "promotion/production.yaml": `tag: ${tagOf("staging", "0.2.0")}\ndigest: ${digestOf("b")}\n` });
    lab.reconcile();
    const seen = await look(lab);
    expect(seen.items).toBe(allPass);
    expect(seen.reports[1]!.result).toMatchObject({ observed: expect.stringContaining("is not asked for any more") });
  });

  test("a second rollback goes back to the image before the first, and a request that failed is no promotion", async () => {
    const lab = embedded();
    rollBack(lab);
    lab.deploy("6", "staging", "0.3.0", "c");
    lab.deploy("7", "production", "0.3.0", "c");
    lab.journal.set(shaOf("7"), [
      { event: "built", at: at("10:01:00"), version: "0.3.0", tag: tagOf("develop", "0.3.0"), digest: digestOf("c") },
      { event: "carried-out", at: at("10:01:00"), environment: "production", promotion: shaOf("2") },
    ]);
    lab.commit("8", "Back", "Ada", { [production]: kustomization("production", "0.1.0", "a") });
    lab.receive("8", at("10:02:00"));
    lab.follow("production", "0.1.0", "a");
    expect(await look(lab)).toMatchObject({
      state: "rolled-back",
      promotion: { commit: shaOf("7") },
      asked: { image: image("0.1.0", "a") },
    });
    const failed = embedded();
    stageNext(failed);
    failed.commit("7", "Ask", "Ada", { "promotion/production.yaml": `tag: ${tagOf("staging", "0.3.0")}\ndigest: ${digestOf("c")}\n` });
    failed.reconcile();
    failed.journal.set(shaOf("7"), [{ event: "promotion-failed", at: at("10:01:00"), environment: "production", reason: "no" }]);
    expect(await look(failed)).toMatchObject({
      state: "promoted",
      promotion: { commit: shaOf("4") },
      next: { isAsked: true },
      items: allPass,
    });
  });

  test("a tag that the pipeline did not make is no choice to wait for", async () => {
    const lab = embedded();
    stageNext(lab);
    askNext(lab, "10:04:30");
    lab.find("ImagePolicy", "backend", "production")["status"].latestRef.digest = digestOf("e");
    expect(await look(lab)).toMatchObject({ items: "pass fail pass pass" });
  });

  test("an image that only a commit named is none that production had", async () => {
    const lab = embedded();
    lab.deploy("5", "production", "0.9.0", "e");
    lab.deploy("6", "production", "0.2.0", "b");
    lab.deploy("7", "production", "0.9.0", "e");
    expect(await look(lab)).toMatchObject({ state: "changed-without-promotion", asked: { commit: shaOf("7") } });
  });

  test("the same image again is a promotion where it was carried out anew", async () => {
    const lab = embedded();
    rollBack(lab);
    lab.commit("6", "Update production", "gitops-lab-pipeline", { [production]: kustomization("production", "0.2.0", "b") });
    lab.journal.set(shaOf("6"), [{ event: "carried-out", at: at("10:04:00"), environment: "production", promotion: shaOf("5") }]);
    lab.follow("production", "0.2.0", "b");
    expect(await look(lab)).toMatchObject({ state: "promoted", promotion: { commit: shaOf("6") }, since: at("10:04:00"), items: allPass });
  });

  test("a drill's reset is no rollback of what the drill promoted", async () => {
    const lab = embedded();
    lab.deploy("5", "production", "0.3.0", "c");
    lab.journal.set(shaOf("5"), [
      { event: "built", at: at("10:00:00"), version: "0.3.0", tag: tagOf("develop", "0.3.0"), digest: digestOf("c") },
      { event: "carried-out", at: at("10:00:00"), environment: "production", promotion: shaOf("2") },
    ]);
    lab.deploy("6", "production", "0.1.0", "a");
    lab.deploy("7", "production", "0.2.0", "b");
    lab.receive("7", at("10:04:00"), "ada.reset");
    expect(await look(lab)).toMatchObject({ state: "promoted", promotion: { commit: shaOf("7") }, since: at("10:04:00") });
    lab.receive("7", at("10:04:00"), "ada");
    expect(await look(lab)).toMatchObject({ state: "rolled-back", promotion: { commit: shaOf("5") } });
  });
});

test("a rollback without an automation that says how long is told as such", async () => {
  const lab = embedded();
  rollBack(lab);
  lab.remove("ImageUpdateAutomation", "backend", "production");
  const seen = await lookAtPromotion(lab.context());
  expect(seen).toMatchObject({ state: "rolled-back", says: expect.stringContaining("no image automation says for how long") });
  expect(seen).not.toHaveProperty("hold");
});

test("a rollback on its way says until when there is only to wait, and says nothing of it while Flux has not applied it", async () => {
  const lab = embedded();
  rollBack(lab, "Back");
  Object.assign(lab.commits[0]!, { body: `This reverts commit ${shaOf("4")}.\n` });
  vi.setSystemTime(new Date(at("10:01:30")));
  expect(await lookAtRollback(lab.context(), "production")).toMatchObject({ stage: "reverted", waitUntil: at("10:02:00") });
  lab.find("Kustomization", "apps-production")["status"].lastAppliedRevision = `main@sha1:${shaOf("4")}`;
  expect(await lookAtRollback(lab.context(), "production")).not.toHaveProperty("waitUntil");
});
