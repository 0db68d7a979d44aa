import { z } from "zod";
import { ClusterSpec } from "../shared/cluster-spec.ts";
import { DnsLabel } from "../shared/names.ts";
import { Shard } from "./shards.ts";

/** A time to live such as `12h`, `14d` or `2w`. */
const Duration = z.string().regex(/^[1-9][0-9]*[hdw]$/, "must be a number followed by h, d or w, such as 14d");

const Port = z.int().min(1024, "must be at least 1024").max(65535, "must be at most 65535");

const GitSpec = z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("embedded") })]);
const RegistrySpec = z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("embedded") })]);

export const LearnerSpec = z.strictObject({
  id: DnsLabel,
  name: z.string().min(1, "must not be empty"),
  email: z.email("must be an e-mail address"),
  /** Name of the learner's account, where repositories are on GitHub. */
  github: z
    .string()
    .regex(/^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}$/i, "must be the name of a GitHub account")
    .optional(),
  /** After this time from the making of their lab the learner is archived and paused, see `./lab reap`. */
  ttl: Duration.optional(),
  /** Where this learner's cluster runs, instead of where the cohort's do. */
  cluster: ClusterSpec.optional(),
});
export type LearnerSpec = z.output<typeof LearnerSpec>;

/** The `gitops-lab:cohort` value of `stacks/Pulumi.<cohort>.yaml`: everything an instructor says of a cohort. */
export const CohortSpec = z.strictObject({
  course: z.string().min(1, "must not be empty"),
  template: z.string().default("gitops-promotion"),
  /** Parameters of the template; the template's own schema checks them. */
  parameters: z.record(z.string(), z.unknown()).default({}),
  ttl: Duration.default("14d"),
  cluster: ClusterSpec.prefault({ kind: "embedded" }),
  git: GitSpec.prefault({ kind: "embedded" }),
  registry: RegistrySpec.prefault({ kind: "embedded" }),
  /** Loopback ports that the embedded providers may take. */
  ports: z
    .strictObject({ from: Port, to: Port })
    .refine(({ from, to }) => from <= to, { path: ["to"], error: "must not be smaller than `from`" })
    .default({ from: 20000, to: 29999 }),
  /** How many learners are brought up at the same time; left out, as many as the machine has cores, and two at least. */
  parallel: z.int().min(1, "must be at least 1").optional(),
  /** A CSV file with learners, relative to stacks/; load-spec.ts reads it and adds them to `learners`. */
  roster: z.string().min(1, "must not be empty").optional(),
  /** Which part of the learners this stack has, where a class is divided among several. */
  shard: Shard.optional(),
  learners: z
    .array(LearnerSpec)
    .min(1, "must name at least one learner")
    .superRefine((learners, context) => {
      const seen = new Map<string, number>();
      learners.forEach(({ id }, index) => {
        const first = seen.get(id);
        if (first === undefined) seen.set(id, index);
        else context.addIssue({ code: "custom", path: [index, "id"], message: `"${id}" is taken by learners[${first}]; every learner needs an id of their own` });
      });
    }),
});
export type CohortSpec = z.output<typeof CohortSpec>;
