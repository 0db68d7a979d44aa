import { z } from "zod";
import { ClusterSpec } from "../clusters/providers.ts";
import { gitHost, GitSpec } from "../git-hosts/hosts.ts";
import { RegistrySpec } from "../registries/registries.ts";
import { LimitsSpec } from "../shared/limits.ts";
import { DnsLabel } from "../shared/names.ts";
import { labHostKind } from "../shared/on-lab-host.ts";
import { Shard } from "./shards.ts";

/** A time to live such as `12h`, `14d` or `2w`. */
const Duration = z.string().regex(/^[1-9][0-9]*[hdw]$/, "must be a number followed by h, d or w, such as 14d");

const Port = z.int().min(1024, "must be at least 1024").max(65535, "must be at most 65535");

const loopback = ["localhost", "127.0.0.1", "::1"];
const everywhere = ["0.0.0.0", "::", "*"];
const hostName = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/i;

/** A host name or an IPv4 address: what an image's name, too, can have in it. */
const HostName = z.string().superRefine((name, context) => {
  const complain = (message: string) => context.addIssue({ code: "custom", message, input: name });
  if (everywhere.includes(name))
    complain(
      `is ${JSON.stringify(name)}, which is every address of this machine; name the one that learners reach, or a host name that leads to it`,
    );
  else if (loopback.includes(name))
    complain(`is ${JSON.stringify(name)}, where the lab listens anyway; leave \`access\` out, or name an address that learners reach`);
  else if (name.includes(":"))
    complain(
      `is ${JSON.stringify(name)}; an IPv6 address or a port can't stand here. Name an IPv4 address or a host name (which may lead to IPv6); ports are chosen from \`ports\``,
    );
  else if (/^[\d.]+$/.test(name) ? !z.ipv4().safeParse(name).success : !hostName.test(name))
    complain(`is ${JSON.stringify(name)}; it must be an IPv4 address or a host name`);
});

/** What is opened beside loopback. */
const AccessSpec = z
  .strictObject({
    /** An address of this machine, or a host name that leads to one. */
    listen: HostName,
    /** The name that learners use, where that is another one. */
    name: HostName.optional(),
  })
  .transform(({ listen, name = listen }) => ({ listen, name }));

/** What belongs to the cohort as a whole goes by these in leases, processes and resources. */
const reservedIds = ["cohort", "host", "lab"];

/**
 * A person's name, in any script. What is written into pages, commits and tables may not end their line or turn the direction of
 * what follows; the joiners of Persian and Indic scripts (U+200C, U+200D) belong to names.
 */
const PersonName = z
  .string()
  .regex(/[^\s\p{Cf}]/u, "must not be empty")
  .max(200, "must be at most 200 characters")
  .refine((name) => !/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name), {
    error: "must be one line, without control characters and marks that can't be seen",
  });

export const LearnerSpec = z.strictObject({
  id: DnsLabel.refine(
    (id) => !reservedIds.includes(id),
    `must be another than ${reservedIds.join(", ")}, which are names of the cohort's own things`,
  ),
  name: PersonName,
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

/** Two addresses with the same key are one: no mailbox that a course meets tells capitals apart. */
export const addressKey = (email: string) => email.toLowerCase();

/** Commits name who wrote them by the address. */
export const oneAddressEach = "every learner needs an e-mail address of their own, since commits name people by it";

/** The `gitops-lab:cohort` value of `stacks/Pulumi.<cohort>.yaml`: everything an instructor says of a cohort. */
export const CohortSpec = z
  .strictObject({
    course: z.string().min(1, "must not be empty"),
    template: z.string().default("gitops-promotion"),
    /** Parameters of the template; the template's own schema checks them. */
    parameters: z.record(z.string(), z.unknown()).default({}),
    ttl: Duration.default("14d"),
    cluster: ClusterSpec.prefault({ kind: labHostKind }),
    git: GitSpec.prefault({ kind: labHostKind }),
    registry: RegistrySpec.prefault({ kind: labHostKind }),
    access: AccessSpec.optional(),
    /** Whether what a learner writes runs in a room of the learner's own; `none` also where this machine could make them. */
    isolation: z.enum(["rooms", "none"]).default("rooms"),
    /** Ports that the embedded providers may take. */
    ports: z
      .strictObject({ from: Port, to: Port })
      .refine(({ from, to }) => from <= to, { path: ["to"], error: "must not be smaller than `from`" })
      .default({ from: 20000, to: 29999 }),
    /** What each learner may take of this machine. */
    limits: LimitsSpec.prefault({}),
    /** How many learners are brought up at the same time; left out, what suits the machine and its clusters: stacks/cohort.ts. */
    parallel: z.int().min(1, "must be at least 1").optional(),
    /** A CSV file with learners, relative to stacks/; load-spec.ts reads it and adds them to `learners`. */
    roster: z.string().min(1, "must not be empty").optional(),
    /** Which part of the learners this stack has, where a class is divided among several. */
    shard: Shard.optional(),
    learners: z
      .array(LearnerSpec)
      .min(1, "must name at least one learner")
      .superRefine((learners, context) => {
        const ids = new Map<string, number>();
        const addresses = new Map<string, number>();
        learners.forEach(({ id, email }, index) => {
          const complain = (field: "id" | "email", message: string) => context.addIssue({ code: "custom", path: [index, field], message });
          const [sameId, sameAddress] = [ids.get(id), addresses.get(addressKey(email))];
          if (sameId !== undefined) complain("id", `"${id}" is taken by learners[${sameId}]; every learner needs an id of their own`);
          else if (sameAddress !== undefined) complain("email", `"${email}" is that of learners[${sameAddress}] too; ${oneAddressEach}`);
          if (sameId === undefined) ids.set(id, index);
          if (sameAddress === undefined) addresses.set(addressKey(email), index);
        });
      }),
  })
  .superRefine((cohort, context) => gitHost(cohort.git.kind).check?.(cohort, context));
export type CohortSpec = z.output<typeof CohortSpec>;

/** What is said of each learner's cluster. */
export function clustersOf({ cluster, learners }: Pick<CohortSpec, "cluster" | "learners">): readonly ClusterSpec[] {
  return learners.map(({ cluster: own = cluster }) => own);
}
