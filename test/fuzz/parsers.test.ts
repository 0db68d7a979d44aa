import { globSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const root = normalize(join(import.meta.dirname, "../.."));
const textOf = (file: string) => readFileSync(join(root, file), "utf8");

/** What a learner writes, who reads it, and the test in this folder that gives that reader generated inputs. */
const fuzzed: readonly (readonly [what: string, reader: string, test: string])[] = [
  ["promotion/<environment>.yaml", "verification/promotion-record.ts", "repository-files"],
  ["an overlay's kustomization.yaml, read", "verification/desired-image.ts", "repository-files"],
  ["an overlay's kustomization.yaml, changed by the pipeline", "host/pipeline/settle.ts", "repository-files"],
  ["app/VERSION", "host/pipeline/build.ts", "repository-files"],
  ["exercises/*.yaml: the form", "lab-templates/gitops-promotion/exercises/answers.ts", "repository-files"],
  ["exercises/image-tracking.yaml", "lab-templates/gitops-promotion/exercises/image-tracking.ts", "repository-files"],
  ["exercises/policy-analysis.yaml", "lab-templates/gitops-promotion/exercises/policy-analysis.ts", "repository-files"],
  ["files of the branch that drills look at", "lab-templates/gitops-promotion/drills/support.ts", "repository-files"],
  ["all YAML of a repository", "shared/yaml.ts", "repository-files"],
  ["tag patterns of ImagePolicies", "verification/policy-explanation.ts", "patterns"],
  ["the same in a drill", "lab-templates/gitops-promotion/drills/pattern-probe.ts", "patterns"],
  ["tags of images", "shared/tags.ts", "words"],
  ["references to images, also in a pod's status", "verification/image-reference.ts", "words"],
  ["intervals of Flux objects", "shared/go-duration.ts", "words"],
  ["messages of commits", "verification/bundle/git-chain.ts", "words"],
  ["notes of commits", "verification/journal.ts", "words"],
  ["anything that is shown", "shared/printable.ts", "words"],
  ["user names and passwords", "host/access.ts", "web"],
  ["scopes of registry tokens", "host/registry/tokens.ts", "words"],
  ["requests for tokens, the registry's notifications", "host/registry/tokens.ts", "web"],
  ["requests for Git without a credential", "host/git/smart-http.ts", "web"],
  ["requests for Git with one", "host/git/smart-http.ts", "git-requests"],
  ["refs of a push, as the hooks tell them", "host/git/hook-routes.ts", "web"],
  ["answers of Git's backend to all that", "host/git/cgi.ts", "web"],
  ["requests at the doors, byte by byte", "host/web/public.ts", "doors"],
  ["requests for images at the doors", "host/registry/gateway.ts", "doors"],
  ["manifests of images and names of manifests", "verification/registry-reader.ts", "doors"],
  ["commits: authors, messages, encodings, names of files, notes", "verification/git-reader.ts", "git-history"],
  ["the same for the pipeline", "host/pipeline/bare-repository.ts", "git-history"],
  ["objects of the learner's cluster", "verification/live-objects.ts", "cluster-objects"],
  ["conditions of Flux objects", "verification/readiness.ts", "cluster-objects"],
  ["managed fields of a Deployment", "verification/bundle/promoted.ts", "cluster-objects"],
  ["pods on the lab host's node", "host/lab-host-node/pod-status.ts", "cluster-objects"],
  ["answers to the quiz", "lab-templates/quiz.ts", "quiz"],
  ["answers to the quiz, in a file", "cli/commands/quiz.ts", "quiz"],
  ["answers to the quiz, typed", "cli/quiz/ask.ts", "quiz"],
  ["answers to the quiz, in a form", "dashboard/quiz-form.ts", "quiz"],
  ["records of exercises, drills and quizzes, which hold learners' words", "records/exercises.ts", "quiz"],
  ["records of drills", "records/drills.ts", "quiz"],
  ["records of quizzes", "records/quiz.ts", "quiz"],
  ["requests to the dashboard: paths, hosts, cookies, forms, tokens", "dashboard/server.ts", "dashboard"],
  ["learners and bundles that such a request names, and fields of its form", "dashboard/answers.ts", "dashboard"],
  ["what the dashboard's pages ask the course, should they turn against us", "dashboard/pages/words.ts", "dashboard"],
  ["pages with learners' words in them", "dashboard/views/learner.ts", "dashboard"],
  ["rosters, as programs save them", "stacks/roster.ts", "people"],
  ["cohort files", "stacks/load-spec.ts", "people"],
  ["the bytes of all files that people write or export", "shared/person-text.ts", "people"],
  ["the same on disk", "shared/person-file.ts", "people"],
  ["evidence bundles that are handed in", "verification/bundle/check-bundle.ts", "bundles"],
  ["archives", "cli/course/archive.ts", "bundles"],
];

/** Files that read something too, and nothing that a learner writes without one of the readers above being before them. */
const others: Readonly<Record<string, string>> = {
  "dashboard/bundles.ts": "the dashboard's own bundles",
  "dashboard/pages/serve.ts": "lines of which pages/words.ts takes what it knows; any other ends the pages",
  "dashboard/pages/main.ts": "what the course tells its pages",
  "dashboard/sessions.ts": "the dashboard's own file; of a cookie only its hash is looked up",
  "host/processes/ask-socket.ts": "the answers of the lab's own processes, over sockets that nobody else opens",
  "host/processes/start-in-room.ts": "what lab-room answers, over a socket that nobody in the room sees",
  "host/jobs/client.ts": "the daemon's answers in a form of its own; of what a learner wrote they pass on bytes",
  "host/jobs/server.ts": "kind and learner in the web process' request; test/contract/builder.test.ts asks for others",
  "host/daemon/control-api.ts": "requests of the lab's owner, over a socket that nobody else opens",
  "host/processes/log-parts.ts":
    "lines of the lab's own logs, of which one that is no JSON tells of nobody; test/unit/log-parts.test.ts has such lines",
  "host/daemon/metrics.ts": "the web process' own answer, and Kustomizations as live-objects.ts takes them",
  "host/lab-host-node/node.ts": "lists and watches of pods: their form is pod-status.ts', and what is none is tried again",
  "host/git/hooks/ask-daemon.ts": "lines of Git's own, whose names of refs Git has checked (git-check-ref-format(1))",
  "host/pipeline/rendered.ts": "what lab-render answers, of a form of its own; hostile trees are rows of test/contract/gate.test.ts",
  "lab-templates/gitops-promotion/drills/fought-revert.ts": "what support.ts has read as YAML",
  "lab-templates/gitops-promotion/drills/git-outage.ts": "what support.ts has read as YAML",
  "lab-templates/gitops-promotion/drills/loosened-regex.ts": "what support.ts has read as YAML",
  "lab-templates/gitops-promotion/drills/stuck-automation.ts": "what support.ts has read as YAML",
  "verification/bundle/collect.ts": "what the checks have read",
  "verification/kube-reader.ts": "the API server's answers, of which live-objects.ts takes what it knows",
};

/** By these a file gives away that it makes a value of a text or an object of others. */
const signs =
  /\bJSON\.parse\(|(?<![\w.])parse(?:Document)?\(|\b(?!Date)\w+\.(?:safeParse|parse)\(|\b(?:readYaml|editableYaml|credentialOf)\(|\bc\.req\./;

const places = [
  "verification",
  "lab-templates",
  "records",
  "dashboard",
  "host/git",
  "host/pipeline",
  "host/registry",
  "host/doors",
  "host/daemon",
  "host/processes",
  "host/lab-host-node",
  "host/jobs",
  "clusters/embedded",
  "git-hosts/embedded",
  "registries/embedded",
];
const readers = globSync(["host/access.ts", ...places.map((place) => `${place}/**/*.ts`)], { cwd: root }).filter(
  (file) => !file.startsWith("lab-templates/gitops-promotion/files/") && signs.test(textOf(file).replaceAll(/Date\.parse\(/g, "")),
);

describe("what reads something where learners' words arrive", () => {
  test("is found", () => expect(readers.length).toBeGreaterThan(30));

  // A new one gets a line in `fuzzed` and a test, or says in `others` why nothing of a learner's reaches it unread.
  test("is fuzzed, or told why not", () => {
    const known = new Set([...fuzzed.map(([, reader]) => reader), ...Object.keys(others)]);
    expect(readers.filter((file) => !known.has(file))).toEqual([]);
  });

  test("is still there", () => {
    expect(Object.keys(others).filter((file) => !readers.includes(file))).toEqual([]);
  });

  test.each(fuzzed)("%s (%s): %s imports it", (_, reader, name) => {
    const own = textOf(`test/fuzz/${name}.test.ts`);
    // Some are read through another file of the same name's folder.
    const imported = [...own.matchAll(/from "\.\.\/\.\.\/([^"]+)"/g)].map(([, file]) => file!);
    const through = imported.flatMap((file) => [
      file,
      ...[...textOf(file).matchAll(/from "(\.[^"]+)"/g)].map(([, to]) => normalize(join(file, "..", to!))),
    ]);
    expect(through).toContain(reader);
  });
});
