import { describe, expect, test } from "vitest";
import { imagePolicyMatch } from "../../verification/checks/image-policy-match.ts";
import { kustomizationsReconciled } from "../../verification/checks/kustomizations-reconciled.ts";
import { ask, type Case, expectError, expectFailure } from "../support/ask-check.ts";
import { digestOf, kustomization, LabState, overlay, repository, shaOf, tagOf } from "../support/lab-state.ts";

describe("reconcile-success", () => {
  test("names commit and facts", async () => {
    expect(await ask(kustomizationsReconciled)).toMatchObject({
      observed: `all 5 Kustomizations Ready at main@sha1:${shaOf("4")}`,
      facts: {
        head: shaOf("4"),
        objects: expect.arrayContaining([
          expect.objectContaining({ kind: "GitRepository", uid: "uid-GitRepository-flux-system-flux-system", resourceVersion: "7" }),
          expect.objectContaining({ name: "apps-production", generation: 1, observedGeneration: 1, revision: `main@sha1:${shaOf("4")}` }),
        ]),
      },
    });
  });

  test("does not need an infrastructure Kustomization", async () => {
    expect(await ask(kustomizationsReconciled, (lab) => lab.remove("Kustomization", "infrastructure"))).toMatchObject({ status: "pass" });
  });

  const production = (lab: LabState) => lab.find("Kustomization", "apps-production");
  test.each<Case>([
    ["a Kustomization is missing", (lab) => lab.remove("Kustomization", "apps-production"), "flux-system/apps-production does not exist"],
    ["the root is missing", (lab) => lab.remove("Kustomization", "flux-system"), "flux-system/flux-system does not exist"],
    ["the GitRepository is missing", (lab) => lab.remove("GitRepository", "flux-system"), "GitRepository .* does not exist"],
    [
      "one is not Ready",
      (lab) =>
        (production(lab)["status"].conditions = [{ type: "Ready", status: "False", reason: "BuildFailed", message: "no such file" }]),
      "apps-production is not ready: BuildFailed: no such file.",
    ],
    ["one has no Ready condition", (lab) => (production(lab)["status"].conditions = []), "has not reported"],
    ["one has no status", (lab) => delete production(lab)["status"], "has not reported"],
    ["one is suspended", (lab) => (production(lab)["spec"].suspend = true), "apps-production is suspended"],
    ["a change is not observed", (lab) => (production(lab)["metadata"].generation = 2), "generation 2, its controller has seen 1"],
    [
      "one is at another commit",
      (lab) => (production(lab)["status"].lastAppliedRevision = `main@sha1:${shaOf("3")}`),
      `apps-production is at main@sha1:${shaOf("3")}`,
    ],
    ["one is at another branch", (lab) => (production(lab)["status"].lastAppliedRevision = `dev@sha1:${shaOf("4")}`), "is at dev@"],
    [
      "the artifact is behind",
      (lab) => (lab.find("GitRepository", "flux-system")["status"].artifact.revision = `main@sha1:${shaOf("3")}`),
      "GitRepository flux-system/flux-system is at main@sha1:3",
    ],
    ["the lab follows another branch", (lab) => (lab.learner.git.branch = "trunk"), "is at main@sha1"],
    ["Git has moved on", (lab) => lab.commit("5", "more", "Ada", {}), `is at main@sha1:${shaOf("4")}`],
  ])("fails when %s", (_, bend, says) => expectFailure(kustomizationsReconciled, bend, says));

  const inProgress = [{ type: "Ready", status: "Unknown", reason: "Progressing", message: "Reconciliation in progress" }];

  test("waits for the outcome of a reconcile that has begun", async () => {
    const lab = new LabState();
    const { conditions } = production(lab)["status"];
    production(lab)["status"].conditions = inProgress;
    const { kube } = lab.context();
    let looks = 0;
    const result = await ask(kustomizationsReconciled, undefined, {
      kube: {
        ...kube,
        list: (...of) => {
          if (++looks === 3) production(lab)["status"].conditions = conditions;
          return kube.list(...of);
        },
      },
    });
    expect(result).toMatchObject({ status: "pass" });
    expect(looks).toBe(3);
  });

  test("fails when a reconcile has no outcome for long", () =>
    expectFailure(
      kustomizationsReconciled,
      (lab) => (production(lab)["status"].conditions = inProgress),
      "apps-production is not ready: Progressing: Reconciliation in progress.",
    ));

  test("is an error on a malformed object", () =>
    expectError(
      kustomizationsReconciled,
      (lab) => (production(lab)["status"].conditions = "Ready"),
      /apps-production is not in the form.*conditions/s,
    ));
});

