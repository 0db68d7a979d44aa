import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify as csv } from "csv-stringify/sync";
import { parse } from "csv-parse/sync";
import { stringify as yaml } from "yaml";
import { readBrought } from "../../clusters/brought-kubeconfig.ts";
import { parseAnswers } from "../../cli/commands/quiz.ts";
import { renderCsv, type CohortResults } from "../../cli/course/results.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { gradeQuiz } from "../../lab-templates/quiz.ts";
import { readPersonText } from "../../shared/person-file.ts";
import { decodePersonText, lettersLost, textFault, type PersonFileKind } from "../../shared/person-text.ts";
import { activeContext } from "../../shared/kube-api.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { parseRoster } from "../../stacks/roster.ts";
import { parseRecord } from "../../verification/promotion-record.ts";
import { LabError } from "../../shared/errors.ts";
import { saved } from "../support/hostile/saved.ts";
import { answerOf, expectParagraph, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, bentObject, json, text } from "../support/hostile/text.ts";
import { digestOf, tagOf } from "../support/lab-state.ts";

nothingIsMade();

/** In the suite; docs/reliability.md says how many more were tried, and how. */
const numRuns = 2000;

/** What a person is called in some part of the world, or what a program made of it. */
const name = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      "Ada Lovelace",
      "José Núñez",
      "אלף בית",
      "محمد رضا",
      "王小明",
      "Zoë O’Hara",
      "Ğüneş İ",
      "=1+1",
      "Builder, Bob",
      'A "B" C',
    ),
    weight: 6,
  },
  { arbitrary: text, weight: 1 },
);
const id = fc.oneof({ arbitrary: fc.constantFrom("ada", "bob", "cy", "d-1", "Ada", "ada "), weight: 8 }, { arbitrary: text, weight: 1 });
const email = fc.oneof(
  { arbitrary: fc.constantFrom("ada@example.org", "ADA@example.org", "b@example.org", "c@d.example"), weight: 8 },
  { arbitrary: text, weight: 1 },
);
const header = fc.constantFrom(
  ["id", "name", "email"],
  ["ID", "Name", "E-Mail", "GitHub"],
  ["email", "ttl", "id", "name"],
  ["name", "email"],
  ["", "id", "name", "email", ""],
);
const row = fc.tuple(id, name, email, fc.constantFrom("", "2d", "octo-cat", ",")).map((cells) => [...cells]);

const table = fc
  .tuple(
    header,
    fc.array(fc.oneof({ arbitrary: row, weight: 6 }, { arbitrary: fc.constant(["", "", ""]), weight: 2 }), { maxLength: 6 }),
    fc.constantFrom(",", ";", "\t", "|"),
    fc.boolean(),
  )
  .map(([head, rows, delimiter, declared]) => (declared ? `sep=${delimiter}\n` : "") + csv([head, ...rows], { delimiter }));

/** What a person's program leaves on disk is decoded, and then read; either may refuse, in one paragraph that names no inside. */
async function readAs<T>(
  reader: string,
  bytes: Buffer,
  kind: PersonFileKind,
  utf16: boolean,
  read: (text: string) => T,
): Promise<T | LabError | undefined> {
  const decoded = decodePersonText(bytes, kind, { utf16 });
  if ("problem" in decoded) {
    expectParagraph(reader, `The file ${decoded.problem}.`);
    return undefined;
  }
  expect(decoded.text).not.toMatch(/^\ufeff|[\0\r\ufffd]/);
  return answerOf(reader, () => read(decoded.text));
}

test("a roster gives learners with what is theirs alone, or is refused", async () => {
  await forEvery(
    saved(fc.oneof(table, bent("id,name,email\nada,Ada,ada@example.org\nbob,Bob,bob@example.org\n"))),
    async (bytes) => {
      const learners = await readAs("parseRoster", bytes, "sheet", true, (text) => parseRoster(text, "stacks/x.csv"));
      if (learners === undefined || learners instanceof LabError) return;
      expect(new Set(learners.map(({ id }) => id)).size).toBe(learners.length);
      expect(new Set(learners.map(({ email }) => email.toLowerCase())).size).toBe(learners.length);
      for (const { name } of learners) expect(name).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069\ufffd]/u);
    },
    { numRuns },
  );
});

const cohort = {
  course: "A course",
  template: "gitops-promotion",
  ttl: "14d",
  cluster: { kind: "embedded", nodes: "simulated" },
  git: { kind: "embedded" },
  registry: { kind: "embedded" },
  ports: { from: 20000, to: 20999 },
  limits: { push: "10 MiB" },
  learners: [
    { id: "ada", name: "Ada", email: "ada@example.org", ttl: "2d", github: "ada-l" },
    { id: "bob", name: "Bob", email: "bob@example.org" },
  ],
};
const others = [
  { ...cohort, roster: "x.csv", learners: [] },
  { ...cohort, git: { kind: "github", organization: "o" }, registry: { kind: "ghcr", organization: "o", username: "u" } },
  { ...cohort, access: { listen: "192.0.2.1" }, shard: "1/2" },
];
const file = fc.oneof(
  bentObject(cohort, ...others).map((value) => yaml({ config: { "gitops-lab:cohort": value } })),
  bent(yaml({ config: { "gitops-lab:cohort": cohort } })),
  json.map((value) => yaml({ config: { "gitops-lab:cohort": value } })),
  // The lists and names that YAML lets refer to each other.
  fc.constantFrom("config:\n  gitops-lab:cohort: &a [*a]\n", "config:\n  gitops-lab:cohort: &a\n    course: *a\n    learners: *a\n"),
);

