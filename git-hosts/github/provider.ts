import type { GitHostProvider } from "../git-host.ts";
import { githubBudget } from "./budget.ts";
import { checkGithub, GithubSpec, type GithubSettings } from "./spec.ts";

export const github = {
  kind: "github",
  spec: GithubSpec,
  check: checkGithub,
  repositoryName: (cohort, learner) => `${cohort}-${learner}`,
  standIns: ["github"],
  logsInWith: ["githubApp", "githubToken"],
  shown: { title: "GitHub", steps: {} },
  budget: githubBudget,
  drivers: {
    "ssh-key": async () => (await import("./drivers/ssh-key.ts")).sshKey,
    "github-cohort": async () => (await import("./drivers/cohort.ts")).githubCohort,
    "github-repository": async () => (await import("./drivers/repository.ts")).githubRepository,
    "github-seed": async () => (await import("./drivers/seed.ts")).githubSeed,
  },
  things: { "github-repository": (config) => async (thing) => (await import("./look.ts")).lookForRepository(thing, config) },
  upkeep: () => import("./upkeep.ts"),
  component: async () => (await import("./component.ts")).component,
} satisfies GitHostProvider<GithubSettings>;
