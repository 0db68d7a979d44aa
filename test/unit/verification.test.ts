import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { environments } from "../../shared/names.ts";
import { formatImage, imageIdDigest, isImmutableTag, parseImage } from "../../verification/image-reference.ts";
import { waitingFor } from "../../verification/readiness.ts";
import { renderReports, toJson } from "../../verification/render.ts";
import type { CheckReport, CheckResult, EvidenceCheck } from "../../verification/types.ts";
import { verdict } from "../../verification/verdict.ts";
import { runChecks, verifyLearner } from "../../verification/verify.ts";
import { digestOf, LabState } from "../support/lab-state.ts";

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
const digest = hex(64).map((text) => `sha256:${text}`);
const name = fc.stringMatching(/^[a-z0-9]{1,8}(:[1-9][0-9]{1,3})?(\/[a-z0-9]{1,8}){1,3}$/);
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);

describe("image references", () => {
  test("every way to write an imageID gives its digest", () => {
    const prefix = fc.constantFrom("", "docker-pullable://", "docker://", "containerd://");
    fc.assert(
      fc.property(prefix, name, fc.option(tag, { nil: undefined }), digest, (scheme, repository, tagged, expected) => {
        expect(imageIdDigest(`${scheme}${formatImage({ repository, tag: tagged, digest: expected })}`)).toBe(expected);
        expect(imageIdDigest(`${scheme}${expected}`)).toBe(expected);
      }),
    );
  });

  test("what is no whole digest is none", () => {
    fc.assert(fc.property(name, tag, (repository, tagged) => imageIdDigest(`${repository}:${tagged}`) === undefined));
    for (const imageId of ["", "sha256:", digestOf("a").slice(0, -1), `${digestOf("a")}0`, digestOf("G")]) {
      expect(imageIdDigest(imageId)).toBeUndefined();
    }
  });

  test("formatting and parsing are inverse", () => {
    const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    fc.assert(
      fc.property(name, optional(tag), optional(digest), (repository, tagged, digested) => {
        const image = { repository, tag: tagged, digest: digested };
        expect(parseImage(formatImage(image))).toEqual(image);
      }),
    );
  });

  test("a tag is immutable in the family of its own environment only", () => {
    fc.assert(
      fc.property(fc.constantFrom(...environments), fc.constantFrom(...environments), hex(7), (family, environment, revision) => {
        expect(isImmutableTag(`${family}-v1.2.3-${revision}-1790000000`, environment)).toBe(family === environment);
      }),
    );
    for (const other of [
      "latest",
      "production",
      "v1.2.3",
      "production-v1.2-0123abc-1790000000",
      "x-production-v1.2.3-0123abc-1790000000",
    ]) {
      expect(isImmutableTag(other, "production")).toBe(false);
    }
  });
});

describe("waitingFor", () => {
  const expected = [{ kind: "Kustomization", namespace: "flux-system", name: "apps-production" }];

  test("nothing, when all is ready", () => {
    expect(
      waitingFor(
        new LabState().objects.filter(({ kind }) => kind === "Kustomization"),
        expected,
      ),
    ).toEqual([]);
  });

  test("one sentence for what is missing and for what is not ready, with the condition's message", () => {
    const lab = new LabState();
    lab.remove("Kustomization", "apps-production");
    lab.find("Kustomization", "apps-staging")["status"].conditions = [
      { type: "Ready", status: "Unknown", reason: "Progressing", message: "Reconciliation in progress\n" },
    ];
    lab.find("Kustomization", "apps-develop")["spec"].suspend = true;
    expect(
      waitingFor(
        lab.objects.filter(({ kind }) => kind === "Kustomization"),
        expected,
      ),
    ).toEqual([
      "Kustomization flux-system/apps-production does not exist yet.",
      "Kustomization flux-system/apps-develop is suspended.",
      "Kustomization flux-system/apps-staging is not ready: Progressing: Reconciliation in progress.",
    ]);
  });
});

const answer = (result: CheckResult): CheckReport => ({
  id: "item",
  title: "Item",
  command: "look",
  observedAt: "2026-11-02T10:00:00.000Z",
  result,
});
const pass = answer({ status: "pass", basis: "live", observed: "as it should be" });
const simulated = answer({ status: "pass", basis: "simulated", observed: "as it should be" });
const fail = answer({ status: "fail", basis: "simulated", expected: "one", observed: "two\nthree", hint: "Try again." });
const error = answer({ status: "error", reason: "the cluster is away" });

test.each([
  ["pass", [pass, simulated]],
  ["fail", [pass, fail]],
  ["error", [pass, error]],
  ["fail", [error, fail]],
  ["error", []],
] as const)("verdict %s", (expected, reports) => {
  expect(verdict(reports)).toBe(expected);
});

