import { describe, expect, test } from "vitest";
import { rollbackCommit } from "../../verification/checks/rollback-commit.ts";
import { ask, type Case, expectError, expectFailure } from "../support/ask-check.ts";
import { digestOf, kustomization, type LabState, overlay, repository, shaOf, tagOf, unreachable } from "../support/lab-state.ts";

describe("rollback-commit", () => {
  const production = overlay("production");
  /** Git, Flux and the Deployment agree on what a commit brought. */
  const promote = (lab: LabState, letter: string, subject: string, version: string, digest: string) => {
    lab.commit(letter, subject, "Ada", { [production]: kustomization("production", version, digest) });
    lab.find("Kustomization", "apps-production")["status"].lastAppliedRevision = `main@sha1:${shaOf(letter)}`;
    lab.find("Deployment", "backend", "production")["spec"].template.spec.containers[0].image =
      `${repository}:${tagOf("production", version)}@${digestOf(digest)}`;
  };

  test("names commit, author and the image before", async () => {
    expect(await ask(rollbackCommit)).toMatchObject({
      observed: `git revert ${shaOf("4")} (by gitops-lab-bot) takes production from ${tagOf("production", "0.2.0")} to ${tagOf("production", "0.1.0")}`,
      facts: { change: { commit: { id: shaOf("4"), author: "gitops-lab-bot" }, from: { digest: digestOf("a") } }, applied: shaOf("4") },
    });
  });

  test("looks past commits that leave the image alone", async () => {
    const result = await ask(rollbackCommit, (lab) => {
      lab.commit("5", "Comment", "Ada", { [production]: `# why\n${kustomization("production", "0.2.0", "b")}` });
      lab.commit("6", "Docs", "Ada", { "README.md": "hello" });
    });
    expect(result).toMatchObject({ status: "pass", observed: expect.stringContaining(`git revert ${shaOf("4")}`) });
  });

  test("says when it was reverted already, by what the commit does and not by its message", async () => {
    const result = await ask(rollbackCommit, (lab) => promote(lab, "5", "Back to 0.1.0", "0.1.0", "a"));
    expect(result).toMatchObject({
      status: "pass",
      observed:
        `git revert ${shaOf("4")} was to take production back; ${shaOf("5")} (by Ada) took it from ${tagOf("production", "0.2.0")} to ` +
        `${tagOf("production", "0.1.0")}; git revert ${shaOf("5")} goes forward again`,
      facts: { change: { commit: { id: shaOf("4") } }, rolledBackBy: { commit: { id: shaOf("5") } } },
    });
  });

  test("offers no way forward to an image that the registry does not have", async () => {
    const result = await ask(rollbackCommit, (lab) => {
      promote(lab, "5", "Back to 0.1.0", "0.1.0", "a");
      lab.manifests.delete(tagOf("production", "0.2.0"));
    });
    expect(result).toMatchObject({ status: "pass", observed: expect.stringContaining("forward goes only a new promotion") });
    expect(result).not.toMatchObject({ observed: expect.stringContaining(`git revert ${shaOf("5")}`) });
  });

  test("names a revert of the revert as such", async () => {
    const result = await ask(rollbackCommit, (lab) => {
      promote(lab, "5", "Back to 0.1.0", "0.1.0", "a");
      promote(lab, "6", "Forward again", "0.2.0", "b");
    });
    expect(result).toMatchObject({ observed: expect.stringContaining(`git revert ${shaOf("6")} (itself a revert, by Ada)`) });
  });

  test("offers the newest image that the registry has, by a commit that names it", async () => {
    const result = await ask(rollbackCommit, (lab) => {
      lab.push("production", "0.3.0", "c");
      promote(lab, "5", "Update production", "0.3.0", "c");
      lab.manifests.delete(tagOf("production", "0.2.0"));
    });
    expect(result).toMatchObject({
      status: "fail",
      observed: expect.stringContaining(`the registry has no tag ${tagOf("production", "0.2.0")} any more`),
      hint: expect.stringContaining(`git checkout ${shaOf("3")} -- ${production}`),
    });
  });

  test("counts a change of the digest alone", async () => {
    const result = await ask(rollbackCommit, (lab) => {
      lab.manifests.set(digestOf("c"), { digest: digestOf("c"), parts: [] });
      promote(lab, "5", "Same tag, other bytes", "0.2.0", "c");
    });
    expect(result).toMatchObject({ status: "pass", observed: expect.stringContaining(shaOf("5")) });
  });

  test.each<Case>([
    ["no commit changed the image", (lab) => lab.commits.splice(0, 3), "No commit changed production's image"],
    ["the first commit named it", (lab) => (lab.commits = lab.commits.slice(-1)), "No commit changed production's image"],
    ["the Deployment is missing", (lab) => lab.remove("Deployment", "backend", "production"), "No Deployment production/backend"],
    [
      "production runs something else",
      (lab) => lab.commit("5", "Update", "bot", { [production]: kustomization("production", "0.3.0", "c") }),
      `Commit ${shaOf("5")} set .*0.3.0.* but production runs .*0.2.0`,
    ],
    [
      "Flux has not applied the commit",
      (lab) => (lab.find("Kustomization", "apps-production")["status"].lastAppliedRevision = `main@sha1:${shaOf("3")}`),
      `applied ${shaOf("3")} to production, which does not contain commit ${shaOf("4")}`,
    ],
    [
      "Flux has applied nothing",
      (lab) => delete lab.find("Kustomization", "apps-production")["status"].lastAppliedRevision,
      "applied nothing",
    ],
    ["the Kustomization is missing", (lab) => lab.remove("Kustomization", "apps-production"), "applied nothing"],
    ["the revert conflicts", (lab) => (lab.revertGives = "conflict"), "conflicts with later commits"],
    ["the revert gives no image", (lab) => (lab.revertGives = {}), "gives no image"],
    [
      "the revert gives another image",
      (lab) => (lab.revertGives = { [production]: kustomization("production", "0.0.9", "c") }),
      "gives .*production-v0.0.9",
    ],
    ["the image before is gone", (lab) => lab.manifests.delete(digestOf("a")), "is no longer in the registry"],
    ["the tag of the image before is gone", (lab) => lab.manifests.delete(tagOf("production", "0.1.0")), "has no tag .* any more"],
    [
      "the tag of the image before names another",
      (lab) => lab.manifests.set(tagOf("production", "0.1.0"), { digest: digestOf("c"), parts: [] }),
      `names ${digestOf("c")} in the registry, not ${digestOf("a")} as in Git`,
    ],
    [
      "production is rolled back to an image that is gone",
      (lab) => {
        promote(lab, "5", "Back to 0.1.0", "0.1.0", "a");
        lab.manifests.delete(digestOf("a"));
      },
      "Production is rolled back to an image that can't be started anew: .* is no longer in the registry",
    ],
  ])("fails when %s", (_, bend, says) => expectFailure(rollbackCommit, bend, says));

  test("is an error when the registry can't be reached", async () => {
    expect(await ask(rollbackCommit, undefined, { registry: unreachable("127.0.0.1:5000") })).toMatchObject({ status: "error" });
  });

  test("is an error on a malformed object", () =>
    expectError(
      rollbackCommit,
      (lab) => (lab.find("Deployment", "backend", "production")["spec"].template = {}),
      /Deployment production\/backend is not in the form/,
    ));
});
