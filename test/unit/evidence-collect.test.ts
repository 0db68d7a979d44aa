import { describe, expect, test } from "vitest";
import { environments } from "../../shared/names.ts";
import { renderMarkdown } from "../../verification/bundle/render-markdown.ts";
import { classify, type ImageChange } from "../../verification/bundle/git-chain.ts";
import { EvidenceBundle } from "../../verification/bundle/schema.ts";
import { collect } from "../support/evidence-bundle.ts";
import { digestOf, kustomization, type LabState, managed, overlay, repository, shaOf, tagOf, unreachable } from "../support/lab-state.ts";

describe("the evidence of a healthy lab", () => {
  test("is in the documented form and says what was seen", async () => {
    const bundle = await collect();
    expect(EvidenceBundle.parse(bundle)).toEqual(bundle);
    expect(bundle).toMatchObject({ verdict: "pass", cohort: "demo", learner: { id: "ada" } });
    expect(bundle.items.map(({ result }) => result.status)).toEqual(["pass", "pass", "pass", "pass"]);
    const image = { repository, tag: tagOf("production", "0.2.0"), digest: digestOf("b") };
    const live = <T>(value: T) => ({ status: "observed", basis: "live", value });
    expect(bundle.environments[2]).toEqual({
      name: "production",
      git: live(image),
      policy: live(image),
      deployment: live(image),
      runningDigest: live(digestOf("b")),
      promoted: live({ how: "git", managers: [{ manager: "kustomize-controller", operation: "Apply", time: "2026-11-02T10:00:00Z" }] }),
    });
    expect(bundle.rollback).toMatchObject(
      live({ commit: shaOf("4"), from: image, to: { repository, tag: tagOf("production", "0.1.0"), digest: digestOf("a") } }),
    );
    expect(bundle.reconciles).toMatchObject(
      live(
        expect.arrayContaining([
          expect.objectContaining({ kustomization: "apps-production", status: "ReconciliationSucceeded", totalReconciliations: 3 }),
        ]),
      ),
    );
    expect(bundle.gitChain).toMatchObject(
      live({ branch: "main", truncated: false, commits: [{ id: shaOf("4") }, {}, {}, { id: shaOf("1"), kind: "seed" }] }),
    );
  });

  test("holds no credential", async () => {
    expect(JSON.stringify(await collect())).not.toContain("secret");
  });

  test("tells what runs on simulated nodes apart from what is live", async () => {
    const bundle = await collect((lab) => (lab.learner.cluster.nodes = "simulated"));
    expect(bundle.environments.map(({ runningDigest, git }) => [runningDigest, git])).toMatchObject(
      environments.map(() => [{ basis: "simulated" }, { basis: "live" }]),
    );
  });
});

describe("what could not be seen is said, and nothing else is lost", () => {
  test("no cluster", async () => {
    const bundle = await collect(undefined, { kube: unreachable("127.0.0.1:6443") });
    const error = { status: "error", reason: expect.stringContaining("connect ECONNREFUSED 127.0.0.1:6443") };
    expect(bundle).toMatchObject({ verdict: "error", reconciles: error, rollback: error, gitChain: { status: "observed" } });
    expect(bundle.items.map(({ result }) => result)).toMatchObject([error, error, error, error]);
    expect(bundle.environments[0]).toMatchObject({
      git: { status: "observed" },
      policy: error,
      deployment: error,
      runningDigest: error,
      promoted: error,
    });
  });

  test("no Git", async () => {
    const bundle = await collect(undefined, { git: unreachable("127.0.0.1:3000") });
    expect(bundle).toMatchObject({ verdict: "error", gitChain: { status: "error" }, rollback: { status: "error" } });
    expect(bundle.environments[0]).toMatchObject({ git: { status: "error" }, policy: { status: "observed" } });
  });

  test("a deadline that has passed", async () => {
    const late = { status: "error", reason: "it could not be observed in time" };
    const bundle = await collect(undefined, { signal: AbortSignal.abort() });
    expect(bundle).toMatchObject({ verdict: "error", gitChain: late, reconciles: late, rollback: late });
  });

  test("what is not there is absent, not an error", async () => {
    const bundle = await collect((lab) => {
      lab.remove("Deployment", "backend", "production");
      lab.remove("ImagePolicy", "backend", "production");
      for (const object of lab.objects) if (object["kind"] === "Kustomization") delete object["status"].history;
    });
    const absent = { status: "absent", basis: "live", reason: expect.any(String) };
    expect(bundle.environments[2]).toMatchObject({ policy: absent, deployment: absent, runningDigest: absent, promoted: absent });
    expect(bundle).toMatchObject({ verdict: "fail", reconciles: absent, rollback: absent });
  });
});