describe("running checks", () => {
  test("a check that throws is an error, and the others still answer", async () => {
    const check = (id: string, run: () => Promise<CheckResult>) => ({ id, title: id, command: id, run });
    const reports = await runChecks(
      [
        check("throws", () => {
          throw new TypeError("x is undefined");
        }),
        check("answers", async () => pass.result),
      ],
      new LabState().context(),
    );
    expect(reports.map(({ id, result }) => [id, result])).toEqual([
      ["throws", { status: "error", reason: "x is undefined" }],
      ["answers", pass.result],
    ]);
  });

  test("a kubeconfig that can't be read is an error of every check", async () => {
    const { learner } = new LabState();
    const check: EvidenceCheck = {
      id: "pods",
      title: "Pods",
      command: "kubectl get pods",
      run: async ({ kube }) => ({ status: "pass", basis: "live", observed: `${(await kube.list("v1", "Pod")).length} pods` }),
    };
    const reports = await verifyLearner(learner, [check, check], environments, { kubeconfig: "clusters: []" });
    expect(reports.map(({ result }) => result)).toEqual(
      Array.from({ length: 2 }, () => ({ status: "error", reason: expect.stringContaining("kubeconfig") })),
    );
  });
});

describe("rendering", () => {
  const ada = { id: "ada", name: "Ada Lovelace", reports: [pass, simulated, fail, error] };

  test("text names every status, and what is simulated", () => {
    expect(renderReports([ada], { colour: false })).toBe(
      [
        "ada (Ada Lovelace): fail",
        "  ✓ Item: as it should be",
        "  ✓ Item (simulated pods): as it should be",
        "  ✗ Item (simulated pods)",
        "      expected  one",
        "      observed  two",
        "                three",
        "      hint      Try again.",
        "  ? Item: could not look",
        "      reason    the cluster is away",
        "",
      ].join("\n"),
    );
  });

  test("both tell what has become of the promotion, and of a paused lab nothing else", () => {
    const value = { environment: "production", state: "rolled-back", applied: true, says: "production is rolled back\nto x" } as const;
    const back = { ...ada, promotion: { status: "observed", value } as const };
    expect(renderReports([back], { colour: false })).toMatch(
      /^ada \(Ada Lovelace\): fail\n {2}• production is rolled back to x\n {2}✓ Item/,
    );
    const drifted = { ...ada, promotion: { status: "observed", value: { ...value, state: "changed-outside-git" } } as const };
    expect(renderReports([drifted], { colour: false })).toMatch(/\n {2}! production is rolled back to x\n/);
    const blind = { ...ada, promotion: { status: "error", reason: "the cluster is away" } as const };
    expect(renderReports([blind], { colour: false })).toMatch(/\n {2}\? What has become of the promotion could not be seen: the cluster/);
    const paused = { ...ada, reports: [], paused: "./lab resume ada" };
    expect(renderReports([paused], { colour: false })).toBe(
      "ada (Ada Lovelace): paused\n  Nothing was looked at; `./lab resume ada` brings the lab back.\n",
    );
    expect(toJson([back, { ...paused, id: "bob" }]).learners).toMatchObject({
      ada: { verdict: "fail", promotion: { value } },
      bob: { verdict: "error", paused: true, reports: [] },
    });
  });

  test("both tell whose lab should be in a room and is not", () => {
    const bare = { ...ada, isolation: "none" as const, noRoom: "No room: it runs\nbeside others." };
    expect(renderReports([bare], { colour: false })).toMatch(
      /^ada \(Ada Lovelace\): fail\n {2}! No room: it runs beside others\.\n {2}✓ Item/,
    );
    expect(toJson([bare]).learners["ada"]).toMatchObject({ isolation: "none", verdict: "fail" });
    expect(renderReports([{ ...ada, isolation: "room" }], { colour: false })).toBe(renderReports([ada], { colour: false }));
  });

  test("colour only when asked", () => {
    expect(renderReports([ada], { colour: true })).toContain("\u001b[32m✓\u001b[39m");
    expect(renderReports([ada], { colour: false })).not.toContain("\u001b");
  });

  test("control characters of others do not reach the terminal", () => {
    const evil = answer({ status: "pass", basis: "live", observed: "by \u001b[2J\u001b]0;title\u0007Eve\r\n  ✓ Other item\u202e" });
    const text = renderReports([{ id: "eve", name: "Eve\u001b[31m", reports: [evil] }], { colour: false });
    expect(text).toBe("eve (Eve): pass\n  ✓ Item: by Eve   ✓ Other item\n");
  });

  test("JSON carries the reports as they are", () => {
    expect(toJson([ada])).toEqual({
      schemaVersion: 1,
      learners: { ada: { name: "Ada Lovelace", verdict: "fail", reports: ada.reports } },
    });
  });
});
