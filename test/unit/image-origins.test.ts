import { describe, expect, test } from "vitest";
import { environments } from "../../shared/names.ts";
import { deployedDigest } from "../../verification/checks/deployed-digest.ts";
import { desiredImage } from "../../verification/desired-image.ts";
import { ask } from "../support/ask-check.ts";
import { collect } from "../support/evidence-bundle.ts";
import { digestOf, kustomization, overlay, pod, repository, shaOf, tagOf, unreachable, type LabState } from "../support/lab-state.ts";

const at = "2026-11-02T10:00:00Z";

/** A lab with the pipeline: it built digest b from commit 2, and brought it to staging and production by commits 3 and 4. */
function embedded(lab: LabState): void {
  lab.learner.git.kind = "embedded";
  lab.journal.set(shaOf("2"), [{ event: "built", at, version: "0.2.0", tag: tagOf("develop", "0.2.0"), digest: digestOf("b") }]);
  for (const [letter, environment] of [
    ["3", "staging"],
    ["4", "production"],
  ] as const)
    lab.journal.set(shaOf(letter), [{ event: "carried-out", at, environment, promotion: shaOf("2") }]);
}

/** Every environment that is promoted to gets an image by a commit of the learner's own. */
function byHand(lab: LabState, digest: string): void {
  lab.deploy("5", "staging", "0.9.0", digest);
  lab.deploy("6", "production", "0.9.0", digest);
}

const origins = (bend: (lab: LabState) => void, context = {}) =>
  ask(
    deployedDigest,
    (lab) => {
      embedded(lab);
      bend(lab);
    },
    context,
  );

