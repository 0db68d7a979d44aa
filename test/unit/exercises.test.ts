import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { gitOnlyPromotion } from "../../lab-templates/gitops-promotion/exercises/git-only-promotion.ts";
import { imageTracking } from "../../lab-templates/gitops-promotion/exercises/image-tracking.ts";
import { policyAnalysis } from "../../lab-templates/gitops-promotion/exercises/policy-analysis.ts";
import { rollback } from "../../lab-templates/gitops-promotion/exercises/rollback.ts";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import type { Exercise } from "../../lab-templates/types.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import { explainPolicy } from "../../verification/policy-explanation.ts";
import { runChecks } from "../../verification/verify.ts";
import { digestOf, kustomization, LabState, managed, overlay, shaOf, tagOf, unreachable, type Json } from "../support/lab-state.ts";

const seed = gitopsPromotion.seed({
  params: gitopsPromotion.params.parse({}),
  learner: { id: "ada", name: "Ada", email: "ada@example.org" },
  imageRepository: "127.0.0.1:5000/ada/backend",
  insecureRegistry: true,
  gitUrl: "http://127.0.0.1:4000/git/ada/gitops.git",
  branch: "main",
  digests: { "0.1.0": digestOf("a"), "0.2.0": digestOf("b") },
});

async function ask(exercise: Exercise, lab: LabState, context: Parameters<LabState["context"]>[0] = {}) {
  const [report] = await runChecks([{ ...exercise, command: "", run: exercise.check }], lab.context(context));
  return report!.result;
}

const at = (minute: number) => `2026-11-02T10:${String(minute).padStart(2, "0")}:00Z`;
const received = (minute: number, by = "ada"): JournalEntry => ({ event: "received", at: at(minute), by, branch: "main" });

function flux(
  kind: string,
  namespace: string,
  name: string,
  spec: Json,
  status: Json,
  ready = true,
  reason = "Succeeded",
  message = "ok",
): Json {
  const metadata = { name, namespace, uid: `${namespace}/${name}`, resourceVersion: "1", generation: 1 };
  return {
    apiVersion: "image.toolkit.fluxcd.io/v1",
    kind,
    metadata,
    spec,
    status: { observedGeneration: 1, conditions: [{ type: "Ready", status: ready ? "True" : "False", reason, message }], ...status },
  };
}

/** Puts answers into a file of the seed, by path of keys. */
function answered(path: string, answers: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  const content = parse(seed[path]!) as Json;
  for (const [key, value] of Object.entries(answers)) {
    const keys = key.split("/");
    const last = keys.pop()!;
    keys.reduce((tree, name) => tree[name], content)[last] = value;
  }
  return { [path]: stringify(content) };
}

