import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { drills } from "../../lab-templates/gitops-promotion/drills/drills.ts";
import { patternTroubles } from "../../lab-templates/gitops-promotion/drills/pattern-probe.ts";
import type { CheckContext, CheckResult } from "../../verification/types.ts";
import { runChecks } from "../../verification/verify.ts";
import { digestOf, LabState, managed, shaOf, tagOf, unreachable } from "../support/lab-state.ts";

const since = new Date("2026-11-02T10:00:00Z");
const at = (time: string) => `2026-11-02T${time}Z`;

/** What a drill's check says about a healthy lab, bent. */
async function check(id: string, bend: (lab: LabState) => void = () => {}, context: Partial<CheckContext> = {}): Promise<CheckResult> {
  const drill = drills.find((one) => one.id === id);
  if (drill === undefined) throw new Error(`there is no drill ${id}`);
  const lab = new LabState();
  bend(lab);
  const asked = { id, title: drill.title, command: "", run: (looked: CheckContext) => drill.check(looked, since) };
  const [report] = await runChecks([asked], lab.context(context));
  return report!.result;
}

const fails = (says: string | RegExp) => ({ status: "fail", observed: expect.stringMatching(says) });
const cannotLook = (says: string | RegExp) => ({ status: "error", reason: expect.stringMatching(says) });

/** A commit that changes the app, pushed and built. */
function ship(lab: LabState, letter: string, version: string, digest: string, time: string, by = "ada"): void {
  lab.commit(letter, `Release ${version}`, by, { "app/VERSION": `${version}\n` });
  lab.journal.set(shaOf(letter), [
    { event: "received", at: at(time), by, branch: "main" },
    { event: "built", at: at(time), version, tag: tagOf("develop", version), digest: digestOf(digest) },
  ]);
  lab.manifests.set(digestOf(digest), { digest: digestOf(digest), parts: [digestOf("9")] });
  lab.reconcile();
}

const setByHand = (lab: LabState) =>
  lab.find("Deployment", "backend", "production")["metadata"].managedFields.push(managed("kubectl-set", "Update", { image: {} }));

describe("every drill", () => {
  test("has an id of its own, hints, and a briefing", () => {
    expect(new Set(drills.map(({ id }) => id)).size).toBe(9);
    for (const { id, hints, briefing } of drills)
      expect({ id, hints: hints.length >= 3, briefing: briefing.length > 100 }).toEqual({ id, hints: true, briefing: true });
  });

  test.each(drills.map(({ id }) => id))("%s does not pass where nothing can be looked at", async (id) => {
    expect(await check(id, () => {}, { git: unreachable("git"), kube: unreachable("kube"), registry: unreachable("registry") })).toEqual(
      cannotLook(/ECONNREFUSED/),
    );
  });
});

describe("bad-image", () => {
  const broken = (lab: LabState) => {
    ship(lab, "5", "0.3.99", "c", "10:00:10", "ada.colleague");
    lab.deploy("6", "develop", "0.3.99", "c");
    Object.assign(lab.find("Deployment", "backend", "develop")["status"], { replicas: 3, updatedReplicas: 1 });
  };

  test("fails while develop is to run the image that crashes", async () => {
    expect(await check("bad-image", broken)).toMatchObject(
      fails(
        /Git sets develop-v0\.3\.99-.* the image that crashes\. Deployment develop\/backend has 2 of 2 pods available, 1 of them of the new version/,
      ),
    );
  });

  test("does not take a revert of the image update for a repair", async () => {
    expect(
      await check("bad-image", (lab) => {
        broken(lab);
        lab.deploy("7", "develop", "0.2.0", "b");
      }),
    ).toMatchObject(fails(/Git sets develop-v0\.2\.0-.* which was not built after 0\.3\.99/));
  });

  test("fails where the image that crashes was promoted", async () => {
    expect(
      await check("bad-image", (lab) => {
        broken(lab);
        lab.journal.set(shaOf("6"), [
          { event: "promoted", at: at("10:01:00"), environment: "staging", tag: tagOf("staging", "0.3.99"), digest: digestOf("c") },
        ]);
      }),
    ).toMatchObject(fails(/was promoted to staging/));
  });

  test("passes with a good version built after it", async () => {
    expect(
      await check("bad-image", (lab) => {
        broken(lab);
        ship(lab, "7", "0.4.0", "d", "10:02:00");
        Object.assign(lab.find("Deployment", "backend", "develop")["status"], { replicas: 2, updatedReplicas: 2 });
        lab.deploy("8", "develop", "0.4.0", "d");
      }),
    ).toMatchObject({ status: "pass", observed: expect.stringContaining("never left develop") });
  });

  test("says so where the journal has no build of the colleague", async () => {
    expect(await check("bad-image")).toEqual(cannotLook(/names no build of the colleague/));
  });
});

