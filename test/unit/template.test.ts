import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { fillIn } from "../../lab-templates/gitops-promotion/files.ts";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { parseTag } from "../../shared/tags.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode } from "../../shared/errors.ts";
import { environments } from "../../shared/names.ts";
import { parseRecord } from "../../verification/promotion-record.ts";

const params = template.params.parse({});
const releases = template.releases(params);
const digests = Object.fromEntries(releases.map(({ version }, index) => [version, `sha256:${String(index).repeat(64)}`]));
const context = {
  params,
  learner: { id: "ada", name: "Ada $& Example", email: "ada@example.org" },
  imageRepository: "127.0.0.1:5000/ada/backend",
  insecureRegistry: true,
  gitUrl: "http://127.0.0.1:4000/git/ada/gitops.git",
  branch: "main",
  digests,
};
const seed = template.seed(context);

/** Only what the tests look at. */
const FluxObject = z.looseObject({
  kind: z.string(),
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
  spec: z.record(z.string(), z.any()).default({}),
});
const objects = (path: string) => parseAllDocuments(seed[path] ?? "").map((document) => FluxObject.parse(document.toJS()));
const object = (path: string) => objects(path)[0]!;

describe("the registry of templates", () => {
  test("knows the template by name", () => expect(labTemplate("gitops-promotion")).toBe(template));

  test("lists the known ones when asked for another", () => {
    expect(() => labTemplate("gitops")).toThrow(expect.objectContaining({ code: "template-unknown", exitCode: ExitCode.badInput }));
    expect(() => labTemplate("gitops")).toThrow(/"gitops".*gitops-promotion/);
  });
});

describe("the parameters", () => {
  test("all have a default", () => expect(params).toEqual({ replicas: 2, interval: "1m" }));

  test.each([{ replicas: 0 }, { replicas: 1.5 }, { interval: "1" }, { interval: "soon" }, { colour: "blue" }])("refuse %j", (wrong) =>
    expect(template.params.safeParse(wrong).success).toBe(false),
  );

  test("reach the files", () => {
    const files = template.seed({ ...context, params: { replicas: 3, interval: "30s" } });
    expect(parse(files["flux/apps/backend/base/deployment.yaml"]!).spec.replicas).toBe(3);
    expect(parse(files["flux/bootstrap/infrastructure/image-repository.yaml"]!).spec.interval).toBe("30s");
    expect(parse(files["flux/apps/backend/staging/image-automation.yaml"]!).spec.interval).toBe("30s");
  });
});

describe("the seed", () => {
  test("has the course's layout", () => {
    expect(Object.keys(seed).toSorted()).toEqual(
      [
        "README.md",
        ...["Dockerfile", "VERSION", "go.mod", "main.go", "main_test.go"].map((file) => `app/${file}`),
        ...["staging", "production"].map((environment) => `promotion/${environment}.yaml`),
        "flux/bootstrap/flux-system/kustomization.yaml",
        ...["image-automation", "image-repository", "kustomization", "namespaces", "policy-lab"].map(
          (file) => `flux/bootstrap/infrastructure/${file}.yaml`,
        ),
        ...["kustomization", ...environments].map((file) => `flux/bootstrap/apps/${file}.yaml`),
        "flux/apps/backend/kustomization.yaml",
        ...["kustomization", "namespace", ...policyLab.variants].map((file) => `flux/policy-lab/${file}.yaml`),
        ...["image-tracking", "policy-analysis"].map((file) => `exercises/${file}.yaml`),
        ...["deployment", "kustomization", "service"].map((file) => `flux/apps/backend/base/${file}.yaml`),
        ...environments.flatMap((environment) =>
          ["image-automation", "image-policy", "kustomization"].map((file) => `flux/apps/backend/${environment}/${file}.yaml`),
        ),
      ].toSorted(),
    );
  });

  test("is the same for the same context", () => expect(template.seed(structuredClone(context))).toEqual(seed));

  test("is well-formed YAML without a place left open", () => {
    for (const [path, text] of Object.entries(seed)) {
      expect(text, path).not.toContain("${");
      if (path.endsWith(".yaml"))
        expect(
          parseAllDocuments(text).flatMap(({ errors }) => errors),
          path,
        ).toEqual([]);
    }
  });

  test("takes names as they are", () => expect(seed["README.md"]).toContain("# Promotion lab of Ada $& Example"));

  test("holds the app that the images are built from", () => {
    for (const [path, text] of Object.entries(template.app(params))) expect(seed[`app/${path}`]).toBe(text);
  });

  test("refuses to deploy a release whose digest is unknown", () => {
    expect(() => template.seed({ ...context, digests: {} })).toThrow("0.1.0");
  });

  test.each(environments)("deploys the oldest release in %s, by tag and digest, where image automation will find them", (environment) => {
    const text = seed[`flux/apps/backend/${environment}/kustomization.yaml`]!;
    const tag = template.tag(environment, releases[0]!);
    expect(parse(text)).toMatchObject({
      namespace: environment,
      images: [{ name: "backend", newName: context.imageRepository, newTag: tag, digest: digests["0.1.0"] }],
    });
    // The comments are what the Setters strategy goes by, as JSON.
    const markers = text.split("\n").flatMap((line) => {
      const [, field, marker] = /^ +(\w+): \S+ # (\{.*\})$/.exec(line) ?? [];
      return marker === undefined ? [] : [[field, JSON.parse(marker)]];
    });
    expect(Object.fromEntries(markers)).toEqual({
      newTag: { $imagepolicy: `${environment}:backend:tag` },
      digest: { $imagepolicy: `${environment}:backend:digest` },
    });
  });

  test.each([
    ["staging", "develop"],
    ["production", "staging"],
  ] as const)("asks for the newest release in %s, as %s runs it", (environment, previous) => {
    const parsed = parseRecord(seed[`promotion/${environment}.yaml`]!);
    expect(parsed).toEqual({ record: { tag: template.tag(previous, releases.at(-1)!), digest: digests["0.2.0"] } });
  });

  test("names the app's version, which the newest release has", () => expect(seed["app/VERSION"]).toBe(`${releases.at(-1)!.version}\n`));

  test("makes each environment wait for the one before", () => {
    const chain = environments.map((environment) => object(`flux/bootstrap/apps/${environment}.yaml`));
    expect(chain.map(({ metadata, spec }) => [metadata.name, spec["path"], spec["dependsOn"], spec["wait"]])).toEqual([
      ["apps-develop", "./flux/apps/backend/develop", undefined, true],
      ["apps-staging", "./flux/apps/backend/staging", [{ name: "apps-develop" }], true],
      ["apps-production", "./flux/apps/backend/production", [{ name: "apps-staging" }], true],
    ]);
  });

  test("has a namespace for each environment, from which its policy may read the image repository", () => {
    const { spec } = object("flux/bootstrap/infrastructure/image-repository.yaml");
    expect(spec["image"]).toBe(context.imageRepository);
    expect(spec["insecure"]).toBe(true);
    expect(spec["accessFrom"].namespaceSelectors.flatMap(({ matchLabels }: { matchLabels: object }) => Object.values(matchLabels))).toEqual(
      [...environments],
    );
    expect(objects("flux/bootstrap/infrastructure/namespaces.yaml").map(({ metadata }) => metadata.name)).toEqual([...environments]);
  });

  test("applies the policy and the automation of every environment", () => {
    const { resources } = parse(seed["flux/apps/backend/kustomization.yaml"]!);
    expect(resources).toEqual(
      environments.flatMap((environment) => [`${environment}/image-policy.yaml`, `${environment}/image-automation.yaml`]),
    );
  });

  test.each(environments)("lets the automation of %s write to its own folder only", (environment) => {
    const { metadata, spec } = object(`flux/apps/backend/${environment}/image-automation.yaml`);
    expect(metadata.namespace).toBe(environment);
    expect(spec["update"]).toEqual({ strategy: "Setters", path: `./flux/apps/backend/${environment}` });
    const pushed = environment === "develop" ? "main" : `image-updates/${environment}`;
    expect([spec["git"].checkout.ref.branch, spec["git"].push.branch]).toEqual(["main", pushed]);
    expect(spec["git"].commit.author.name).toBe("gitops-lab-bot");
  });
});

