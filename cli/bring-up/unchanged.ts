import { createHash } from "node:crypto";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isAnyGone } from "../../clusters/upkeep.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { readState, removeState, writeState } from "../../shared/state-file.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { lookAgain } from "../../stacks/isolation.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { pluginChoice } from "../../tools/plugin-choice.ts";
import { cohortFileText, projectFolder, withoutSalt } from "../cohort-file.ts";
import { readLastRun } from "../last-run.ts";
import { pausedIn } from "../paused.ts";
import { stateFolder } from "../state/backend.ts";
import { filesIn, readCheckpoint, statePlaces } from "../state/files.ts";
import { duration, note } from "../terminal.ts";
import type { Run } from "./run.ts";

/*
 * The engine compares what the program says with what the state has, and both are files. Where neither has changed since the engine
 * ended well, nothing can come of asking it again, which takes it a dozen seconds of processor time.
 */

const Note = z.object({ schemaVersion: z.literal(1), fingerprint: z.string() });

const fileOf = (paths: CohortPaths) => join(paths.root, "engine-agreed.json");

/** What the program is: all that its folders hold. The cohort files beside it are other programs' input. */
const programFiles = [
  "Pulumi.yaml",
  "package-lock.json",
  "*.ts",
  "{clusters,components,git-hosts,host,lab-templates,ledger,registries,shared,tools,verification}/**/*",
  "stacks/*.ts",
];

/** Finds out whether the engine could have anything to do; if not, its steps are passed over. */
export async function recogniseUnchanged(run: Run): Promise<void> {
  const { plan, options, about, reporter } = run;
  run.asked = await askedOf(plan.cohort);
  if (options.only !== undefined || options.engine || !(await isUnchanged(run, run.asked))) return;
  run.isUnchanged = true;
  for (const id of about) reporter.learnerDone(id);
  note(
    `0 changes, in ${duration(Date.now() - reporter.startedAt)}: cohort file, program and state of ${plan.cohort} are as Pulumi left them.`,
  );
}

/** Notes with what the engine agreed, for the next run; only where the whole cohort came up, by the file and the program that are there still. */
export async function noteAgreement(run: Run): Promise<void> {
  const { plan, paths, options, roster, paused, reporter, asked } = run;
  const up = reporter.outcomes.filter(({ result }) => result === "up").map(({ learner }) => learner);
  const isWhole = options.only === undefined && paused.length === 0 && roster.every((id) => up.includes(id));
  // Before the first set-up nobody knew yet which rooms the machine can make.
  const fingerprint =
    isWhole && asked !== undefined && asked === (await askedOf(plan.cohort))
      ? await fingerprintOf(await lookAgain(plan), asked)
      : undefined;
  const file = fileOf(paths);
  // A full disk has its own error by now, and the next run asks the engine.
  if (fingerprint !== undefined)
    await writeState(file, JSON.stringify({ schemaVersion: 1, fingerprint } satisfies z.input<typeof Note>)).catch(() => undefined);
  else await removeState(file).catch(() => undefined);
}

async function isUnchanged({ plan, paths, roster }: Run, asked: string): Promise<boolean> {
  const agreed = await readState(fileOf(paths), Note, { orElse: undefined });
  if (agreed === undefined || (await fingerprintOf(plan, asked)) !== agreed.fingerprint) return false;
  const last = await readLastRun(paths);
  if (roster.some((id) => last[id]?.result !== "up")) return false;
  if ((await pausedIn(paths)).length > 0) return false;
  return !(await isAnyGone(
    paths.cohort,
    plan.learners.map(({ learner: { id }, cluster }) => ({ id, cluster })),
  ));
}

/** All that the engine's answer depends on, as one word; undefined where some of it is not to be seen on this machine, or somebody works on it. */
async function fingerprintOf(plan: CohortPlan, asked: string): Promise<string | undefined> {
  const isHere = [plan.git, plan.registry, ...plan.learners.map(({ cluster }) => cluster)].every(isOnLabHost);
  const folder = await stateFolder();
  if (folder === undefined || !isHere || (await filesIn(statePlaces(folder, plan.cohort).locks)).length > 0) return undefined;
  const state = await readCheckpoint(folder, plan.cohort);
  if (state === undefined) return undefined;
  // Of the room only `isolation` goes on; how long a lab lives is told to clusters elsewhere alone.
  const { room, learners, ...planned } = plan;
  return word({ asked, planned, learners: learners.map(({ lifetime, ...learner }) => learner), state });
}

/** What the engine is asked with beside the plan: the cohort file's text, the program, and what both run in. */
async function askedOf(cohort: string): Promise<string> {
  const files = programFiles
    .flatMap((pattern) => globSync(pattern, { cwd: projectFolder }))
    .sort()
    .map((path) => ({ path, at: statSync(join(projectFolder, path), { throwIfNoEntry: false }) }));
  return word({
    file: withoutSalt((await cohortFileText(cohort)) ?? ""),
    program: files.map(({ path, at }) => (at?.isFile() ? [path, at.size, at.mtimeMs] : [path])),
    node: process.version,
    plugins: pluginChoice("kubernetes"),
    environment: Object.entries(await pulumiEnvironment())
      .filter(([name]) => !/PASSPHRASE|TOKEN|SECRET|PASSWORD/.test(name))
      .sort(),
  });
}

const word = (parts: object) => createHash("sha256").update(JSON.stringify(parts)).digest("hex");
