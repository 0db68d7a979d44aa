import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import pLimit from "p-limit";
import { pauseProcesses, processStatus, resumeProcesses } from "../host/processes/client.ts";
import type { ProcessStatus } from "../host/processes/supervisor.ts";
import { recentLimitHits } from "../host/limits/hits.ts";
import { findMarked } from "../ledger/process-identity.ts";
import { usageOf } from "../host/processes/usage.ts";
import { handoutOf } from "../lab-templates/handout/document.ts";
import { renderPage } from "../lab-templates/handout/html.ts";
import { gradeQuiz, type QuizAnswers } from "../lab-templates/quiz.ts";
import { labTemplate } from "../lab-templates/templates.ts";
import type { LabTemplate } from "../lab-templates/types.ts";
import { drillRunsFile, readRuns } from "../records/drills.ts";
import { exerciseRecordsFile, readRecords } from "../records/exercises.ts";
import { quizAttemptsFile, readAttempts, recordAttempt, type Attempt } from "../records/quiz.ts";
import { messageOf } from "../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";
import { noRoom } from "../shared/isolation.ts";
import { cohortPaths } from "../shared/paths.ts";
import { readIfExists } from "../shared/private-files.ts";
import { gitChain } from "../verification/bundle/git-chain.ts";
import { EvidenceBundle } from "../verification/bundle/schema.ts";
import { renderHtml } from "../verification/bundle/render-html.ts";
import { desiredImage } from "../verification/desired-image.ts";
import { gitReader, type GitReader } from "../verification/git-reader.ts";
import { verdict } from "../verification/verdict.ts";
import { dashboardFolder } from "./access.ts";
import type { Action, BranchFacts, BundleFacts, Course, Job, LearnerFacts, Ports } from "./facts.ts";

/** How often cheap signs are looked at: where branches and records are, and the daemon's process table. */
const tickMs = 3000;
/** One learner's memory and CPU time per this time: memory is the dearest look of all. */
const usageMs = 4000;
/** A repository that is not on this machine gives no sign; it is read this often. */
const remoteMs = 120_000;
/** After a branch moved, Flux needs a while. */
const settleMs = 20_000;
/** What changes without a commit, such as a Deployment edited by hand, is seen after this time. */
const verifyAgainMs = 30 * 60_000;
/** The same of a checklist with a failure. */
const redAgainMs = 2 * 60_000;
/** So long after a rollback has stood for long enough it is looked whether it did; and so often while it still waits. */
const holdMarginMs = 5000;
/** How often it is looked whether a learner whose repository refuses has got another lab. */
const renewMs = 60_000;
const commitLimit = 200;
const mostHits = 20;
const gitSeconds = 30;

interface Watched {
  outputs: LearnerOutputs;
  facts: LearnerFacts;
  /** What the cheap signs were when each was acted upon. */
  readonly signs: Map<string, string>;
  /** Files of commits never change. */
  readonly files: Map<string, Promise<string | undefined>>;
  remoteReadAt: number;
  renewedAt: number;
  verifyAt: number;
  usage: ReadonlyMap<number, number>;
  usageAt: number;
}

/**
 * Looks at a cohort's learners, each at a bounded rate and only where something moved: it compares the times of a few
 * files every three seconds and reads a repository, a record or a cluster when they say so.
 */
export class Collector implements Course {
  readonly cohort: CohortOutputs;
  readonly template: LabTemplate;
  readonly #ports: Ports;
  readonly #learners: ReadonlyMap<string, Watched>;
  readonly #listeners = new Set<(learner: string) => void>();
  readonly #reads = pLimit(2);
  readonly #verifications = pLimit(1);
  /** An operation on the whole cohort, so one at a time. */
  readonly #resets = pLimit(1);
  readonly #timers: NodeJS.Timeout[] = [];
  #ticking = false;
  #nextUsage = 0;

