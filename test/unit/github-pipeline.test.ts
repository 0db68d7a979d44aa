import { describe, expect, test } from "vitest";
import { parse, parseDocument } from "yaml";
import { z } from "zod";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";

const params = template.params.parse({});
const context = {
  params,
  learner: { id: "ada", name: "Ada Example", email: "ada@example.org" },
  imageRepository: "ghcr.io/course/ada-backend",
  insecureRegistry: false,
  gitUrl: "https://github.com/course/ada.git",
  branch: "trunk",
  digests: Object.fromEntries(template.releases(params).map(({ version }, index) => [version, `sha256:${String(index).repeat(64)}`])),
};
const seed = template.seed({ ...context, gitHost: "github" });
const embedded = template.seed(context);
const ours = Object.keys(seed).filter((path) => path.startsWith(".github/"));

const Step = z.strictObject({
  uses: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  run: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const Job = z.looseObject({ permissions: z.record(z.string(), z.string()), uses: z.string().optional(), steps: z.array(Step).default([]) });
const Workflow = z.looseObject({
  name: z.string(),
  on: z.record(z.string(), z.any()),
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(z.string(), Job),
});
const read = (name: string, files = seed) => Workflow.parse(parse(files[`.github/workflows/${name}.yaml`]!));
const names = ["build", "promote", "take-proposal"] as const;

describe("the seed for GitHub", () => {
  test("has the workflows and their scripts, and is the embedded one else", () => {
    expect(ours.toSorted()).toEqual([
      ...["build", "install-crane", "lib", "promote", "settings", "take-proposal"].map((name) => `.github/pipeline/${name}.sh`),
      ...names.map((name) => `.github/workflows/${name}.yaml`),
    ]);
    expect(Object.keys(embedded).toSorted()).toEqual(
      Object.keys(seed)
        .filter((path) => !ours.includes(path))
        .toSorted(),
    );
    expect(template.seed({ ...context, gitHost: "embedded" })).toEqual(embedded);
    expect(Object.keys(embedded).filter((path) => seed[path] !== embedded[path])).toEqual(["README.md"]);
  });

  test("says in the README where the pipeline tells what it did", () => {
    expect(embedded["README.md"]).toContain("tells you in the answer to your push.");
    expect(seed["README.md"]).toContain("tells you in the run of its workflow, on this repository's Actions page.");
  });

  test("tells the scripts of the lab, and leaves the shell's own places alone", () => {
    expect(seed[".github/pipeline/settings.sh"]).toContain(
      [
        "main='trunk'",
        "# Without a tag.",
        "image_repository='ghcr.io/course/ada-backend'",
        "insecure_registry='false'",
        "# In the order of promotion.",
        "environments=(develop staging production)",
      ].join("\n"),
    );
    expect(seed[".github/pipeline/promote.sh"]).toContain("${environments[index]}");
  });

  test("is bash that ends at the first failure", () => {
    for (const path of ours.filter((path) => path.endsWith(".sh") && !path.endsWith("/settings.sh")))
      expect(seed[path]!.split("\n"), path).toContain("set -euo pipefail");
  });
});

describe.each(names)("the workflow %s", (name) => {
  const text = seed[`.github/workflows/${name}.yaml`]!;
  const workflow = read(name);
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

  test("is YAML without a place left open", () => {
    expect(parseDocument(text).errors).toEqual([]);
    expect(workflow.name).toBe(name);
    expect(text.replaceAll(/\$\{\{ [^{}]+ \}\}/g, "")).not.toContain("${");
  });

  test("may do nothing but what its job needs", () => {
    expect(workflow.permissions).toEqual({});
    for (const [job, { permissions }] of Object.entries(workflow.jobs)) {
      expect(permissions, job).toEqual(job === "take-proposal" ? { contents: "write" } : { contents: "write", packages: "write" });
    }
  });

  test("runs only scripts of the repository, with nothing of an event in them", () => {
    for (const { run } of steps) expect(run ?? "bash .github/pipeline/x.sh").toMatch(/^bash \.github\/pipeline\/[\w-]+\.sh$/);
    for (const { run } of steps) if (run) expect(seed).toHaveProperty([run.slice("bash ".length)]);
    expect(text).not.toContain("github.event");
  });

  test("takes other people's actions by commit, and only from GitHub's own", () => {
    for (const { uses } of steps) if (uses) expect(uses).toMatch(/^actions\/[\w-]+@[0-9a-f]{40}$/);
    for (const { uses } of Object.values(workflow.jobs)) expect(uses ?? "./.github/workflows/").toMatch(/^\.\/\.github\/workflows\//);
  });

  test("has the whole history of the branch, whatever was pushed", () => {
    expect(steps.filter(({ uses }) => uses?.startsWith("actions/checkout@")).map((step) => step.with)).toEqual([
      { ref: "trunk", "fetch-depth": 0 },
    ]);
  });
});

test("each workflow runs on what it is for", () => {
  expect(read("build").on).toEqual({ push: { branches: ["trunk"], paths: ["app/**"] } });
  expect(read("promote").on).toEqual({ push: { branches: ["trunk"], paths: ["promotion/**"] } });
  expect(read("take-proposal").on).toEqual({ push: { branches: ["image-updates/**"] }, workflow_call: null });
});

test("runs of one workflow wait for each other, and none drops another's", () => {
  const groups = [
    read("build")["concurrency"],
    read("promote")["concurrency"],
    read("take-proposal").jobs["take-proposal"]!["concurrency"],
  ];
  expect(groups).toEqual(names.map((group) => ({ group })));
});

test("GitHub's registry gets the job's token; another one never does", () => {
  const env = (files: typeof seed) => read("promote", files).jobs["promote"]!.steps.at(-1)!.env;
  expect(env(seed)).toEqual({ REGISTRY_USERNAME: "${{ github.actor }}", REGISTRY_PASSWORD: "${{ secrets.GITHUB_TOKEN }}" });
  const elsewhere = template.seed({ ...context, gitHost: "github", imageRepository: "registry.example.org/ada/backend" });
  expect(env(elsewhere)).toEqual({
    REGISTRY_USERNAME: "${{ secrets.REGISTRY_USERNAME }}",
    REGISTRY_PASSWORD: "${{ secrets.REGISTRY_PASSWORD }}",
  });
  expect(read("promote", elsewhere).jobs["promote"]!.permissions).toEqual({ contents: "write", packages: "none" });
});