describe("who set the image", () => {
  const promotedWith = async (...managers: ReturnType<typeof managed>[]) => {
    const bundle = await collect((lab) => (lab.find("Deployment", "backend", "production")["metadata"].managedFields = managers));
    return bundle.environments[2]?.promoted;
  };

  test.each(["kubectl-set", "kubectl-edit", "kubectl-rollout", "kubectl-client-side-apply"])("%s is manual", async (manager) => {
    expect(
      await promotedWith(managed("kustomize-controller", "Apply", { name: {} }), managed(manager, "Update", { image: {} })),
    ).toMatchObject({
      value: { how: "manual", managers: [{ manager, operation: "Update", time: "2026-11-02T10:00:00Z" }] },
    });
  });

  test("beside Flux is manual too", async () => {
    expect(
      await promotedWith(managed("kustomize-controller", "Apply", { image: {} }), managed("kubectl-edit", "Update", { image: {} })),
    ).toMatchObject({
      value: { how: "manual", managers: [{ manager: "kustomize-controller" }, { manager: "kubectl-edit" }] },
    });
  });

  test("other fields do not matter", async () => {
    expect(
      await promotedWith(managed("kustomize-controller", "Apply", { image: {} }), managed("kubectl-edit", "Update", { env: {} })),
    ).toMatchObject({
      value: { how: "git" },
    });
  });

  test("is an error where nobody owns it", async () => {
    expect(await promotedWith()).toMatchObject({ status: "error", reason: expect.stringContaining("no manager") });
  });
});

