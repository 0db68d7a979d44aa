import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { parse } from "yaml";
import { z } from "zod";
import { gitHost, gitHosts } from "../git-hosts/hosts.ts";
import type { Kind, Thing } from "../ledger/inventory.ts";
import type { Look } from "../ledger/sight.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { cohortFileText } from "./cohort-file.ts";

/**
 * Whether the Git host lets the cohort's repositories be made, before anything is. Throws LabError (exit code 2) that says
 * what lacks. A credential that the cohort file keeps encrypted can be read with the stack alone: without one it is not asked.
 */
export async function requireGitHost({ cohort, git, learners }: CohortPlan, stack?: Stack): Promise<void> {
  const host = gitHost(git.kind);
  const { preflight } = await host.upkeep();
  if (preflight === undefined) return;
  const plain = await plainConfig(cohort, host.logsInWith);
  if ((plain === undefined) !== (stack !== undefined)) return;
  const config = plain ?? (await configOf(stack));
  const accounts = learners.map(({ learner }) => learner);
  try {
    await preflight(git, accounts, (name) => config.get(`gitops-lab:${name}`));
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const said = error.message.replace(/; what is made already stays\.$/, ".");
    throw new LabError(error.code, /Nothing was created/.test(said) ? said : `${said} Nothing was created.`, {
      exitCode: ExitCode.badInput,
      cause: error,
    });
  }
}

/** How to look for what a cohort has on Git hosts, now or later, when the stack with its credential may be gone. */
export async function gitHostLooks(stack: Stack | undefined, items: readonly Pick<Thing, "kind">[]): Promise<Partial<Record<Kind, Look>>> {
  const looks = gitHosts.flatMap(({ things }) => Object.entries(things));
  const isAsked = items.some(({ kind }) => looks.some(([one]) => one === kind));
  const config = isAsked ? await configOf(stack) : new Map<string, string>();
  return Object.fromEntries(looks.map(([kind, lookWith]) => [kind, lookWith((name) => config.get(`gitops-lab:${name}`))]));
}

async function configOf(stack: Stack | undefined): Promise<ReadonlyMap<string, string>> {
  return new Map(Object.entries((await stack?.getAllConfig()) ?? {}).map(([key, { value }]) => [key, value]));
}

const StackFile = z.object({ config: z.record(z.string(), z.unknown()).default({}) });

/** The stack's configuration as far as it is text in the cohort file; undefined where a value of these names is encrypted. */
async function plainConfig(cohort: string, keys: readonly string[]): Promise<ReadonlyMap<string, string> | undefined> {
  const { config } = StackFile.parse(parse((await cohortFileText(cohort)) ?? "{}"));
  if (keys.some((key) => typeof (config[`gitops-lab:${key}`] ?? "") !== "string")) return undefined;
  return new Map(Object.entries(config).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])));
}
