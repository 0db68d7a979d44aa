import type { ChildProcess } from "node:child_process";
import { entryUrl, issueEntry, type Visitor } from "../../dashboard/access.ts";
import type { Action, BranchFacts, BundleFacts, Course, LearnerFacts } from "../../dashboard/facts.ts";
import { gateOf } from "../../dashboard/gate.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { servePages } from "../../dashboard/pages/serve.ts";
import { startPages } from "../../host/room/pages.ts";
import { handoutOf } from "../../lab-templates/handout/document.ts";
import { renderPage } from "../../lab-templates/handout/html.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { gradeQuiz, type QuizAnswers } from "../../lab-templates/quiz.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import type { DrillRun } from "../../records/drills.ts";
import type { Attempt } from "../../records/quiz.ts";
import { environments, type Environment } from "../../shared/names.ts";
import type { ChainCommit } from "../../verification/bundle/schema.ts";
import type { CheckReport } from "../../verification/types.ts";
import { digestOf, LabState, repository, shaOf, tagOf } from "./lab-state.ts";

/** An image by its version and the letter of its digest. */
export const imageOf = (environment: Environment, version: string, letter: string) => ({
  repository,
  tag: tagOf(environment, version),
  digest: digestOf(letter),
});

export function chainCommit(letter: string, kind: ChainCommit["kind"], rest: Partial<ChainCommit> = {}): ChainCommit {
  return {
    id: shaOf(letter),
    parents: kind === "seed" ? [] : [shaOf("0")],
    author: "Ada",
    email: "ada@example.org",
    date: "2026-11-02T10:00:00Z",
    subject: `Commit ${letter}`,
    kind,
    changes: [],
    journal: [],
    ...rest,
  };
}

const update = (environment: Environment, from: string, to: string, digests: string) => ({
  environment,
  from: imageOf(environment, from, digests[0]!),
  to: imageOf(environment, to, digests[1]!),
});

/** A branch on which two releases went up and the second was taken back; newest first. */
export function promotedBranch(minutesAgo = 5): BranchFacts {
  const at = (minutes: number) => new Date(Date.now() - (minutesAgo + minutes) * 60_000).toISOString();
  const carried = (environment: Environment, letter: string, minutes: number) => ({
    event: "carried-out" as const,
    at: at(minutes),
    environment,
    promotion: shaOf(letter),
  });
  const commits = [
    chainCommit("9", "revert", {
      subject: "Revert production",
      reverts: shaOf("8"),
      changes: [update("production", "0.3.0", "0.2.0", "cb")],
      journal: [{ event: "received", at: at(0), by: "ada", branch: "main" }],
    }),
    chainCommit("8", "promotion", {
      subject: "Promote 0.3.0",
      carriesOut: shaOf("7"),
      changes: [update("production", "0.2.0", "0.3.0", "bc")],
      journal: [
        carried("production", "7", 20),
        { event: "held", at: at(1), environment: "production", tag: tagOf("production", "0.3.0"), reason: "it was carried out once" },
      ],
    }),
    chainCommit("7", "request", {
      subject: "Ask for 0.3.0 in production",
      journal: [{ event: "received", at: at(21), by: "ada", branch: "main" }],
    }),
    chainCommit("6", "promotion", {
      subject: "Promote to staging",
      carriesOut: shaOf("5"),
      changes: [update("staging", "0.2.0", "0.3.0", "bc")],
      journal: [carried("staging", "5", 40)],
    }),
    chainCommit("5", "request", { subject: "Ask for 0.3.0 in staging" }),
    chainCommit("4", "image-update", { subject: "Update develop", changes: [update("develop", "0.2.0", "0.3.0", "bc")] }),
    chainCommit("3", "learner", {
      subject: "Ship 0.3.0",
      journal: [
        { event: "received", at: at(60), by: "ada", branch: "main" },
        { event: "built", at: at(59), version: "0.3.0", tag: tagOf("develop", "0.3.0"), digest: digestOf("c") },
      ],
    }),
    chainCommit("2", "promotion", { changes: [update("production", "0.1.0", "0.2.0", "ab")] }),
    chainCommit("1", "promotion", { changes: [update("staging", "0.1.0", "0.2.0", "ab")] }),
    chainCommit("b", "image-update", { changes: [update("develop", "0.1.0", "0.2.0", "ab")] }),
    chainCommit("a", "seed", {
      subject: "Seed",
      changes: environments.map((environment) => ({ environment, to: imageOf(environment, "0.1.0", "a") })),
    }),
  ];
  const now = {
    develop: imageOf("develop", "0.3.0", "c"),
    staging: imageOf("staging", "0.3.0", "c"),
    production: imageOf("production", "0.2.0", "b"),
  };
  return {
    name: "main",
    tip: shaOf("9"),
    commits,
    truncated: false,
    environments: environments.map((name) => ({ name, image: now[name] })),
  };
}

export function reportsOf(statuses: readonly CheckReport["result"]["status"][]): CheckReport[] {
  return gitopsPromotion.evidence.map(({ id, title, command }, index) => {
    const status = statuses[index] ?? "pass";
    const result =
      status === "pass"
        ? { status, basis: "live" as const, observed: "As it should be." }
        : status === "fail"
          ? { status, basis: "live" as const, expected: "The digest of staging.", observed: "Another digest.", hint: "Compare both." }
          : { status, reason: "connect ECONNREFUSED" };
    return { id, title, command, observedAt: new Date().toISOString(), result };
  });
}

export function drillRun(rest: Partial<DrillRun> = {}): DrillRun {
  const snapshot = { at: "2026-11-02T10:00:00Z" } as DrillRun["snapshot"];
  return { drill: gitopsPromotion.drills[0]!.id, startedAt: "2026-11-02T10:05:00Z", snapshot, hints: [], checks: [], ...rest };
}