describe("a commit's kind", () => {
  const image = (digest: string) => ({ repository, tag: "any", digest: digestOf(digest) });
  const change = (environment: ImageChange["environment"], to: string, stageBefore?: string): ImageChange => ({
    environment,
    from: image("0"),
    to: image(to),
    stageBefore: stageBefore === undefined ? undefined : image(stageBefore),
  });
  test.each([
    ["seed", { parents: [] }, [change("develop", "a")]],
    ["image-update", { paths: [overlay("develop")] }, [change("develop", "b")]],
    ["image-update", { paths: [overlay("staging")] }, [change("staging", "b", "a")]],
    ["promotion", { paths: [overlay("staging")] }, [change("staging", "b", "b")]],
    ["promotion", { paths: [overlay("staging"), overlay("production")] }, [change("staging", "b", "b"), change("production", "c", "c")]],
    ["image-update", { paths: [overlay("develop"), overlay("staging")] }, [change("develop", "b"), change("staging", "b", "b")]],
    ["learner", { paths: [overlay("develop")] }, []],
    ["learner", { paths: ["README.md"] }, []],
    ["request", { paths: ["promotion/staging.yaml"] }, []],
    ["learner", { paths: ["promotion/develop.txt"] }, []],
    ["learner", { paths: ["promotion/staging.yaml", overlay("staging")] }, [change("staging", "b", "a")]],
    ["learner", { paths: [overlay("staging"), "README.md"] }, [change("staging", "b", "b")]],
  ] as const)("%s: %j", (kind, bent, changes) => {
    expect(classify({ parents: [shaOf("1")], paths: [], ...bent }, changes, environments)).toBe(kind);
  });

  test("comes with the images before and after, whoever it says wrote it", async () => {
    const bundle = await collect((lab) => {
      lab.commit("5", "Not what it says", "gitops-lab-bot", { "README.md": "hello" });
      lab.commit(
        "6",
        "Back",
        "Ada",
        { [overlay("production")]: kustomization("production", "0.1.0", "a") },
        `This reverts commit ${shaOf("4")}.\n`,
      );
    });
    const commits = bundle.gitChain.status === "observed" ? bundle.gitChain.value.commits : [];
    expect(commits.map(({ kind }) => kind)).toEqual(["revert", "learner", "promotion", "promotion", "image-update", "seed"]);
    expect(commits[0]).toMatchObject({
      reverts: shaOf("4"),
      changes: [{ environment: "production", from: { digest: digestOf("b") }, to: { digest: digestOf("a") } }],
    });
    expect(commits.at(-1)?.changes.map(({ environment, from }) => [environment, from])).toEqual(
      environments.map((name) => [name, undefined]),
    );
  });

  test("is a revert by what it does, whatever its message says", async () => {
    const back = { [overlay("production")]: kustomization("production", "0.1.0", "a") };
    const kindsOf = async (bend: (lab: LabState) => void, count: number) => {
      const bundle = await collect(bend);
      const commits = bundle.gitChain.status === "observed" ? bundle.gitChain.value.commits : [];
      return commits.slice(0, count).map(({ kind, reverts }) => (reverts === undefined ? kind : `${kind} of ${reverts[0]}`));
    };
    const messages = [
      "",
      "Refs: 4444444",
      `This reverts commit ${shaOf("4").slice(0, 8)}`,
      "Zurück auf die vorige Fassung",
      `This reverts commit ${shaOf("d")}.`,
    ];
    for (const message of messages)
      expect(await kindsOf((lab) => lab.commit("5", "Back", "Ada", back, message), 1)).toEqual(["revert of 4"]);
    expect(await kindsOf((lab) => lab.commit("5", "Back, and words", "Ada", { ...back, "README.md": "x" }), 1)).toEqual(["revert of 4"]);
    // One that says so and does something else.
    const other = { [overlay("production")]: kustomization("production", "0.3.0", "c") };
    expect(await kindsOf((lab) => lab.commit("5", "x", "Ada", other, `This reverts commit ${shaOf("4")}.`), 1)).toEqual(["image-update"]);
    // Automation that writes the image again, and a revert of the revert.
    const again = { [overlay("production")]: kustomization("production", "0.2.0", "b") };
    const forth = (body: string) => (lab: LabState) => {
      lab.commit("5", "Back", "Ada", back);
      lab.commit("6", "Forth", "Ada", again, body);
    };
    expect(await kindsOf(forth(""), 2)).toEqual(["promotion", "revert of 4"]);
    expect(await kindsOf(forth("This reverts commit 5555555."), 2)).toEqual(["revert of 5", "revert of 4"]);
    // What carries a promotion out is one, wherever it leads.
    const carried = (lab: LabState) => {
      forth("")(lab);
      lab.journal.set(shaOf("6"), [{ event: "carried-out", at: "2026-11-02T10:00:00Z", environment: "production", promotion: shaOf("1") }]);
    };
    expect(await kindsOf(carried, 1)).toEqual(["promotion"]);
    // Of other files: all of a commit, or what the message names.
    const words = (text: string) => ({ "README.md": text, "notes.md": text });
    const edited =
      (files: Record<string, string>, body = "") =>
      (lab: LabState) => {
        lab.commit("5", "Words", "Ada", words("a"));
        lab.commit("6", "Words", "Ada", words("b"));
        lab.commit("7", "Undo", "Ada", files, body);
      };
    expect(await kindsOf(edited(words("a")), 1)).toEqual(["revert of 6"]);
    expect(await kindsOf(edited({ ...words("a"), "more.md": "x" }), 1)).toEqual(["learner"]);
    expect(await kindsOf(edited({ ...words("a"), "more.md": "x" }, "macht 66666 rückgängig"), 1)).toEqual(["revert of 6"]);
    // Who asks for an image again asks.
    const asked = (lab: LabState) => {
      for (const [letter, text] of [
        ["5", "a"],
        ["6", "b"],
        ["7", "a"],
      ] as const)
        lab.commit(letter, "Ask", "Ada", { "promotion/staging.yaml": text });
    };
    expect(await kindsOf(asked, 1)).toEqual(["request"]);
  });

  test("comes with the request that it carries out, and with what the pipeline noted", async () => {
    const at = "2026-11-02T10:00:00Z";
    const bundle = await collect((lab) => {
      lab.commit("5", "Ask", "Ada", { "promotion/production.yaml": "tag: x\n" });
      lab.commit(
        "6",
        "Update",
        "bot",
        { [overlay("production")]: kustomization("production", "0.2.1", "b") },
        `x\n\nPromotion: production ${shaOf("5")}\n`,
      );
      lab.journal.set(shaOf("5"), [{ event: "received", at, by: "ada", branch: "main" }]);
    });
    const commits = bundle.gitChain.status === "observed" ? bundle.gitChain.value.commits : [];
    expect(commits.slice(0, 2)).toMatchObject([
      { kind: "promotion", carriesOut: shaOf("5"), journal: [] },
      { kind: "request", journal: [{ event: "received", by: "ada", at }] },
    ]);
    expect(renderMarkdown(bundle)).toContain(`${at} received from ada`);
  });

  test("a long history is cut and says so", async () => {
    const bundle = await collect((lab) => {
      for (let count = 0; count < 200; count++) {
        const id = String(count).padStart(40, "e");
        lab.commits.unshift({ ...lab.commits[0]!, id, parents: [lab.commits[0]!.id] });
      }
    });
    expect(bundle.gitChain).toMatchObject({ value: { truncated: true, commits: { length: 200 } } });
  });
});