test("a cohort file is a plan, or is refused", async () => {
  await forEvery(
    saved(file),
    async (bytes) => {
      const spec = await readAs("parseCohortFile", bytes, "text", false, (text) =>
        parseCohortFile(text, "stacks/Pulumi.x.yaml", () => "id,name,email\ncy,Cy,cy@example.org\n"),
      );
      if (spec === undefined || spec instanceof LabError) return;
      const plan = await answerOf("planCohort", () => planCohort("x", spec));
      if (!(plan instanceof Error)) expect(plan.learners).toHaveLength(spec.learners.length);
    },
    { numRuns },
  );
});

test("a promotion record asks for an image, or its fault is told", async () => {
  const record = { tag: tagOf("develop", "0.2.0"), digest: digestOf("b"), note: "für später" };
  await forEvery(
    saved(
      fc.oneof(
        bentObject(record).map((value) => yaml(value) ?? ""),
        bent(yaml(record)),
      ),
    ),
    async (bytes) => {
      // Git's readers take bytes for UTF-8.
      const content = bytes.toString("utf8");
      const parsed = (await answerOf("parseRecord", () => parseRecord(content))) as ReturnType<typeof parseRecord>;
      const fault = textFault(content) ?? lettersLost(content);
      if (fault !== undefined) expectParagraph("textFault", `promotion/staging.yaml ${fault}.`);
      if ("problem" in parsed) expectParagraph("parseRecord", `promotion/staging.yaml ${parsed.problem}.`);
      else expect([parsed.record.digest, content.includes("\0")]).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64}$/), false]);
    },
  );
});

test("a file of answers is graded, or is refused", async () => {
  const answers = { "tag-families": "production-1.3.9", "hard-stops": ["other-digest"], "rollback-path": "den Commit zurücknehmen" };
  await forEvery(
    saved(
      fc.oneof(
        bentObject(answers).map((value) => JSON.stringify(value) ?? ""),
        bent(JSON.stringify(answers, null, 2)),
      ),
    ),
    async (bytes) => {
      const given = await readAs("parseAnswers", bytes, "text", true, (text) => parseAnswers(text, "answers.json"));
      if (given !== undefined && !(given instanceof LabError)) await answerOf("gradeQuiz", () => gradeQuiz(gitopsPromotion.quiz, given));
    },
    { numRuns },
  );
});

test("results are a table in which nothing is a formula, whoever is in it", async () => {
  await forEvery(
    fc.array(fc.tuple(id, name, email), { minLength: 1, maxLength: 3 }),
    async (people) => {
      const learners = people.map(([id, name, email]) => ({
        id,
        name,
        email,
        evidence: { verdict: "pass", items: [] },
        exercises: [],
        drills: [],
        quiz: { attempts: 0 },
      }));
      const written = renderCsv({ learners } as unknown as CohortResults);
      const cells = parse(written, { relax_column_count: true }).flat();
      expect(cells.filter((cell) => /^[=+\-@]/.test(cell))).toEqual([]);
    },
    { numRuns },
  );
});

test("a file on disk is read to its end and no further", async () => {
  const path = join(process.env["TMPDIR"]!, "person.csv");
  try {
    await forEvery(
      saved(table),
      (bytes) => {
        writeFileSync(path, bytes);
        expect(readPersonText(path, "sheet")).toEqual(decodePersonText(bytes, "sheet"));
      },
      { numRuns: 300 },
    );
  } finally {
    rmSync(path, { force: true });
  }
});

const brought = {
  clusters: [
    { name: "c", cluster: { server: "https://ada.example.org:6443", "certificate-authority": "/nowhere/ca.crt", "tls-server-name": "x" } },
  ],
  users: [
    { name: "u", user: { token: "t", "client-key-data": "S0VZ", exec: { command: "aws", args: ["x"] }, username: "u", password: "p" } },
  ],
  contexts: [{ name: "lab", context: { cluster: "c", user: "u" } }],
  "current-context": "lab",
};

test("a kubeconfig that is brought gives one cluster and one user of it, or is refused", async () => {
  const path = join(tmpdir(), `people-kubeconfig-${process.pid}.yaml`);
  const plain = { ...brought, clusters: [{ name: "c", cluster: { server: "https://ada.example.org:6443" } }] };
  const input = saved(
    fc.oneof(
      bentObject(brought, plain).map((value) => yaml(value) ?? ""),
      bent(yaml(plain)),
      json.map((value) => yaml(value) ?? ""),
    ),
  );
  try {
    await forEvery(
      input,
      (bytes) => {
        writeFileSync(path, bytes);
        const read = readBrought({ kubeconfig: path });
        if ("problem" in read) return expectParagraph("readBrought", `The kubeconfig ${read.problem}.`);
        expect(read.server).toMatch(/^https:/);
        const { cluster, user } = activeContext(read.kubeconfig);
        expect(cluster["server"]).toBe(read.server);
        expect(Object.keys(user).length).toBeGreaterThan(0);
        for (const key of Object.keys({ ...cluster, ...user }))
          expect(key).not.toMatch(/^(as|auth-provider|proxy-url|certificate-authority|client-key)$/);
      },
      { numRuns },
    );
  } finally {
    rmSync(path, { force: true });
  }
});
