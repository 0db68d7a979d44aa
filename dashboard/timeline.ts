import type { Environment } from "../shared/names.ts";
import { parseTag } from "../shared/tags.ts";
import type { ChainCommit, CommitKind } from "../verification/bundle/schema.ts";
import { shortImage, type ImageReference } from "../verification/image-reference.ts";

/*
 * Where everything of the promotion timeline is drawn: a lane for what was pushed, one for each environment below it, and
 * a column for each commit from left (old) to right. Pure, in the units of the SVG's view box.
 */

export interface Timeline {
  readonly width: number;
  readonly height: number;
  readonly lanes: readonly { readonly name: string; readonly y: number }[];
  readonly nodes: readonly TimelineNode[];
  readonly links: readonly TimelineLink[];
  /** How many older commits are not drawn. */
  readonly left: number;
}

export interface TimelineNode {
  readonly commit: string;
  readonly kind: CommitKind | "held";
  readonly lane: string;
  readonly x: number;
  readonly y: number;
  /** The version that the environment gets. */
  readonly label?: string;
  /** One sentence. */
  readonly says: string;
}

/** From where an image came to where it went, or from a revert back to what it takes back. */
export interface TimelineLink {
  readonly kind: "promotion" | "revert" | "request";
  readonly from: { readonly x: number; readonly y: number };
  readonly to: { readonly x: number; readonly y: number };
}

export const geometry = { left: 96, top: 34, column: 58, lane: 62, right: 40, radius: 9 } as const;

/** The lane of commits that change no environment. */
export const pushLane = "pushes";

/** @param commits newest first */
export function timelineOf(commits: readonly ChainCommit[], environments: readonly Environment[], limit = 60): Timeline {
  const shown = commits.slice(0, limit).toReversed();
  const lanes = [pushLane, ...environments].map((name, index) => ({ name, y: geometry.top + index * geometry.lane }));
  const yOf = (lane: string) => lanes.find(({ name }) => name === lane)!.y;
  const xOf = (index: number) => geometry.left + index * geometry.column + geometry.column / 2;
  const nodes = shown.flatMap((commit, index) =>
    nodesOf(commit).map((node) => ({ ...node, x: xOf(index) + (node.kind === "held" ? geometry.column * 0.36 : 0), y: yOf(node.lane) })),
  );
  return {
    width: xOf(Math.max(shown.length, 1) - 1) + geometry.column / 2 + geometry.right,
    height: geometry.top + (lanes.length - 1) * geometry.lane + geometry.top,
    lanes,
    nodes,
    links: linksOf(shown, nodes, environments),
    left: commits.length - shown.length,
  };
}

function nodesOf({ id, kind, subject, changes, journal }: ChainCommit): Omit<TimelineNode, "x" | "y">[] {
  const held = journal.flatMap((entry) =>
    entry.event === "held"
      ? [
          {
            commit: id,
            kind: "held" as const,
            lane: entry.environment,
            says: `Image automation's proposal of ${entry.tag} for ${entry.environment} was held: ${entry.reason}`,
          },
        ]
      : [],
  );
  if (changes.length === 0) return [{ commit: id, kind, lane: pushLane, says: `${id.slice(0, 7)} ${nameOf(kind)}: ${subject}` }, ...held];
  const changed = changes.map(({ environment, from, to }) => ({
    commit: id,
    kind,
    lane: environment,
    label: versionOf(to),
    says: `${id.slice(0, 7)} ${nameOf(kind)}: ${environment} from ${from ? shortImage(from) : "none"} to ${to ? shortImage(to) : "none"}`,
  }));
  return [...changed, ...held];
}

function linksOf(shown: readonly ChainCommit[], nodes: readonly TimelineNode[], environments: readonly Environment[]): TimelineLink[] {
  const nodeAt = (commit: string, lane?: string) =>
    nodes.find((node) => node.commit === commit && node.kind !== "held" && (lane === undefined || node.lane === lane));
  return shown.flatMap((commit, index) =>
    commit.changes.flatMap(({ environment, to }): TimelineLink[] => {
      const target = nodeAt(commit.id, environment)!;
      if (commit.reverts !== undefined) {
        const reverted = nodeAt(commit.reverts, environment);
        return reverted ? [{ kind: "revert", from: point(target), to: point(reverted) }] : [];
      }
      const links: TimelineLink[] = [];
      // What the seed asks for is in no lane of its own.
      const request = commit.carriesOut === undefined ? undefined : nodeAt(commit.carriesOut, pushLane);
      if (request) links.push({ kind: "request", from: point(request), to: point(target) });
      const before = environments[environments.indexOf(environment) - 1];
      const origin = shown
        .slice(0, index)
        .findLast(({ changes }) =>
          changes.some((change) => change.environment === before && change.to?.digest !== undefined && change.to.digest === to?.digest),
        );
      const source = origin && nodeAt(origin.id, before);
      if (source) links.push({ kind: "promotion", from: point(source), to: point(target) });
      return links;
    }),
  );
}

const point = ({ x, y }: TimelineNode) => ({ x, y });

export function nameOf(kind: TimelineNode["kind"]): string {
  return {
    seed: "seed",
    request: "promotion request",
    "image-update": "image update",
    promotion: "promotion",
    revert: "revert",
    learner: "commit",
    held: "held proposal",
  }[kind];
}

/** The version in an immutable tag, else the beginning of what tells the image. */
export function versionOf(image: ImageReference | undefined): string {
  if (!image) return "none";
  return (image.tag && parseTag(image.tag)?.version) ?? shortImage(image).slice(0, 10);
}