  constructor(cohort: CohortOutputs, ports: Ports) {
    this.cohort = cohort;
    this.template = labTemplate(cohort.template);
    this.#ports = ports;
    this.#learners = new Map(
      Object.values(cohort.learners).map((outputs, index) => {
        const facts: LearnerFacts = {
          id: outputs.id,
          name: outputs.name,
          noRoom: noRoom(outputs),
          exercises: {},
          attempts: [],
          drills: [],
          processes: [],
          problems: [],
        };
        // The first verifications come one after the other, when the repositories were read.
        return [
          outputs.id,
          {
            outputs,
            facts,
            signs: new Map(),
            files: new Map(),
            remoteReadAt: 0,
            renewedAt: 0,
            verifyAt: Date.now() + 2000 + index * 1500,
            usage: new Map(),
            usageAt: 0,
          },
        ];
      }),
    );
  }

  start(): void {
    void this.#tick();
    this.#timers.push(
      setInterval(() => void this.#tick(), tickMs),
      setInterval(() => void this.#measureNext(), usageMs),
    );
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  facts(): readonly LearnerFacts[] {
    return [...this.#learners.values()].map(({ facts }) => facts);
  }

  of(learner: string): LearnerFacts | undefined {
    return this.#learners.get(learner)?.facts;
  }

  subscribe(changed: (learner: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  handout(learner: string): string {
    return renderPage(handoutOf(this.cohort, this.#watched(learner).outputs, this.template));
  }

  async bundles(learner: string): Promise<readonly BundleFacts[]> {
    const folder = bundlesFolder(this.cohort.cohort, learner);
    const names = await readdir(folder).catch(() => []);
    const bundles = await Promise.all(names.map(async (name) => ({ name, bundle: await readBundle(join(folder, name)) })));
    return bundles
      .flatMap(({ name, bundle }) => (bundle === undefined ? [] : [{ name, createdAt: bundle.createdAt, verdict: bundle.verdict }]))
      .toSorted((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt));
  }

  async bundlePage(learner: string, name: string): Promise<string | undefined> {
    // The name must be one of the list, so that no path can leave the folder.
    const known = (await this.bundles(learner)).some((bundle) => bundle.name === name);
    const bundle = known ? await readBundle(join(bundlesFolder(this.cohort.cohort, learner), name)) : undefined;
    return bundle && renderHtml(bundle);
  }

  async takeQuiz(learner: string, answers: QuizAnswers): Promise<Attempt> {
    const attempt: Attempt = { time: new Date().toISOString(), answers, result: gradeQuiz(this.template.quiz, answers) };
    await recordAttempt(this.cohort.cohort, this.#watched(learner).outputs.id, attempt);
    void this.#tick();
    return attempt;
  }

  act(learner: string, action: Action): void {
    const watched = this.#watched(learner);
    if (watched.facts.job?.state === "running") return;
    const { what, work } = this.#workOf(watched, action);
    const startedAt = new Date().toISOString();
    const tell = (job: Omit<Job, "kind" | "what" | "startedAt">) =>
      this.#change(watched, { job: { kind: action.kind, what, startedAt, ...job } });
    tell({ state: "running" });
    work()
      .then((says) => tell({ state: "done", ...(says !== undefined && { says }) }))
      .catch((error: unknown) => tell({ state: "failed", says: messageOf(error) }))
      .finally(() => void this.#tick());
  }

  #workOf(watched: Watched, action: Action): { readonly what: string; readonly work: () => Promise<string | undefined> } {
    const { cohort } = this.cohort;
    const { outputs } = watched;
    switch (action.kind) {
      case "verify":
        return { what: "Verify", work: async () => void (await this.#verify(watched)) };
      case "evidence": {
        const folder = join(bundlesFolder(cohort, outputs.id), new Date().toISOString().replace(/[-:]|\.\d+/g, ""));
        return { what: "Create evidence", work: async () => `Verdict: ${await this.#ports.writeEvidence(outputs, folder)}.` };
      }
      case "pause":
        return { what: "Pause processes", work: async () => void (await pauseProcesses(cohort, outputs.id)) };
      case "resume":
        return { what: "Resume processes", work: async () => void (await resumeProcesses(cohort, outputs.id)) };
      case "reset":
        return {
          what: "Reset",
          work: async () => {
            const says = await this.#resets(() => this.#ports.reset(outputs));
            await this.#renew(watched);
            return says;
          },
        };
      case "drill":
        return { what: `Start drill ${action.drill}`, work: async () => void (await this.#ports.startDrill(outputs, action.drill)) };
    }
  }

  #watched(learner: string): Watched {
    const watched = this.#learners.get(learner);
    if (watched === undefined) throw new Error(`no learner ${learner}`);
    return watched;
  }

  #change(watched: Watched, changes: Partial<LearnerFacts>): void {
    const facts = { ...watched.facts, ...changes };
    if (isDeepStrictEqual(facts, watched.facts)) return;
    watched.facts = facts;
    for (const listener of this.#listeners) listener(facts.id);
  }

  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      const processes = await processStatus(this.cohort.cohort).catch((): ProcessStatus[] => []);
      for (const watched of this.#learners.values()) {
        const { id } = watched.outputs;
        this.#change(watched, { processes: processes.filter(({ owner }) => owner === id) });
        await this.#lookForSigns(watched);
        if (Date.now() >= watched.verifyAt) {
          watched.verifyAt = Date.now() + verifyAgainMs;
          void this.#verifications(() => this.#verify(watched));
        }
      }
    } finally {
      this.#ticking = false;
    }
  }

  async #lookForSigns(watched: Watched): Promise<void> {
    const { cohort } = this.cohort;
    const { id } = watched.outputs;
    const when = async (sign: string, files: readonly string[], read: () => Promise<Partial<LearnerFacts>>) => {
      const now = (await Promise.all(files.map(timeOf))).join(" ");
      if (watched.signs.get(sign) === now) return;
      watched.signs.set(sign, now);
      void this.#reads(() => this.#read(watched, sign, read));
    };
    await when("exercise records", [exerciseRecordsFile(cohort, id)], async () => ({ exercises: await readRecords(cohort, id) }));
    await when("quiz attempts", [quizAttemptsFile(cohort, id)], async () => ({ attempts: await readAttempts(cohort, id) }));
    await when("drill runs", [drillRunsFile(cohort, id)], async () => ({ drills: await readRuns(cohort, id) }));
    const own = cohortPaths(cohort).learner(id);
    await when("limits", [own.limitHits], async () => ({ limitHits: (await recentLimitHits(own)).slice(-mostHits) }));
    const repository = repositoryFolder(cohort, watched.outputs);
    const { branch } = watched.outputs.git;
    if ((await timeOf(repository)) === "absent") {
      if (Date.now() - watched.remoteReadAt < remoteMs) return;
      watched.remoteReadAt = Date.now();
      watched.signs.delete("repository");
    }
    // A ref is a file of its own or a line in this one.
    const refs = [`refs/heads/${branch}`, "refs/notes/pipeline", "packed-refs"].map((ref) => join(repository, ref));
    await when("repository", refs, async () => ({ branch: await this.#readBranch(watched) }));
  }

  async #read(watched: Watched, sign: string, read: () => Promise<Partial<LearnerFacts>>): Promise<void> {
    const prefix = `The ${sign} could not be read: `;
    const others = () => watched.facts.problems.filter((problem) => !problem.startsWith(prefix));
    try {
      const found = await read();
      this.#change(watched, { ...found, problems: others() });
    } catch (error) {
      this.#change(watched, { problems: [...others(), `${prefix}${messageOf(error)}`] });
      // A lab that was made anew has other credentials.
      if (sign === "repository" && Date.now() - watched.renewedAt > renewMs) await this.#renew(watched).catch(() => undefined);
    }
  }

  /** Takes over what a learner's lab is now; a new one is looked at from the beginning. */
  async #renew(watched: Watched): Promise<void> {
    watched.renewedAt = Date.now();
    const outputs = (await this.#ports.outputs()).learners[watched.outputs.id];
    if (outputs === undefined || isDeepStrictEqual(outputs, watched.outputs)) return;
    watched.outputs = outputs;
    watched.signs.clear();
    watched.files.clear();
    watched.verifyAt = Date.now();
  }

  async #readBranch(watched: Watched): Promise<BranchFacts> {
    const { git, registry } = watched.outputs;
    const { environments } = this.template;
    await using remote = gitReader(git, AbortSignal.timeout(gitSeconds * 1000));
    const reader = remembering(remote, watched.files);
    const tip = await reader.head();
    const { commits, truncated } = await gitChain(reader, commitLimit, environments, registry.repository);
    const images = [];
    for (const name of environments) {
      const image = await desiredImage(reader, tip, name, registry.repository);
      images.push({ name, ...(image && { image }) });
    }
    const before = watched.facts.branch?.tip;
    if (before !== undefined && before !== tip) watched.verifyAt = Math.min(watched.verifyAt, Date.now() + settleMs);
    return { name: git.branch, tip, commits, truncated, environments: images };
  }

  async #verify(watched: Watched): Promise<void> {
    const { reports, promotion } = await this.#ports.verify(watched.outputs);
    const at = new Date().toISOString();
    const before = watched.facts.checklist;
    const redSince = verdict(reports) === "fail" ? (before?.redSince ?? at) : undefined;
    const state = promotion.status === "observed" ? promotion.value : undefined;
    this.#change(watched, { checklist: { at, reports, ...(state && { promotion: state }), ...(redSince !== undefined && { redSince }) } });
    watched.verifyAt = Math.min(watched.verifyAt, Date.now() + nextLookMs(watched.facts.checklist));
  }

  async #measureNext(): Promise<void> {
    const all = [...this.#learners.values()];
    const watched = all[this.#nextUsage++ % all.length];
    if (watched === undefined) return;
    const now = Date.now();
    const pids = processesOf(this.cohort.cohort, watched.facts);
    const seen = (await Promise.all(pids.map(async (pid) => ({ pid, usage: await usageOf(pid) })))).filter(
      ({ usage }) => usage !== undefined,
    );
    const elapsed = (now - watched.usageAt) / 1000;
    // Only of processes that both looks saw: one that was started in between has no share yet.
    const spent = seen.reduce((sum, { pid, usage }) => sum + (watched.usage.has(pid) ? usage!.cpuSeconds - watched.usage.get(pid)! : 0), 0);
    const cpuShare = watched.usage.size > 0 ? Math.round((spent / elapsed) * 1000) / 1000 : undefined;
    watched.usage = new Map(seen.map(({ pid, usage }) => [pid, usage!.cpuSeconds]));
    watched.usageAt = now;
    const pssBytes = seen.reduce((sum, { usage }) => sum + usage!.pssBytes, 0);
    this.#change(watched, {
      usage: { pssBytes: Math.round(pssBytes / 1024 ** 2) * 1024 ** 2, ...(cpuShare !== undefined && { cpuShare }) },
    });
  }
}

/** When a checklist is looked at again though nothing moved: soon after a rollback holds, and more often while it is red. */
export function nextLookMs(checklist: LearnerFacts["checklist"], now = Date.now()): number {
  const { hold } = checklist?.promotion ?? {};
  if (hold?.state === "waiting") return Math.max(Date.parse(hold.until) - now, 0) + holdMarginMs;
  return checklist?.redSince === undefined ? verifyAgainMs : redAgainMs;
}

/** By the daemon's table where it answers, else by the marks, which survive it. */
function processesOf(cohort: string, { id, processes }: LearnerFacts): number[] {
  const known = processes.flatMap(({ pid }) => pid ?? []);
  if (processes.length > 0) return known;
  return findMarked(cohortPaths(cohort).daemon).flatMap(({ name, identity }) => (name.startsWith(`${id}/`) ? [identity.pid] : []));
}

const bundlesFolder = (cohort: string, learner: string) => join(dashboardFolder(cohort), "evidence", learner);

async function readBundle(folder: string): Promise<EvidenceBundle | undefined> {
  const text = await readIfExists(join(folder, "evidence.json")).catch(() => undefined);
  if (text === undefined) return undefined;
  return EvidenceBundle.safeParse(JSON.parse(text)).data;
}

/** Where the learner's repository is if the lab host serves it; nothing is there otherwise. */
function repositoryFolder(cohort: string, { id, git }: LearnerOutputs): string {
  return join(cohortPaths(cohort).git, id, new URL(git.url).pathname.split("/").at(-1) ?? "");
}

/** When a file was last written; replaced ones differ by their inode as well. */
async function timeOf(file: string): Promise<string> {
  try {
    const { mtimeMs, ino } = await stat(file);
    return `${mtimeMs}/${ino}`;
  } catch {
    return "absent";
  }
}

/** A reader that reads each file of each commit once. */
function remembering(reader: GitReader, files: Map<string, Promise<string | undefined>>): GitReader {
  return {
    ...reader,
    readFile(treeish, path) {
      const key = `${treeish}:${path}`;
      let content = files.get(key);
      if (content === undefined) {
        files.set(key, (content = reader.readFile(treeish, path)));
        content.catch(() => files.delete(key));
      }
      return content;
    },
  };
}