describe("image-policy-match", () => {
  const policy = (lab: LabState) => lab.find("ImagePolicy", "backend", "production");
  const latest = (lab: LabState) => policy(lab)["status"].latestRef;
  const container = (lab: LabState) => lab.find("Deployment", "backend", "production")["spec"].template.spec.containers[0];

  test("names every environment's tag", async () => {
    expect(await ask(imagePolicyMatch)).toMatchObject({
      observed: `develop ${tagOf("develop", "0.2.0")}, staging ${tagOf("staging", "0.2.0")}, production ${tagOf("production", "0.2.0")}`,
    });
  });

  test("reads the backend's entry among other images", async () => {
    const images = [{ name: "sidecar", newTag: "1" }, ...JSON.parse(kustomization("production", "0.2.0", "b")).images];
    const result = await ask(imagePolicyMatch, (lab) =>
      lab.commit("5", "x", "Ada", { [overlay("production")]: JSON.stringify({ images }) }),
    );
    expect(result).toMatchObject({ status: "pass" });
  });

  test.each<Case>([
    ["the policy is missing", (lab) => lab.remove("ImagePolicy", "backend", "production"), "ImagePolicy production/backend does not exist"],
    ["the policy is not Ready", (lab) => (policy(lab)["status"].conditions[0].status = "False"), "production/backend is not ready"],
    ["nothing is selected", (lab) => delete policy(lab)["status"].latestRef, "has selected no image"],
    ["the tag is mutable", (lab) => (latest(lab).tag = "latest"), "selected latest, which is no immutable tag of production"],
    ["the tag is another environment's", (lab) => (latest(lab).tag = tagOf("develop", "0.2.0")), "no immutable tag of production"],
    ["the tag has something after it", (lab) => (latest(lab).tag += "-rc1"), "no immutable tag of production"],
    ["there is no digest", (lab) => delete latest(lab).digest, "without a digest"],
    [
      "it selects another repository",
      (lab) => (latest(lab).name = "127.0.0.1:5000/bob/backend"),
      "selects from 127.0.0.1:5000/bob/backend",
    ],
    [
      "Git has another tag",
      (lab) => lab.commit("5", "x", "Ada", { [overlay("production")]: kustomization("production", "0.1.0", "b") }),
      "Git says .*production-v0.1.0",
    ],
    [
      "Git has another digest",
      (lab) => lab.commit("5", "x", "Ada", { [overlay("production")]: kustomization("production", "0.2.0", "a") }),
      `Git says .*${digestOf("a")}`,
    ],
    ["Git names no image", (lab) => lab.commit("5", "x", "Ada", { [overlay("production")]: "resources: []" }), "in Git names no image"],
    ["the file in Git is no YAML", (lab) => lab.commit("5", "x", "Ada", { [overlay("production")]: "images: [" }), "in Git names no image"],
    [
      "the Deployment is missing",
      (lab) => lab.remove("Deployment", "backend", "production"),
      "No Deployment production/backend runs an image of",
    ],
    [
      "the Deployment has another image",
      (lab) => (container(lab).image = `${repository}:latest`),
      "Deployment production/backend says .*:latest",
    ],
  ])("fails when %s", (_, bend, says) => expectFailure(imagePolicyMatch, bend, says));

  test("is an error on a malformed object", () =>
    expectError(imagePolicyMatch, (lab) => (latest(lab).tag = 7), /ImagePolicy production\/backend is not in the form.*latestRef.tag/s));
});
