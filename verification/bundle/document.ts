import { formatImage, shortImage, type ImageReference } from "../image-reference.ts";
import type { JournalEntry } from "../journal.ts";
import { stateNames } from "./promotion-words.ts";
import type { ChainCommit, EvidenceBundle, Observed, Promoted } from "./schema.ts";

/** What both pages of a bundle show, before it is written in their language. All text is raw: renderers escape it. */
export interface Document {
  readonly title: string;
  readonly verdict: EvidenceBundle["verdict"];
  /** Label and value. */
  readonly about: readonly (readonly [label: string, value: string])[];
  readonly sections: readonly Section[];
}

export interface Section {
  readonly heading: string;
  readonly note: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The document of a bundle. Pure, so that the pages can be made again from `evidence.json` and compared. */
export function documentOf(bundle: EvidenceBundle): Document {
  const { learner, lab, cohort } = bundle;
  const plugin = lab.kubernetesPlugin;
  return {
    title: `Promotion evidence of ${learner.name}`,
    verdict: bundle.verdict,
    about: [
      ["Learner", `${learner.name} (${learner.id}), ${learner.email}`],
      ["Cohort", `${cohort}, course ${bundle.course}, lab ${bundle.template}`],
      ["Observed", bundle.createdAt],
      ["Nodes", lab.nodes],
      ...(lab.isolation === undefined ? [] : [["Isolation", lab.isolation.says] as const]),
      ["Kubernetes plugin", `${plugin.implementation} ${plugin.version}`],
      ["Simulated in this lab", lab.simulated.join(" ") || "nothing"],
    ],
    sections: [checklist(bundle), ...promotionSection(bundle), images(bundle), chain(bundle), reconciles(bundle), rollback(bundle)],
  };
}

function checklist({ items }: EvidenceBundle): Section {
  return {
    heading: "Checklist",
    note: "An error means that the check could not look; it is neither a pass nor a failure.",
    columns: ["Item", "Result", "Basis", "Observed", "By hand"],
    rows: items.map(({ title, command, result }) => {
      if (result.status === "error") return [title, "error", notSeen, result.reason, command];
      const { status, basis, observed } = result;
      return [title, status, basis, status === "fail" ? `${observed}\nExpected: ${result.expected}` : observed, command];
    }),
  };
}

/** Bundles of version 2 do not tell, and their pages have no section for it. */
function promotionSection({ promotion: seenPromotion }: EvidenceBundle): Section[] {
  if (seenPromotion === undefined) return [];
  const heading = "The promotion now";
  const columns = ["Fact", "Value"];
  if (seenPromotion.status !== "observed") return [{ heading, note: unseen(seenPromotion), columns, rows: [] }];
  const { state, since, promotion: newest, asked, hold, outside, next, says } = seenPromotion.value;
  const rows: (readonly [string, string | undefined])[] = [
    ["state", stateNames[state]],
    ["since", since ?? "not noted"],
    [
      "newest promotion",
      newest && `${newest.commit}\n${shortImage(newest.from)} → ${shortImage(newest.to)}${newest.at ? `, ${newest.at}` : ""}`,
    ],
    ["asked for by the branch", asked && `${formatImage(asked.image)}${asked.commit ? `\nby ${asked.commit}` : ""}`],
    ["rollback", hold && `${hold.state}: ${hold.seconds} s of ${hold.neededSeconds} s`],
    [
      "asked for by the Deployment",
      outside && `${outside.image ? formatImage(outside.image) : "there is none"}\nset by ${outside.by.join(", ") || "nobody known"}`,
    ],
    ["next", next && `${formatImage(next.image)}${next.isAsked ? ", asked for" : ""}`],
  ];
  return [
    {
      heading,
      note: `Basis: ${seenPromotion.basis}. ${says}.`,
      columns,
      rows: rows.flatMap(([fact, value]) => (value === undefined ? [] : [[fact, value]])),
    },
  ];
}

function images({ environments }: EvidenceBundle): Section {
  return {
    heading: "Images",
    note: "Who set the image is told from the Deployment's managed fields, which forget a change by hand once Flux has undone it.",
    columns: ["Environment", "Fact", "Basis", "Value"],
    rows: environments.flatMap(({ name, git, policy, deployment, runningDigest, promoted }) => [
      [name, "asked for in Git", ...seen(git, formatImage)],
      [name, "selected by the policy", ...seen(policy, formatImage)],
      [name, "asked for by the Deployment", ...seen(deployment, formatImage)],
      [name, "running", ...seen(runningDigest, (digest) => digest)],
      [name, "set by", ...seen(promoted, promotion)],
    ]),
  };
}

function promotion({ how, managers }: Promoted): string {
  const list = managers.map(({ manager, operation, time }) => `${manager} (${operation}${time ? `, ${time}` : ""})`);
  return `${how}: ${list.join(", ")}`;
}

function chain({ gitChain }: EvidenceBundle): Section {
  const heading = "Git chain";
  const columns = ["Commit", "Kind", "Date", "Author", "Subject", "Images", "Pipeline"];
  if (gitChain.status !== "observed") return { heading, note: unseen(gitChain), columns, rows: [] };
  const { branch, commits, truncated } = gitChain.value;
  return {
    heading,
    note: `Basis: ${gitChain.basis}. Branch ${branch}, newest first${truncated ? "; older commits are left out" : ""}.`,
    columns,
    rows: commits.map(({ id, kind, reverts, carriesOut, date, author, email, subject, changes, journal }) => [
      id,
      reverts ? `${kind} of ${reverts}` : carriesOut ? `${kind} asked for by ${carriesOut}` : kind,
      date,
      `${author} <${email}>`,
      subject,
      changes.map(change).join("\n"),
      journal.map(noted).join("\n"),
    ]),
  };
}

/** An entry of the pipeline's journal in words. */
function noted(entry: ChainCommit["journal"][number]): string {
  const said = {
    received: (e) => `received from ${e.by}`,
    built: (e) => `built ${e.tag} (${e.digest})`,
    "build-failed": (e) => `build of ${e.version} failed`,
    promoted: (e) => `tagged ${e.tag}`,
    "promotion-failed": (e) => `promotion to ${e.environment} failed: ${e.reason}`,
    "carried-out": (e) => `carried out in ${e.environment}`,
    held: (e) => `kept ${e.tag} out of ${e.environment}`,
  } satisfies { [E in JournalEntry["event"]]: (e: Extract<JournalEntry, { event: E }>) => string };
  return `${entry.at} ${(said[entry.event] as (e: JournalEntry) => string)(entry)}`;
}

function change({ environment, from, to }: ChainCommit["changes"][number]): string {
  const short = (image: ImageReference | undefined) => (image ? shortImage(image) : "none");
  return `${environment}: ${short(from)} → ${short(to)}`;
}

function reconciles({ reconciles: seenReconciles }: EvidenceBundle): Section {
  const heading = "Reconciles";
  const columns = ["Kustomization", "Revision", "Status", "First", "Last", "Times"];
  if (seenReconciles.status !== "observed") return { heading, note: unseen(seenReconciles), columns, rows: [] };
  return {
    heading,
    note: `Basis: ${seenReconciles.basis}. Flux keeps the last five outcomes of each Kustomization.`,
    columns,
    rows: seenReconciles.value.map((reconcile) => [
      reconcile.kustomization,
      reconcile.revision ?? "not noted",
      reconcile.status,
      reconcile.firstReconciled,
      reconcile.lastReconciled,
      String(reconcile.totalReconciliations),
    ]),
  };
}

function rollback({ rollback: seenRollback }: EvidenceBundle): Section {
  return {
    heading: "Rollback",
    note: "The commit whose revert takes production back to the image before.",
    columns: ["Fact", "Basis", "Value"],
    rows: [
      [
        "commit to revert",
        ...seen(seenRollback, ({ commit, from, to }) => `${commit}\ntakes production from ${shortImage(from)} to ${shortImage(to)}`),
      ],
    ],
  };
}

const notSeen = "not observed";

/** Basis and value. */
function seen<T>(fact: Observed<T>, show: (value: T) => string): [basis: string, value: string] {
  if (fact.status === "error") return [notSeen, `error: ${fact.reason}`];
  return [fact.basis, fact.status === "observed" ? show(fact.value) : `absent: ${fact.reason}`];
}

function unseen(fact: Exclude<Observed<unknown>, { status: "observed" }>): string {
  return fact.status === "error" ? `Not observed: ${fact.reason}` : `Basis: ${fact.basis}. Absent: ${fact.reason}`;
}
