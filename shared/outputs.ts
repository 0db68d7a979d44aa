import { z } from "zod";
import { environments } from "./names.ts";

/**
 * What a finished cohort tells its readers. `stacks/cohort.ts` writes it through this schema and every reader (verify,
 * handout, dashboard) parses it with the same one, so that neither can drift. A new field is optional or comes with a
 * new `schemaVersion`.
 */
export const Nodes = z.enum(["real", "simulated"]);

/** Whether what a learner writes runs in a room of the learner's own; shared/isolation.ts has it in words. */
export const Isolation = z.enum(["room", "none"]);
export type Isolation = z.output<typeof Isolation>;

export const EnvironmentOutputs = z.object({
  name: z.enum(environments),
  namespace: z.string(),
  /** The tag and digest (`sha256:<hex>`) that ran when the lab was handed over. */
  tag: z.string(),
  digest: z.string(),
});

export const LearnerOutputs = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  cluster: z.object({
    kind: z.string(),
    /** Stable identity of the cluster; changes only when it is made anew. */
    id: z.string(),
    apiServer: z.url(),
    nodes: Nodes,
    /** The learner's own kubeconfig, as YAML. Secret. */
    kubeconfig: z.string(),
    /** The instructor's kubeconfig (cluster-admin), as YAML. Secret. */
    adminKubeconfig: z.string(),
  }),
  git: z.object({
    kind: z.string(),
    /** HTTP(S) clone URL without credentials. */
    url: z.url(),
    branch: z.string(),
    username: z.string(),
    /** Secret. Empty where the learner logs in with an account of their own. */
    password: z.string(),
    seedCommit: z.string(),
    /** How the lab reads the repository, if not by password. */
    ssh: z
      .object({
        url: z.url(),
        /** In OpenSSH's form. Secret. */
        privateKey: z.string(),
        /** Lines of a known_hosts file. */
        knownHosts: z.string(),
      })
      .optional(),
  }),
  registry: z.object({
    kind: z.string(),
    /** `host[:port]/path` of the backend image, without tag, as Git and the cluster call it. */
    repository: z.string(),
    /** True where the registry speaks plain HTTP (loopback only). */
    insecure: z.boolean(),
    /** The address of the same images over loopback, for this machine, if Git and the cluster use the opened address. */
    local: z.string().optional(),
    /** Whether the credential is the whole cohort's. Then only the lab itself uses it, and no learner gets it. */
    shared: z.boolean().optional(),
    username: z.string(),
    /** Secret. */
    password: z.string(),
  }),
  /** How the learner reaches the lab from beyond its host, everything over TLS; only where the cohort is opened. */
  open: z
    .object({
      /** Host name or address. */
      name: z.string(),
      /** Certificate authority of Git, images and page, as PEM. */
      ca: z.string(),
      apiServer: z.url(),
      /** The learner's own kubeconfig, as YAML. Secret. */
      kubeconfig: z.string(),
      gitUrl: z.url(),
      /** `host:port/path` of the backend image: what Git calls `registry.repository`, by the opened address. */
      repository: z.string(),
      /** The learners' pages, while the dashboard runs. */
      page: z.url(),
    })
    .optional(),
  /** Labs of versions that did not tell had none. */
  isolation: Isolation.default("none"),
  flux: z.object({
    version: z.string(),
    /** Where the controllers run. */
    controllers: z.enum(["host-process", "deployment"]),
  }),
  environments: z.array(EnvironmentOutputs),
  /** The commit whose revert takes production back to the image before, as of hand-over. */
  rollbackSha: z.string(),
  /** The chapter's evidence commands, ready to paste. */
  evidenceCommands: z.array(z.object({ item: z.string(), command: z.string() })),
});
export type LearnerOutputs = z.output<typeof LearnerOutputs>;

/** How a learner reaches the lab: by its opened address where there is one, else on its host. */
export function addressesOf({ cluster, git, registry, open }: LearnerOutputs): {
  readonly apiServer: string;
  readonly gitUrl: string;
  readonly repository: string;
  readonly insecure: boolean;
} {
  if (open === undefined)
    return { apiServer: cluster.apiServer, gitUrl: git.url, repository: registry.repository, insecure: registry.insecure };
  return { apiServer: open.apiServer, gitUrl: open.gitUrl, repository: open.repository, insecure: false };
}

export const CohortOutputs = z.object({
  schemaVersion: z.literal(1),
  cohort: z.string(),
  course: z.string(),
  template: z.string(),
  /** Which resource plugin answered for Kubernetes objects. */
  kubernetesPlugin: z.object({ implementation: z.enum(["official", "fallback"]), version: z.string() }),
  /** Which one answered for GitHub, where repositories are there. */
  githubPlugin: z.object({ implementation: z.enum(["official", "fallback"]), version: z.string() }).optional(),
  /** What stands in for the real thing in this cohort, one sentence each; empty when nothing does. */
  simulated: z.array(z.string()),
  learners: z.record(z.string(), LearnerOutputs),
});
export type CohortOutputs = z.output<typeof CohortOutputs>;