describe("loosened-regex", () => {
  const path = "flux/apps/backend/production/image-policy.yaml";
  const tight = "^production-v[0-9]+\\.[0-9]+\\.[0-9]+-[0-9a-f]{7,40}-(?P<ts>[0-9]{10})$";
  const loose = "v[0-9]+\\.[0-9]+\\.[0-9]+-[0-9a-f]+-(?P<ts>[0-9]+)";
  const set = (lab: LabState, inGit: string, live: string) => {
    lab.commit("5", "Pattern", "Casey", { [path]: JSON.stringify({ spec: { filterTags: { pattern: inGit, extract: "$ts" } } }) });
    lab.find("ImagePolicy", "backend", "production")["spec"] = { filterTags: { pattern: live, extract: "$ts" } };
  };

  test("fails while the pattern takes an image of develop", async () => {
    expect(await check("loosened-regex", (lab) => set(lab, loose, loose))).toMatchObject(
      fails(/takes develop-v1\.2\.3-0123abc-1790000000: an image of develop/),
    );
  });

  test("does not take half a repair", async () => {
    expect(await check("loosened-regex", (lab) => set(lab, tight.replace("$", ""), tight))).toMatchObject(fails(/the end is not anchored/));
  });

  test("wants the cluster to have what Git says", async () => {
    expect(await check("loosened-regex", (lab) => set(lab, tight, loose))).toMatchObject(
      fails(/The policy in the cluster has the pattern v/),
    );
  });

  test("fails where the policy still holds the strange image", async () => {
    expect(
      await check("loosened-regex", (lab) => {
        set(lab, tight, tight);
        lab.find("ImagePolicy", "backend", "production")["status"].latestRef.tag = tagOf("develop", "0.3.0");
      }),
    ).toMatchObject(fails(/selected develop-v0\.3\.0-.* no immutable tag of production/));
  });

  test("passes with the pattern in both", async () => {
    expect(await check("loosened-regex", (lab) => set(lab, tight, tight))).toMatchObject({ status: "pass" });
  });

  test.each([
    [tight, "$ts", ""],
    [tight, "", "it extracts"],
    [tight.replace("{10}", "+"), "$ts", "fewer digits"],
    [tight.replace("^", ""), "$ts", "hotfix-production"],
    [tight.replaceAll("\\.", "."), "$ts", "dots of the version"],
    [tight.replace("production", "[a-z]+"), "$ts", "an image of develop"],
    ["^production-(?P<ts>.*)$", "$ts", "production-latest"],
    [tight.replace("(?P<ts>[0-9]{10})", "(?P<ts>-?[0-9]{10})").replace("}-(?P", "}(?P"), "$ts", "it extracts"],
    ["^staging-v.*$", "$ts", "refuses production-v"],
    ["(", "$ts", "The pattern is invalid"],
  ])("pattern %s with extract %j: %j", (pattern, extract, says) => {
    const troubles = patternTroubles("production", pattern, extract).join("\n");
    if (says === "") expect(troubles).toBe("");
    else expect(troubles).toContain(says);
  });
});

