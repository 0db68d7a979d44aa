import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { parse } from "yaml";
import { z } from "zod";
import { lookForRepository } from "../host/github/look.ts";
import { githubPreflight } from "../host/github/preflight.ts";
import type { Thing } from "../ledger/inventory.ts";
import type { Look } from "../ledger/sight.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { apiUrlOf, githubApi } from "../shared/github/api.ts";
import { githubCredential } from "../shared/github/credential.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { cohortFileText } from "./cohort-file.ts";

const keys = ["githubApp", "githubToken"] as const;

/**
 * Whether GitHub lets the cohort's repositories be made, before anything is. Throws LabError (exit code 2) that says what
 * lacks. A credential that the cohort file keeps encrypted can be read with the stack alone: without one it is not asked.
 */
export async function requireGithub(plan: CohortPlan, stack?: Stack): Promise<void> {
  const { cohort, git, learners } = plan;
  if (git.kind !== "github") return;
  const plain = await plainConfig(cohort);
  if ((plain === undefined) !== (stack !== undefined)) return;
  const config = plain ?? (await configOf(stack));
  const accounts = Object.fromEntries(learners.flatMap(({ learner: { id, github } }) => (github === undefined ? [] : [[id, github]])));
  try {
    await githubPreflight(
      githubApi(
        apiUrlOf(git.url),
        githubCredential((name) => config.get(`gitops-lab:${name}`)),
      ),
      { ...git, accounts },
    );
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const said = error.message.replace(/; what is made already stays\.$/, ".");
    throw new LabError(error.code, /Nothing was created/.test(said) ? said : `${said} Nothing was created.`, {
      exitCode: ExitCode.badInput,
      cause: error,
    });
  }
}

/** Looks for repositories of a cohort, now or later, when the stack with its credential may be gone. */
export async function repositoryLook(stack: Stack | undefined, items: readonly Pick<Thing, "kind">[]): Promise<Look> {
  const config = items.some(({ kind }) => kind === "github-repository") ? await configOf(stack) : new Map<string, string>();
  return (thing) => lookForRepository(thing, (name) => config.get(`gitops-lab:${name}`));
}

async function configOf(stack: Stack | undefined): Promise<ReadonlyMap<string, string>> {
  return new Map(Object.entries((await stack?.getAllConfig()) ?? {}).map(([key, { value }]) => [key, value]));
}

const StackFile = z.object({ config: z.record(z.string(), z.unknown()).default({}) });

/** The stack's configuration as far as it is text in the cohort file; undefined where a credential in it is encrypted. */
async function plainConfig(cohort: string): Promise<ReadonlyMap<string, string> | undefined> {
  const { config } = StackFile.parse(parse((await cohortFileText(cohort)) ?? "{}"));
  if (keys.some((key) => typeof (config[`gitops-lab:${key}`] ?? "") !== "string")) return undefined;
  return new Map(Object.entries(config).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])));
}