describe("deployed-digest, where the pipeline is the lab's", () => {
  test("passes for what a promotion brought, and asks the registry nothing", async () => {
    expect(await origins(() => {}, { registry: unreachable("127.0.0.1:5000") })).toMatchObject({ status: "pass" });
  });

  test("passes for what a revert took back to", async () => {
    const result = await origins((lab) => {
      for (const [letter, environment] of [
        ["5", "staging"],
        ["6", "production"],
      ] as const)
        lab.deploy(letter, environment, "0.1.0", "a", "This reverts commit");
    });
    expect(result).toMatchObject({ status: "pass", observed: expect.stringContaining(`run ${digestOf("a")}`) });
  });

  test("fails for what the pipeline has not built, and names the commit", async () => {
    const result = await origins((lab) => byHand(lab, "e"));
    expect(result).toMatchObject({
      status: "fail",
      observed: [
        `staging runs ${digestOf("e")}, which is neither the seed's nor built by the pipeline: commit 5555555 by gitops-lab-bot set it in ${overlay("staging")}.`,
        `production runs ${digestOf("e")}, which is neither the seed's nor built by the pipeline: commit 6666666 by gitops-lab-bot set it in ${overlay("production")}.`,
      ].join("\n"),
    });
  });

  test("fails for what was built and never promoted, also after it was taken back once", async () => {
    const result = await origins((lab) => {
      lab.journal.set(shaOf("5"), [{ event: "built", at, version: "0.9.0", tag: tagOf("develop", "0.9.0"), digest: digestOf("e") }]);
      byHand(lab, "e");
      lab.deploy("7", "production", "0.2.0", "b");
      lab.deploy("8", "production", "0.9.0", "e");
    });
    expect(result).toMatchObject({
      status: "fail",
      observed: expect.stringMatching(/production runs \S+, which no promotion .* has brought to production: commit 6666666 by/),
    });
  });

  test("does not take the word of a promotion of what was not built", async () => {
    const result = await origins((lab) => {
      byHand(lab, "e");
      lab.journal.set(shaOf("5"), [{ event: "carried-out", at, environment: "staging", promotion: shaOf("2") }]);
      lab.journal.set(shaOf("6"), [{ event: "carried-out", at, environment: "production", promotion: shaOf("2") }]);
    });
    expect(result).toMatchObject({ status: "fail", observed: expect.stringContaining("neither the seed's nor built") });
  });

  test("takes a release that the seed's records ask for as built", async () => {
    const result = await origins((lab) => {
      lab.journal.delete(shaOf("2"));
      const seed = lab.commits.at(-1)!;
      const record = { "promotion/staging.yaml": `tag: ${tagOf("develop", "0.2.0")}\ndigest: ${digestOf("b")}\n` };
      lab.commits[lab.commits.length - 1] = { ...seed, files: { ...seed.files, ...record } };
    });
    expect(result).toMatchObject({ status: "pass" });
  });

  test("fails for what another pod of the environment runs, set by hand or by another file", async () => {
    const stranger = (lab: LabState, digest: string) =>
      lab.objects.push(pod("production", "stranger", `quay.io/somebody/else@${digestOf(digest)}`));
    expect(await origins((lab) => stranger(lab, "e"))).toMatchObject({
      status: "fail",
      observed: `Pod production/stranger runs ${digestOf("e")}, which is neither the seed's nor built by the pipeline: no commit names it.`,
    });
    const inFile = await origins((lab) => {
      lab.commit("5", "More", "Mallory", { "flux/apps/backend/base/extra.yaml": `image: quay.io/somebody/else@${digestOf("e")}` });
      lab.reconcile();
      stranger(lab, "e");
    });
    expect(inFile).toMatchObject({
      status: "fail",
      observed: expect.stringContaining("never named it; commit 5555555 by Mallory was the first that did, elsewhere"),
    });
    // What the environment had before may still be about.
    expect(await origins((lab) => stranger(lab, "a"))).toMatchObject({ status: "pass" });
  });

  test("takes no notice of develop", async () => {
    expect(await origins((lab) => lab.deploy("5", "develop", "0.9.0", "e"))).toMatchObject({ status: "pass" });
  });

  test("knows a platform's part of an image", async () => {
    const result = await origins((lab) => {
      lab.manifests.set(digestOf("b"), { digest: digestOf("b"), parts: [digestOf("c")] });
      lab.objects.push(pod("production", "other", digestOf("c")));
    });
    expect(result).toMatchObject({ status: "pass" });
  });

  test("is an error where the journal can't be read", async () => {
    const result = await origins(() => {}, { git: unreachable("127.0.0.1:3000") });
    expect(result).toMatchObject({ status: "error" });
  });
});

test("elsewhere the journal is others' to write, and the check is what it was", async () => {
  expect(await ask(deployedDigest, (lab) => byHand(lab, "e"))).toMatchObject({ status: "pass" });
});

test("a bundle fails for an image without a history", async () => {
  const bundle = await collect((lab) => {
    embedded(lab);
    byHand(lab, "e");
  });
  expect(bundle.verdict).toBe("fail");
  expect(bundle.items.find(({ id }) => id === "deployed-digest")?.result).toMatchObject({ status: "fail" });
});

describe("what an overlay names", () => {
  const named = async (text: string) => desiredImage({ readFile: async () => text }, "tip", environments[2], repository);

  test("is its one image", async () => {
    expect(await named(kustomization("production", "0.1.0", "a"))).toEqual({
      repository,
      tag: tagOf("production", "0.1.0"),
      digest: digestOf("a"),
    });
  });

  test.each([
    [
      "two entries under one name",
      [
        { name: "backend", newName: repository },
        { name: "backend", newName: repository, newTag: "x" },
      ],
    ],
    [
      "an entry that goes by the image's own name",
      [
        { name: "backend", newName: repository },
        { name: repository, newTag: "x" },
      ],
    ],
    ["an entry that takes the image away", [{ name: repository, newName: "other" }]],
  ])("is nothing with %s", async (_, images) => {
    expect(await named(JSON.stringify({ images }))).toBeUndefined();
  });
});