describe.each(gitopsPromotion.exercises.map((exercise) => [exercise.id, exercise] as const))("%s", (_, exercise) => {
  test("is not passed by a lab as it was handed over", async () =>
    expect(await ask(exercise, new LabState())).toMatchObject({ status: expect.stringMatching(/fail|error/) }));

  test("can't be judged where Git or the API server is away", async () => {
    const lab = new LabState();
    lab.commit("5", "Answers", "ada", answered("exercises/image-tracking.yaml", {}));
    expect(await ask(exercise, lab, { git: unreachable("git") })).toEqual({
      status: "error",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
    expect(await ask(exercise, lab, { kube: unreachable("kube") })).toEqual({
      status: "error",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("has instructions and hints that name no answer", () => {
    expect(exercise.instructions.length).toBeGreaterThan(100);
    expect(exercise.hints.length).toBeGreaterThan(1);
    for (const tag of policyLab.tags) expect([exercise.instructions, ...exercise.hints].join()).not.toContain(tag);
  });
});

describe("image-tracking", () => {
  const path = "exercises/image-tracking.yaml";
  const right = {
    "repository/tags-found": 6,
    ...Object.fromEntries(
      (["develop", "staging", "production"] as const).flatMap((name) => [
        [`policies/${name}/namespace`, name],
        [`policies/${name}/tag`, tagOf(name, "0.2.0")],
      ]),
    ),
  };
  const labWith = (answers: Readonly<Record<string, string | number>>) => {
    const lab = new LabState();
    lab.objects.push(flux("ImageRepository", "flux-system", "backend", {}, { lastScanResult: { tagCount: 6 } }));
    lab.commit("5", "Answer", "ada", answered(path, { ...right, ...answers }));
    lab.journal.set(shaOf("5"), [received(30)]);
    return lab;
  };

  test("passes with what Flux tracks", async () => expect(await ask(imageTracking, labWith({}))).toMatchObject({ status: "pass" }));

  test.each([
    ["repository/tags-found", "", "`repository.tags-found` has no answer."],
    ["repository/tags-found", "six", '`repository.tags-found` is "six"; it must be a number.'],
    ["repository/tags-found", 5, "`repository.tags-found` is 5, which is not what the scan"],
    ["policies/staging/namespace", "flux-system", "`policies.staging.namespace` is flux-system, where no policy of staging lives."],
    ["policies/production/tag", "latest", '`policies.production.tag` is "latest", which is no tag of the form'],
    ["policies/production/tag", tagOf("develop", "0.2.0"), "a tag of develop: the policy of production tracks no other family"],
    ["policies/develop/tag", tagOf("develop", "0.1.0"), "which is not the tag that the policy had selected"],
  ])("%s: %j is told as what it is", async (key, answer, says) => {
    const result = await ask(imageTracking, labWith({ [key]: answer }));
    expect(result).toMatchObject({ status: "fail", observed: expect.stringContaining(says) });
    if (result.status === "fail") expect(result.observed.split("\n")).toHaveLength(1);
    expect(JSON.stringify(result)).not.toContain(
      key.includes("production") ? tagOf("production", "0.2.0") : key.includes("tags-found") ? " 6" : tagOf("develop", "0.2.0"),
    );
  });

  test("stays passed when another version is shipped later, and an old tag is not right then", async () => {
    const later = "develop-v0.3.0-0123abc-1790000999";
    const ship = (lab: LabState, minute: number) => {
      lab.commit("6", "Ship", "ada", { "app/VERSION": "0.3.0\n" });
      lab.journal.set(shaOf("6"), [
        received(minute),
        { event: "built", at: at(minute), version: "0.3.0", tag: later, digest: digestOf("c") },
      ]);
      lab.find("ImagePolicy", "backend", "develop")["status"].latestRef.tag = later;
      lab.find("ImageRepository", "backend")["status"].lastScanResult.tagCount = 7;
      return lab;
    };
    expect(await ask(imageTracking, ship(labWith({}), 40))).toMatchObject({ status: "pass" });
    expect(await ask(imageTracking, ship(labWith({}), 20))).toMatchObject({
      status: "fail",
      observed: expect.stringContaining("`policies.develop.tag`"),
    });
  });

  test.each([
    ["a: [", "is not valid YAML"],
    ["policies: {}", "does not have the form"],
  ])("a file that says %j is told", async (text, says) => {
    const lab = labWith({});
    lab.commit("6", "Break", "ada", { [path]: text });
    expect(await ask(imageTracking, lab)).toMatchObject({ status: "fail", observed: expect.stringContaining(says) });
  });
});

describe("policy-analysis", () => {
  const path = "exercises/policy-analysis.yaml";
  const specs = policyLab.variants.map((name) => [name, parse(seed[`flux/policy-lab/${name}.yaml`]!).spec as Json] as const);
  const selectedBy = (spec: Json) =>
    explainPolicy(
      spec["filterTags"].pattern,
      spec["filterTags"].extract,
      { by: spec["policy"].numerical ? "numerical" : "alphabetical", order: "asc" },
      policyLab.tags,
    ).selected;
  const right = {
    ...Object.fromEntries(
      specs.flatMap(([name, spec]) => [
        [`variants/${name}/selects`, selectedBy(spec) ?? "none"],
        [`variants/${name}/wrong-tag-in-production`, name === "chapter" || name === "hyphen-extract" ? "no" : "yes"],
      ]),
    ),
    "keeps-out/develop-v0.4.0-5eed001-1790000700": "production",
    "keeps-out/staging-v0.3.0-5eed002-1790000600": "^production-v",
    "keeps-out/production-v0.3.0-5eed005-1790000900-debug": "$",
    "keeps-out/production-v0.1.0-5eed004-999999999": "[0-9]{10}",
  };
  const labWith = (answers: Readonly<Record<string, string | boolean>>, applied = true) => {
    const lab = new LabState();
    lab.find("ImagePolicy", "backend", "production")["spec"] = parse(seed["flux/apps/backend/production/image-policy.yaml"]!).spec;
    if (applied) {
      lab.objects.push(flux("ImageRepository", "flux-system", "policy-lab", {}, { lastScanResult: { tagCount: 7 } }));
      for (const [name, spec] of specs) {
        const tag = selectedBy(spec);
        lab.objects.push(
          flux(
            "ImagePolicy",
            "policy-lab",
            name,
            spec,
            tag === undefined ? {} : { latestRef: { name: "x", tag } },
            tag !== undefined,
            tag === undefined ? "Failure" : "Succeeded",
            tag === undefined ? "failed to parse invalid numeric value '1790000100-5eed003'" : "ok",
          ),
        );
      }
    }
    lab.commit("5", "Answer", "ada", answered(path, { ...right, ...answers }));
    return lab;
  };

  test("passes with what the policies select, also with yes and no as YAML's own", async () => {
    expect(await ask(policyAnalysis, labWith({}))).toMatchObject({ status: "pass" });
    expect(await ask(policyAnalysis, labWith({ "variants/no-end/wrong-tag-in-production": true }))).toMatchObject({ status: "pass" });
  });

  test.each([
    ["variants/chapter/selects", "", "`variants.chapter.selects` has no answer."],
    ["variants/chapter/selects", "none", "the policy is Ready and does select a tag."],
    ["variants/chapter/selects", "production-v9", "no tag of policy-lab has that name."],
    ["variants/chapter/selects", "develop-v0.4.0-5eed001-1790000700", "does not match the pattern."],
    ["variants/uneven-digits/selects", "production-v0.2.0-5eed003-1790000100", "is compared as text: another tag's value is greater."],
    ["variants/hyphen-extract/selects", "production-v0.2.0-5eed003-1790000100", "look at the policy's READY column"],
    ["variants/no-start/wrong-tag-in-production", "no", "does not fit what the policy selects"],
    ["variants/no-start/wrong-tag-in-production", "perhaps", "it must be yes or no"],
    ["keeps-out/develop-v0.4.0-5eed001-1790000700", "$", "the tag would still not match"],
    ["keeps-out/develop-v0.4.0-5eed001-1790000700", "develop", "which is no part of the pattern"],
    [
      "keeps-out/staging-v0.3.0-5eed002-1790000600",
      String.raw`^production-v[0-9]+\.[0-9]+\.[0-9]+-[0-9a-f]{7,40}-`,
      "is most of the pattern",
    ],
    ["keeps-out/production-v0.1.0-5eed004-999999999", "^", "the tag would still not match"],
    ["keeps-out/production-v0.3.0-5eed005-1790000900-debug", "", "has no answer"],
  ])("%s: %j is told as what it is", async (key, answer, says) => {
    const result = await ask(policyAnalysis, labWith({ [key]: answer }));
    expect(result).toMatchObject({ status: "fail", observed: expect.stringContaining(says) });
    if (result.status === "fail") expect(result.observed.split("\n")).toHaveLength(1);
  });

  test("is not passed by right answers without trying", async () =>
    expect(await ask(policyAnalysis, labWith({}, false))).toMatchObject({
      status: "fail",
      observed: expect.stringContaining("Not applied yet: ImagePolicy chapter"),
    }));

  test("waits for what Flux has not tried yet", async () => {
    const lab = labWith({});
    Object.assign(lab.find("ImagePolicy", "no-end", "policy-lab")["status"], {
      conditions: [{ type: "Ready", status: "False", reason: "DependencyNotReady", message: "no tags in database" }],
    });
    expect(await ask(policyAnalysis, lab)).toMatchObject({ status: "fail", observed: "Flux has not tried no-end yet." });
  });
});

const record = (tag: string) => ({ tag, digest: digestOf("c") });
const [developTag, stagingTag, productionTag] = [tagOf("develop", "0.3.0"), tagOf("staging", "0.3.0"), tagOf("production", "0.3.0")];

/** A version of the learner's own, taken through all environments; letters name the commits in their order. */
function promoted(
  bend: Partial<Record<"ship" | "staging" | "production", JournalEntry[]>> = {},
  until: "built" | "staging" | "production" = "production",
): LabState {
  const lab = new LabState();
  lab.commit("5", "Ship", "ada", { "app/VERSION": "0.3.0\n" });
  lab.journal.set(
    shaOf("5"),
    bend.ship ?? [received(1), { event: "built", at: at(2), version: "0.3.0", tag: developTag, digest: digestOf("c") }],
  );
  lab.manifests.set(developTag, { digest: digestOf("c"), parts: [] });
  lab.manifests.set(digestOf("c"), { digest: digestOf("c"), parts: [] });
  lab.commit("6", "Update develop", "bot", { [overlay("develop")]: kustomization("develop", "0.3.0", "c") });
  run(lab, "develop", developTag);
  if (until !== "built") {
    lab.commit("7", "Promote to staging", "ada", { "promotion/staging.yaml": stringify(record(developTag)) });
    lab.journal.set(shaOf("7"), [
      received(5),
      { event: "promoted", at: at(5), environment: "staging", tag: stagingTag, digest: digestOf("c") },
    ]);
    lab.commit("8", "Update staging", "bot", { [overlay("staging")]: kustomization("staging", "0.3.0", "c") });
    lab.journal.set(shaOf("8"), bend.staging ?? [{ event: "carried-out", at: at(6), environment: "staging", promotion: shaOf("7") }]);
    run(lab, "staging", stagingTag);
  }
  if (until === "production") {
    lab.commit("9", "Promote to production", "ada", { "promotion/production.yaml": stringify(record(stagingTag)) });
    lab.journal.set(shaOf("9"), bend.production ?? [received(10)]);
    lab.commit("a", "Update production", "bot", { [overlay("production")]: kustomization("production", "0.3.0", "c") });
    lab.journal.set(shaOf("a"), [{ event: "carried-out", at: at(11), environment: "production", promotion: shaOf("9") }]);
    run(lab, "production", productionTag);
  }
  applied(lab);
  return lab;
}

function run(lab: LabState, environment: "develop" | "staging" | "production", tag: string): void {
  const image = `${lab.learner.registry.repository}:${tag}@${digestOf("c")}`;
  const containers = [{ name: "backend", image }];
  lab.find("Deployment", "backend", environment)["spec"].template.spec.containers = containers;
  lab.find("ReplicaSet", "backend-new", environment)["spec"] = structuredClone({ template: { spec: { containers } } });
  for (const name of ["pod-1", "pod-2"]) lab.find("Pod", name, environment)["status"].containerStatuses[0].imageID = `x@${digestOf("c")}`;
}

function applied(lab: LabState): void {
  const revision = `main@sha1:${lab.commits[0]!.id}`;
  lab.find("GitRepository", "flux-system")["status"].artifact.revision = revision;
  for (const object of lab.objects) if (object["kind"] === "Kustomization") object["status"].lastAppliedRevision = revision;
}

describe("git-only-promotion", () => {
  test("passes by history", async () =>
    expect(await ask(gitOnlyPromotion, promoted())).toMatchObject({
      status: "pass",
      observed: expect.stringContaining("version 0.3.0, built once"),
    }));

  test("still passes after a rollback", async () => {
    const lab = promoted();
    lab.commit(
      "b",
      "Revert",
      "ada",
      { [overlay("production")]: kustomization("production", "0.2.0", "b") },
      `This reverts commit ${shaOf("a")}.`,
    );
    lab.find("Deployment", "backend", "production")["spec"].template.spec.containers[0].image =
      `${lab.learner.registry.repository}:${tagOf("production", "0.2.0")}@${digestOf("b")}`;
    applied(lab);
    expect(await ask(gitOnlyPromotion, lab)).toMatchObject({ status: "pass" });
  });

  const built = (version: string, letter: string): JournalEntry => ({
    event: "built",
    at: at(2),
    version,
    tag: tagOf("develop", version),
    digest: digestOf(letter),
  });
  test.each<readonly [string, () => LabState, string]>([
    ["nothing was shipped", () => new LabState(), "built nothing"],
    ["a colleague shipped it", () => promoted({ ship: [received(1, "ada.colleague"), built("0.3.0", "c")] }), "that ada.colleague pushed"],
    ["it was never asked for in staging", () => promoted({}, "built"), "nothing asked for it in staging yet"],
    [
      "staging was not carried out",
      () => promoted({ staging: [] }),
      `commit ${shaOf("7")} asks for it in staging, and the pipeline has not carried that out`,
    ],
    ["it was never asked for in production", () => promoted({}, "staging"), "nothing asked for it in production yet"],
    [
      "production was asked for by somebody else",
      () => promoted({ production: [received(10, "ada.colleague")] }),
      "production was asked for by a commit that ada.colleague pushed",
    ],
    ["production was asked for before staging had it", () => promoted({ production: [received(5)] }), "were not gone through in order"],
    [
      "it was built twice",
      () => {
        const lab = promoted();
        lab.commit("b", "Ship again", "ada", { "app/VERSION": "0.3.0 \n" });
        lab.journal.set(shaOf("b"), [received(20), { ...built("0.3.0", "d"), tag: "develop-v0.3.0-1123abc-1790000001" } as JournalEntry]);
        applied(lab);
        return lab;
      },
      "it was built twice",
    ],
    [
      "the tag was pushed over",
      () => {
        const lab = promoted();
        lab.manifests.set(developTag, { digest: digestOf("e"), parts: [] });
        return lab;
      },
      "somebody pushed over the tag",
    ],
    [
      "production never ran it",
      () => {
        const lab = promoted();
        lab.find("ReplicaSet", "backend-new", "production")["spec"] = {};
        return lab;
      },
      "production has never run it",
    ],
    [
      "an image was set by hand",
      () => {
        const lab = promoted();
        lab.find("Deployment", "backend", "staging")["metadata"].managedFields.push(managed("kubectl-set", "Update", { image: {} }));
        return lab;
      },
      "was set by kustomize-controller, kubectl-set",
    ],
    [
      "Flux is behind",
      () => {
        const lab = promoted();
        lab.commit("b", "Later", "ada", { "notes.txt": "x" });
        return lab;
      },
      "Flux has not reconciled everything",
    ],
  ])("fails where %s", async (_, lab, says) =>
    expect(await ask(gitOnlyPromotion, lab())).toMatchObject({ status: "fail", observed: expect.stringContaining(says) }),
  );
});

describe("rollback", () => {
  test("counts for the learner who pushed it, once it has held", async () => {
    const rolledBack = (by: string) => {
      const lab = promoted();
      lab.commit(
        "b",
        'Revert "Update production"',
        "ada",
        { [overlay("production")]: kustomization("production", "0.2.0", "b") },
        `This reverts commit ${shaOf("a")}.`,
      );
      lab.journal.set(shaOf("b"), [received(20, by)]);
      lab.find("Deployment", "backend", "production")["spec"].template.spec.containers[0].image =
        `${lab.learner.registry.repository}:${tagOf("production", "0.2.0")}@${digestOf("b")}`;
      applied(lab);
      return lab;
    };
    expect(await ask(rollback, rolledBack("ada"))).toMatchObject({ status: "pass" });
    expect(await ask(rollback, rolledBack("ada.colleague"))).toMatchObject({
      status: "fail",
      observed: expect.stringContaining("But ada.colleague pushed it"),
    });
    expect(await ask(rollback, promoted())).toMatchObject({ status: "fail", observed: expect.stringContaining("No commit reverts") });
  });
});
