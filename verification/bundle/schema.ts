import { z } from "zod";
import { environments } from "../../shared/names.ts";
import { CohortOutputs, Isolation, Nodes } from "../../shared/outputs.ts";
import { JournalEntry } from "../journal.ts";

/**
 * What an evidence bundle says, as `evidence.json` in it. Strict, so that nothing rides along unchecked. Any change here
 * or in how the pages are rendered comes with a new `schemaVersion`, because a bundle is checked long after it was made.
 */
const Basis = z.enum(["live", "simulated"]);

/** Something looked at: seen, seen not to be there, or not to be seen. Only `observed` says anything for the learner. */
function observed<S extends z.ZodType>(value: S) {
  return z.discriminatedUnion("status", [
    z.strictObject({ status: z.literal("observed"), basis: Basis, value }),
    z.strictObject({ status: z.literal("absent"), basis: Basis, reason: z.string() }),
    z.strictObject({ status: z.literal("error"), reason: z.string() }),
  ]);
}
export type Observed<T> =
  | { readonly status: "observed"; readonly basis: z.output<typeof Basis>; readonly value: T }
  | { readonly status: "absent"; readonly basis: z.output<typeof Basis>; readonly reason: string }
  | { readonly status: "error"; readonly reason: string };

const Sha = z.string().regex(/^[0-9a-f]{40}$/);
const EnvironmentName = z.enum(environments);

const Image = z.strictObject({ repository: z.string(), tag: z.string().optional(), digest: z.string().optional() });

const CheckResult = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("pass"), basis: Basis, observed: z.string(), facts: z.json().optional() }),
  z.strictObject({
    status: z.literal("fail"),
    basis: Basis,
    expected: z.string(),
    observed: z.string(),
    hint: z.string(),
    facts: z.json().optional(),
  }),
  z.strictObject({ status: z.literal("error"), reason: z.string() }),
]);

const Item = z.strictObject({ id: z.string(), title: z.string(), command: z.string(), observedAt: z.iso.datetime(), result: CheckResult });

/** Who set the image that a Deployment asks for now. */
const Promoted = z.strictObject({
  /** `git`: the kustomize-controller alone; `manual`: somebody else, too. */
  how: z.enum(["git", "manual"]),
  managers: z.array(z.strictObject({ manager: z.string(), operation: z.string(), time: z.string().optional() })),
});
export type Promoted = z.output<typeof Promoted>;

const ImageChange = z.strictObject({ environment: EnvironmentName, from: Image.optional(), to: Image.optional() });

/** Told from what a commit changed, never from who it says wrote it; of reverts see git-chain.ts. */
const CommitKind = z.enum(["seed", "request", "image-update", "promotion", "revert", "learner"]);
export type CommitKind = z.output<typeof CommitKind>;

const ChainCommit = z.strictObject({
  id: Sha,
  parents: z.array(Sha),
  author: z.string(),
  email: z.string(),
  date: z.string(),
  subject: z.string(),
  kind: CommitKind,
  /** The commit that a revert takes back. */
  reverts: Sha.optional(),
  /** The request that a promotion carries out, by its trailer. */
  carriesOut: Sha.optional(),
  changes: z.array(ImageChange),
  /** What the pipeline noted: who pushed it when by the server's clock, what it built, promoted, held. */
  journal: z.array(JournalEntry),
});
export type ChainCommit = z.output<typeof ChainCommit>;

const GitChain = z.strictObject({
  branch: z.string(),
  /** Newest first. */
  commits: z.array(ChainCommit),
  /** True where the branch has more. */
  truncated: z.boolean(),
});

const Reconcile = z.strictObject({
  kustomization: z.string(),
  /** Git revision; absent where the controller did not note it. */
  revision: z.string().optional(),
  status: z.string(),
  firstReconciled: z.string(),
  lastReconciled: z.string(),
  totalReconciliations: z.number(),
});

const EnvironmentEvidence = z.strictObject({
  name: EnvironmentName,
  git: observed(Image),
  policy: observed(Image),
  deployment: observed(Image),
  runningDigest: observed(z.string()),
  promoted: observed(Promoted),
});

/** What has become of an environment's newest promotion: see docs/evidence.md. */
export const promotionStates = ["none", "promoted", "rolled-back", "changed-outside-git", "changed-without-promotion"] as const;

const Change = z.strictObject({ commit: Sha, at: z.iso.datetime().optional(), from: Image, to: Image });

export const PromotionState = z.strictObject({
  environment: EnvironmentName,
  state: z.enum(promotionStates),
  /** By the Git server's clock; of a change in the cluster by the API server's. Absent where nobody wrote it down. */
  since: z.iso.datetime().optional(),
  /** The newest promotion that was carried out. */
  promotion: Change.optional(),
  /** What the branch asks for, and the commit that gave it; the commit is absent for the seed. */
  asked: z.strictObject({ image: Image, commit: Sha.optional() }).optional(),
  /** Whether Flux has applied that commit. */
  applied: z.boolean(),
  /** Of a rollback: for how long it has stood, and must. It waits also while Flux has not applied it. */
  hold: z
    .strictObject({ state: z.enum(["waiting", "held"]), seconds: z.number(), neededSeconds: z.number(), until: z.iso.datetime() })
    .optional(),
  /** What the Deployment asks for where that is not Git's, and who set it. */
  outside: z.strictObject({ image: Image.optional(), by: z.array(z.string()) }).optional(),
  /** What the environment before has, where it never came here; whether the record asks for it. */
  next: z.strictObject({ image: Image, isAsked: z.boolean() }).optional(),
  /** The same in a sentence. */
  says: z.string(),
});
export type PromotionState = z.output<typeof PromotionState>;

export const EvidenceBundle = z
  .strictObject({
    /** 1 knew nothing of requests and the pipeline's journal; 2 not what has become of the promotion. */
    schemaVersion: z.literal([2, 3]),
    cohort: z.string(),
    course: z.string(),
    template: z.string(),
    learner: z.strictObject({ id: z.string(), name: z.string(), email: z.string() }),
    createdAt: z.iso.datetime(),
    lab: z.strictObject({
      kubernetesPlugin: CohortOutputs.shape.kubernetesPlugin,
      nodes: Nodes,
      simulated: z.array(z.string()),
      /** How the lab was kept apart, in its own sentence; bundles of before do not tell, and their pages have no line for it. */
      isolation: z.strictObject({ kind: Isolation, says: z.string() }).optional(),
    }),
    verdict: z.enum(["pass", "fail", "error"]),
    items: z.array(Item),
    /** Absent in bundles of version 2, whose pages have no section for it. */
    promotion: observed(PromotionState).optional(),
    environments: z.array(EnvironmentEvidence),
    gitChain: observed(GitChain),
    reconciles: observed(z.array(Reconcile)),
    /** The commit whose revert takes production back. */
    rollback: observed(z.strictObject({ commit: Sha, from: Image, to: Image })),
  })
  .refine(({ schemaVersion, promotion }) => (schemaVersion === 2) === (promotion === undefined), "`promotion` comes with schemaVersion 3");
export type EvidenceBundle = z.output<typeof EvidenceBundle>;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** The files that a manifest vouches for. */
export const partNames = ["evidence.json", "evidence.md", "evidence.html"] as const;

export const Manifest = z.strictObject({
  schemaVersion: z.literal(1),
  /** SHA-256 of each part, in hexadecimal. */
  parts: z.record(z.enum(partNames), Sha256),
  /** Ed25519, SPKI as PEM. */
  publicKey: z.string(),
  signedAt: z.iso.datetime(),
});
export type Manifest = z.output<typeof Manifest>;
