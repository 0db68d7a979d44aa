import { createHash } from "node:crypto";
import { isAbsolute, join, resolve } from "node:path";
import { homeFolder } from "./environment.ts";
import { ExitCode, LabError } from "./errors.ts";

/**
 * Where labs live on this machine: `$GITOPS_LAB_HOME`, else `$XDG_STATE_HOME/gitops-lab`, else
 * `~/.local/state/gitops-lab`. Everything a cohort creates on the host is below `cohorts/<cohort>`. Throws LabError
 * `home-unknown` where none of them is known. The script `lab` has the same rules.
 */
export function labHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env["GITOPS_LAB_HOME"]) return resolve(env["GITOPS_LAB_HOME"]);
  return join(baseFolder(env, "XDG_STATE_HOME", ".local/state"), "gitops-lab");
}

/** A folder of the XDG Base Directory Specification: an empty variable and one with a relative path count for nothing. */
function baseFolder(env: NodeJS.ProcessEnv, variable: string, otherwise: string): string {
  const said = env[variable];
  return said !== undefined && isAbsolute(said) ? said : join(requireHomeFolder(env), otherwise);
}

/** The user's home. Throws LabError `home-unknown`. */
export function requireHomeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const home = homeFolder(env);
  if (home !== undefined) return home;
  throw new LabError(
    "home-unknown",
    "HOME is not set to a folder, and this account has none. Nothing was created. Set HOME to a folder of yours, e.g. `HOME=/srv/lab`, and run the command again.",
    { exitCode: ExitCode.badInput },
  );
}

/** Eight letters that tell this lab home from others, for names that the whole machine shares. */
export function homeMark(env: NodeJS.ProcessEnv = process.env): string {
  return createHash("sha256").update(labHome(env)).digest("hex").slice(0, 8);
}

/** Installed tools, keyed by version: `$XDG_CACHE_HOME/gitops-lab`, else `~/.cache/gitops-lab`. Safe to delete. */
export function cacheHome(env: NodeJS.ProcessEnv = process.env): string {
  return join(baseFolder(env, "XDG_CACHE_HOME", ".cache"), "gitops-lab");
}

/** The folders of one cohort on the lab host, made once from its name and then handed on. */
export interface CohortPaths {
  /** The cohort's name. */
  readonly cohort: string;
  readonly root: string;
  /** Bare repositories: `<git>/<learner>/<repository>.git`. */
  readonly git: string;
  readonly registry: string;
  readonly daemon: string;
  readonly learner: (id: string) => LearnerPaths;
}

export interface LearnerPaths {
  readonly root: string;
  /** Everything of the embedded control plane; goes with it, while the rest of the learner may stay. */
  readonly cluster: string;
  /** Certificates and keys of the control plane. */
  readonly pki: string;
  readonly kubeconfigs: string;
  readonly logs: string;
  /** Who may use this learner's Git repository and registry path: see host/access.ts. */
  readonly access: string;
  /** What the pipeline needs to know of this learner's lab: see host/pipeline/config.ts. */
  readonly pipeline: string;
  /** While this file says so, the Git server refuses the learner's repository: see host/git/outage.ts. */
  readonly gitOutage: string;
  /** The limits that this learner came up against: see host/limits/hits.ts. The web process writes it, in its own folder. */
  readonly limitHits: string;
}

export function cohortPaths(cohort: string, home: string = labHome()): CohortPaths {
  const root = join(home, "cohorts", cohort);
  return {
    cohort,
    root,
    git: join(root, "git"),
    registry: join(root, "registry"),
    daemon: join(root, "daemon"),
    learner: (id) => {
      const learner = join(root, "learners", id);
      const cluster = join(learner, "cluster");
      return {
        root: learner,
        cluster,
        pki: join(cluster, "pki"),
        kubeconfigs: join(cluster, "kubeconfig"),
        logs: join(cluster, "logs"),
        access: join(learner, "access"),
        pipeline: join(learner, "pipeline.json"),
        gitOutage: join(learner, "git-outage.json"),
        limitHits: join(root, "web", "limit-hits", `${id}.jsonl`),
      };
    },
  };
}