describe("mutable-tag", () => {
  const environments = ["develop", "staging", "production"] as const;
  const tagged = (lab: LabState) =>
    environments.forEach((name) => lab.manifests.set(tagOf(name, "0.2.0"), { digest: digestOf("b"), parts: [] }));
  const moved = (lab: LabState) => {
    tagged(lab);
    lab.manifests.set(tagOf("production", "0.2.0"), { digest: digestOf("c"), parts: [] });
  };

  test("fails while production's tag names another image", async () => {
    expect(await check("mutable-tag", moved)).toMatchObject(
      fails(new RegExp(`${tagOf("production", "0.2.0")} is ${digestOf("b")} in Git; the registry has ${digestOf("c")}`)),
    );
  });

  test("fails where the tag was deleted instead", async () => {
    expect(
      await check("mutable-tag", (lab) => {
        tagged(lab);
        lab.manifests.delete(tagOf("production", "0.2.0"));
      }),
    ).toMatchObject(fails(/the registry has no such tag/));
  });

  test("does not let Git follow the tag that was moved", async () => {
    expect(
      await check("mutable-tag", (lab) => {
        moved(lab);
        lab.deploy("5", "production", "0.2.0", "c");
      }),
    ).toMatchObject(fails(new RegExp(`production runs ${digestOf("c")}`)));
  });

  test("passes when each tag names what Git says", async () => {
    expect(await check("mutable-tag", tagged)).toMatchObject({ status: "pass" });
  });
});