describe("an environment's policy", () => {
  const policies = environments.map((environment) => {
    const { metadata, spec } = object(`flux/apps/backend/${environment}/image-policy.yaml`);
    // Go writes a named group with a P.
    return { environment, metadata, spec, pattern: new RegExp(spec["filterTags"].pattern.replace("(?P<", "(?<")) };
  });

  test.each(policies)("of $environment takes the newest by time and pins the digest", ({ environment, metadata, spec }) => {
    expect(metadata.namespace).toBe(environment);
    expect(spec["filterTags"].extract).toBe("$ts");
    expect(spec["policy"]).toEqual({ numerical: { order: "asc" } });
    expect(spec["digestReflectionPolicy"]).toBe("IfNotPresent");
  });

  test("takes exactly the tags of its own family", () => {
    const almostTag = fc
      .tuple(
        fc.constantFrom(...environments, "qa"),
        fc.constantFrom("-v", "-v", "-v", "-"),
        fc.constantFrom("0.1.0", "10.20.30", "1.0"),
        fc.oneof(fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 5, maxLength: 42 }), fc.constant("abcdefgh")),
        fc.constantFrom("1768208400", "9999999999", "999999999", "17682084000"),
      )
      .map(([environment, v, version, revision, created]) => `${environment}${v}${version}-${revision}-${created}`);
    fc.assert(
      fc.property(almostTag, (tag) => {
        for (const { environment, pattern } of policies) expect(pattern.test(tag)).toBe(parseTag(tag)?.environment === environment);
      }),
      { numRuns: 1000 },
    );
  });

  test("finds the newest release after the oldest", () => {
    for (const { environment, pattern } of policies) {
      const times = releases.map((release) => Number(pattern.exec(template.tag(environment, release))?.groups?.["ts"]));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(new Set(times).size).toBe(releases.length);
    }
  });
});

describe("the releases", () => {
  test("are two builds with revisions of their own", () => {
    expect(releases.map(({ version }) => version)).toEqual(["0.1.0", "0.2.0"]);
    expect(new Set(releases.map(({ revision }) => revision)).size).toBe(2);
  });

  test("have a tag per environment that says which build it is", () => {
    for (const release of releases) {
      for (const environment of environments) expect(parseTag(template.tag(environment, release))).toEqual({ environment, ...release });
    }
  });
});

describe("filling in", () => {
  test("refuses a name that has no value", () =>
    expect(() => fillIn({ "a.yaml": "x: ${nothing}" }, { something: 1 })).toThrow(/a\.yaml.*nothing/));

  test("leaves everything else alone", () => {
    const text = "a: ${one}{{ .Two }} $ts $imagepolicy {$} ${\n";
    expect(fillIn({ a: text }, { one: 1 })).toEqual({ a: text.replace("${one}", "1") });
  });
});

test("the evidence is the chapter's checklist, in its order", () => {
  expect(template.evidence.map(({ id }) => id)).toEqual(["reconcile-success", "image-policy-match", "deployed-digest", "rollback-commit"]);
});
