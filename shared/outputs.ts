import { z } from "zod";
import { environments } from "./names.ts";

/**
 * What a finished cohort tells its readers. `stacks/cohort.ts` writes it through this schema and every reader (verify,
 * handout, dashboard) parses it with the same one, so that neither can drift. A new field is optional or comes with a
 * new `schemaVersion`.
 */
export const Nodes = z.enum(["real", "simulated"]);

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
    /** How the lab reads the repository where that is not by password. */
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
    /** `host[:port]/path` of the backend image, without tag. */
    repository: z.string(),
    /** True where the registry speaks plain HTTP (loopback only). */
    insecure: z.boolean(),
    /** Whether the credential is the whole cohort's: it is for the lab's own looks and goes to no learner. */
    shared: z.boolean().optional(),
    username: z.string(),
    /** Secret. */
    password: z.string(),
  }),
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