describe("rebuilt-image", () => {
  const rebuilt = (lab: LabState) =>
    Object.assign(lab.find("ImagePolicy", "backend", "staging")["status"].latestRef, {
      tag: "staging-v0.2.0-0123abc-1790000001",
      digest: digestOf("e"),
    });

  test("fails while the policy picks the stranger", async () => {
    expect(await check("rebuilt-image", rebuilt)).toMatchObject(
      fails(/Staging's policy picked .*staging-v0\.2\.0-0123abc-1790000001@.* built outside the pipeline/),
    );
  });

  test("does not let staging take the stranger", async () => {
    expect(await check("rebuilt-image", (lab) => lab.deploy("5", "staging", "0.2.0", "e"))).toMatchObject(
      fails(/Git sets in staging .* built outside the pipeline/),
    );
  });

  test("fails where policy and Git still differ", async () => {
    expect(
      await check("rebuilt-image", (lab) => {
        ship(lab, "5", "0.3.0", "c", "10:01:00");
        Object.assign(lab.find("ImagePolicy", "backend", "staging")["status"].latestRef, {
          tag: tagOf("staging", "0.3.0"),
          digest: digestOf("c"),
        });
      }),
    ).toMatchObject(fails(/ImagePolicy staging\/backend selected .*Git says/));
  });

  test("passes with a newer image of the pipeline", async () => {
    expect(
      await check("rebuilt-image", (lab) => {
        rebuilt(lab);
        ship(lab, "5", "0.3.0", "c", "10:01:00");
        lab.deploy("6", "staging", "0.3.0", "c");
      }),
    ).toMatchObject({ status: "pass", observed: expect.stringContaining(digestOf("c")) });
  });
});

describe("manual-drift", () => {
  const suspend = (lab: LabState) => (lab.find("Kustomization", "apps-production")["spec"].suspend = true);

  test("fails while production is suspended and set by hand", async () => {
    expect(
      await check("manual-drift", (lab) => {
        suspend(lab);
        setByHand(lab);
      }),
    ).toMatchObject(fails(/apps-production is suspended[^]*set by kubectl-set/));
  });

  test("does not take setting the image back by hand for a repair", async () => {
    expect(await check("manual-drift", suspend)).toMatchObject(fails(/apps-production is suspended/));
    expect(await check("manual-drift", setByHand)).toMatchObject(fails(/set by kubectl-set, not by Flux alone/));
  });

  test("passes when Flux alone set what Git says", async () => {
    expect(await check("manual-drift")).toMatchObject({ status: "pass" });
  });

  test("can't say who set an image that nobody owns", async () => {
    expect(await check("manual-drift", (lab) => (lab.find("Deployment", "backend", "production")["metadata"].managedFields = []))).toEqual(
      cannotLook(/does not say who set its image/),
    );
  });
});

describe("rollbacks", () => {
  beforeEach(() => void vi.useFakeTimers({ now: new Date(at("10:10:00")), toFake: ["Date"] }));
  afterEach(() => void vi.useRealTimers());

  const revert = (lab: LabState, letter: string, of: string, time: string) => {
    lab.deploy(letter, "production", "0.1.0", "a", `This reverts commit ${shaOf(of)}.\n`);
    lab.receive(letter, at(time));
  };
  const fight = (lab: LabState, letter: string, time: string) => {
    lab.deploy(letter, "production", "0.2.0", "b");
    lab.receive(letter, at(time), "ada.flux");
  };

  describe("rollout-undo", () => {
    test("fails while nothing was reverted in Git", async () => {
      expect(await check("rollout-undo")).toMatchObject(fails(/No commit since .* reverts/));
    });

    test("does not count a rollback by hand", async () => {
      expect(
        await check("rollout-undo", (lab) => {
          revert(lab, "5", "4", "10:01:00");
          setByHand(lab);
        }),
      ).toMatchObject(fails(/set by kubectl-set/));
    });

    test.each([
      ["ada", { status: "pass" }],
      ["ada.flux", fails(/No commit since/)],
    ])("counts an image set back in Git by %s, or not", async (by, outcome) => {
      expect(
        await check("rollout-undo", (lab) => {
          lab.deploy("5", "production", "0.1.0", "a");
          lab.receive("5", at("10:01:00"), by);
        }),
      ).toMatchObject(outcome);
    });

    test("wants it to hold for two intervals", async () => {
      expect(await check("rollout-undo", (lab) => revert(lab, "5", "4", "10:09:00"))).toMatchObject(
        fails(/60 s ago; it must hold for 120 s/),
      );
      expect(await check("rollout-undo", (lab) => revert(lab, "5", "4", "10:08:00"))).toMatchObject({ status: "pass" });
    });
  });

  describe("fought-revert", () => {
    const path = "flux/apps/backend/production/image-automation.yaml";
    const push = (lab: LabState, letter: string, branch: string, live = branch) => {
      lab.commit(letter, "Push", "Casey", { [path]: JSON.stringify({ spec: { git: { push: { branch } } } }) });
      lab.find("ImageUpdateAutomation", "backend", "production")["spec"].git.push.branch = live;
    };
    const fought = (lab: LabState) => {
      push(lab, "5", "main");
      revert(lab, "6", "4", "10:00:10");
      fight(lab, "7", "10:00:20");
    };

    test("fails while the automation pushes to the branch that Flux follows", async () => {
      expect(await check("fought-revert", fought)).toMatchObject(
        fails(/pushes straight to main.* 10 s later commit 7777777 by gitops-lab-bot/),
      );
    });

    test("does not take another plain revert for a repair", async () => {
      expect(
        await check("fought-revert", (lab) => {
          fought(lab);
          revert(lab, "8", "7", "10:05:00");
        }),
      ).toMatchObject(fails(/pushes straight to main/));
    });

    test("wants the automation in the cluster as in Git", async () => {
      expect(
        await check("fought-revert", (lab) => {
          fought(lab);
          push(lab, "8", "image-updates/production", "main");
        }),
      ).toMatchObject(fails(/in the cluster pushes to main/));
    });

    test("wants the rollback too", async () => {
      expect(
        await check("fought-revert", (lab) => {
          fought(lab);
          push(lab, "8", "image-updates/production");
        }),
      ).toMatchObject(fails(/commit 7777777 by gitops-lab-bot set .* again/));
    });

    test("passes when the rollback holds", async () => {
      expect(
        await check("fought-revert", (lab) => {
          fought(lab);
          push(lab, "8", "image-updates/production");
          revert(lab, "9", "7", "10:05:00");
        }),
      ).toMatchObject({ status: "pass", observed: expect.stringContaining("held for 300 s") });
    });
  });
});

describe("stuck-automation", () => {
  const path = "flux/bootstrap/infrastructure/image-repository.yaml";
  const use = (lab: LabState, inGit: string, live = inGit) => {
    lab.commit("5", "Credential", "Casey", { [path]: JSON.stringify({ spec: { secretRef: { name: inGit } } }) });
    lab.objects.push({
      apiVersion: "image.toolkit.fluxcd.io/v1",
      kind: "ImageRepository",
      metadata: { name: "backend", namespace: "flux-system", uid: "uid-scan", resourceVersion: "7", generation: 1 },
      spec: { secretRef: { name: live } },
      status: { observedGeneration: 1, conditions: [{ type: "Ready", status: "True", reason: "Succeeded", message: "ok" }] },
    });
    ship(lab, "6", "0.3.0", "c", "10:01:00", "ada.colleague");
  };
  const refuse = (lab: LabState) =>
    (lab.find("ImageRepository", "backend")["status"].conditions = [
      { type: "Ready", status: "False", reason: "ReadOperationFailed", message: "UNAUTHORIZED" },
    ]);

  test("fails while the scan is refused", async () => {
    expect(
      await check("stuck-automation", (lab) => {
        use(lab, "revoked");
        refuse(lab);
      }),
    ).toMatchObject(fails(/not ready: ReadOperationFailed: UNAUTHORIZED\. It uses the credential revoked/));
  });

  test("does not take a patch in the cluster for a repair", async () => {
    expect(await check("stuck-automation", (lab) => use(lab, "revoked", "backend-registry"))).toMatchObject(
      fails(/uses the credential backend-registry, Git says revoked/),
    );
  });

  test("wants the new image to arrive", async () => {
    expect(await check("stuck-automation", (lab) => use(lab, "backend-registry"))).toMatchObject(
      fails(/Develop runs .* the newest build is develop-v0\.3\.0/),
    );
    expect(
      await check("stuck-automation", (lab) => {
        use(lab, "backend-registry");
        lab.deploy("7", "develop", "0.3.0", "c");
      }),
    ).toMatchObject({ status: "pass" });
  });
});

describe("git-outage", () => {
  const report = (lab: LabState, incident: object, time = "10:01:30") => {
    lab.commit("5", "Outage", "Ada", { "incidents/git-outage.yaml": JSON.stringify(incident) });
    lab.receive("5", at(time));
    lab.reconcile();
  };
  const right = { reason: "GitOperationFailed", productionKeptRunning: true, recoveredBy: "flux-retries" };

  test("fails without a report", async () => {
    expect(await check("git-outage")).toMatchObject(fails(/There is no incidents\/git-outage\.yaml/));
  });

  test("does not count a report of an earlier outage", async () => {
    expect(await check("git-outage", (lab) => report(lab, right, "09:00:00"))).toMatchObject(fails(/from before this outage/));
  });

  test.each([
    [{ ...right, reason: "Timeout" }, /Ready condition was not "Timeout"/],
    [{ ...right, productionKeptRunning: false }, /Production did keep running/],
    [{ ...right, recoveredBy: "restart-controllers" }, /Nobody had to restart anything/],
    [{ ...right, recoveredBy: "prayer" }, /not in the form/],
    [{ reason: "GitOperationFailed" }, /not in the form/],
  ])("does not take %j", async (incident, says) => {
    expect(await check("git-outage", (lab) => report(lab, incident))).toMatchObject(fails(says));
  });

  test("passes with what was seen", async () => {
    expect(await check("git-outage", (lab) => report(lab, right))).toMatchObject({ status: "pass" });
  });

  test("has no verdict during the outage", async () => {
    expect(await check("git-outage", () => {}, { git: unreachable("git") })).toEqual(cannotLook(/ECONNREFUSED/));
  });
});