const names = [
  "Ada Lovelace",
  "Grace Hopper",
  "Edsger Dijkstra",
  "Barbara Liskov",
  "Alan Turing",
  "Frances Allen",
  "Donald Knuth",
  "Radia Perlman",
  "Dennis Ritchie",
  "Margaret Hamilton",
];

/** A learner in one of several states, by number. */
export function factsOf(index: number): LearnerFacts {
  const first = names[index % names.length]!.split(" ")[0]!.toLowerCase();
  const id = index < names.length ? first : `${first}-${Math.floor(index / names.length)}`;
  const time = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const { exercises, quiz } = gitopsPromotion;
  const passed = exercises
    .slice(0, index % (exercises.length + 1))
    .map(
      (exercise) => [exercise.id, { hints: [], checks: [{ time: time(30), status: "pass" as const, says: "done" }], solved: [] }] as const,
    );
  const failing =
    index % 3 === 1 && exercises[passed.length]
      ? [
          [
            exercises[passed.length]!.id,
            { hints: [time(20)], checks: [{ time: time(25), status: "fail" as const, says: "the tag is not in Git" }], solved: [] },
          ] as const,
        ]
      : [];
  return {
    id,
    name: names[index % names.length]!,
    branch: promotedBranch(index),
    ...(index % 7 !== 6 && { checklist: { at: time(2), reports: reportsOf(index % 4 === 0 ? ["pass", "pass", "fail", "error"] : []) } }),
    exercises: Object.fromEntries([...passed, ...failing]),
    attempts: index % 2 === 0 ? [{ time: time(90), answers: {}, result: { ...gradeQuiz(quiz, {}), points: 17, percentage: 73 } }] : [],
    drills:
      index % 5 === 2
        ? [drillRun({ startedAt: time(12), checks: [{ at: time(3), status: "fail", says: "staging runs another image" }] })]
        : [],
    processes: [
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kwok",
      "source-controller",
      "kustomize-controller",
      "image-reflector-controller",
      "image-automation-controller",
    ].map((name, at) => ({
      name: `${id}/${name}`,
      owner: id,
      state: index % 10 === 9 ? ("paused" as const) : index % 10 === 5 && at === 2 ? ("restarting" as const) : ("running" as const),
      restarts: index % 10 === 5 && at === 2 ? 3 : 0,
    })),
    usage: { pssBytes: (420 + index) * 1024 ** 2, cpuShare: 0.041 },
    problems: [],
  };
}

/** A cohort in memory in the place of a real one. */
export class FakeCohort implements Course {
  readonly cohort;
  readonly template = labTemplate("gitops-promotion");
  readonly acts: { readonly learner: string; readonly action: Action }[] = [];
  readonly #facts: Map<string, LearnerFacts>;
  readonly #listeners = new Set<(learner: string) => void>();

  constructor(cohort: string, learners: number) {
    this.cohort = {
      cohort,
      course: "GitOps promotion, autumn",
      template: "gitops-promotion",
      simulated: ["No container runs: the nodes are kwok's."],
    };
    this.#facts = new Map(Array.from({ length: learners }, (_, index) => factsOf(index)).map((facts) => [facts.id, facts]));
  }

  facts = () => [...this.#facts.values()];
  of = (learner: string) => this.#facts.get(learner);

  subscribe(changed: (learner: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  change(learner: string, changes: Partial<LearnerFacts>): void {
    this.#facts.set(learner, { ...this.#facts.get(learner)!, ...changes });
    for (const listener of this.#listeners) listener(learner);
  }

  handout(learner: string): string {
    return renderPage(handoutOf(this.cohort, { ...new LabState().learner, id: learner, name: this.of(learner)!.name }, this.template));
  }

  bundles = async (learner: string): Promise<BundleFacts[]> =>
    learner === "ada" ? [{ name: "20261102T100000Z", createdAt: "2026-11-02T10:00:00Z", verdict: "pass" }] : [];
  bundlePage = async (learner: string, name: string) =>
    learner === "ada" && name === "20261102T100000Z" ? "<!doctype html><title>Evidence of ada</title>" : undefined;

  async takeQuiz(learner: string, answers: QuizAnswers): Promise<Attempt> {
    const attempt = { time: new Date().toISOString(), answers, result: gradeQuiz(this.template.quiz, answers) };
    this.change(learner, { attempts: [...this.of(learner)!.attempts, attempt] });
    return attempt;
  }

  act(learner: string, action: Action): void {
    this.acts.push({ learner, action });
    this.change(learner, {
      job: { kind: action.kind, what: action.kind, startedAt: new Date().toISOString(), state: "done", says: "All is well." },
    });
  }
}

export interface RunningDashboard extends AsyncDisposable {
  readonly port: number;
  readonly origin: string;
  /** A link that lets in once. */
  entry(visitor: Visitor): Promise<string>;
  /** The one that serves the pages now. */
  process(): ChildProcess;
}

/** Serves a cohort on a free loopback port, by a process of its own as the dashboard does. Needs a lab home of the test's own. */
export async function serveCohort(course: Course, isolation: "room" | "none" = "none"): Promise<RunningDashboard> {
  const { cohort } = course.cohort;
  let process: ChildProcess | undefined;
  const pages = await servePages(
    gateOf(course, new Sessions()),
    { loopback: 0 },
    async () => (process = await startPages(cohort, isolation)),
  );
  const origin = `http://127.0.0.1:${pages.port}`;
  return {
    port: pages.port,
    origin,
    entry: async (visitor) => entryUrl(origin, await issueEntry(cohort, visitor)),
    process: () => process!,
    [Symbol.asyncDispose]: () => Promise.resolve(pages[Symbol.asyncDispose]()),
  };
}
