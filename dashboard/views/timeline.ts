import { html } from "hono/html";
import type { Environment } from "../../shared/names.ts";
import { shortImage } from "../../verification/image-reference.ts";
import type { ChainCommit } from "../../verification/bundle/schema.ts";
import { printable } from "../../shared/printable.ts";
import type { BranchFacts } from "../facts.ts";
import { geometry, nameOf, timelineOf, type Timeline, type TimelineLink, type TimelineNode } from "../timeline.ts";
import type { Content, Html } from "./layout.ts";
import { lines, table } from "./parts.ts";

/** The way of the images through the environments, as a picture and as a table. */
export function timelineView({ commits }: BranchFacts, environments: readonly Environment[], prefix: string): Html {
  const timeline = timelineOf(commits, environments);
  return html`<figure class="timeline">
<div class="scroll" id="${prefix}-scroll" data-keep-scroll="end" tabindex="0" role="region" aria-label="Promotion timeline, a picture">
${picture(timeline, prefix)}
</div>
<figcaption>${legend(prefix)}${timeline.left > 0 ? html`<p class="soft">${timeline.left} older commits are not drawn.</p>` : ""}</figcaption>
</figure>
<details id="${prefix}-table"><summary>The timeline as a table</summary>
${table("Promotion timeline, as a table", ["Commit", "Time", "Kind", "Subject", "Changes"], commits.map(row), "There are no commits.")}
</details>`;
}

function row({ id, date, kind, reverts, carriesOut, subject, changes }: ChainCommit): Content[] {
  const of = reverts ? ` of ${reverts.slice(0, 7)}` : carriesOut ? ` asked for by ${carriesOut.slice(0, 7)}` : "";
  const changed = changes.map(
    ({ environment, from, to }) => `${environment}: ${from ? shortImage(from) : "none"} → ${to ? shortImage(to) : "none"}`,
  );
  return [html`<code>${id.slice(0, 7)}</code>`, date, `${nameOf(kind)}${of}`, printable(subject), lines(changed.join("\n"))];
}

function picture({ width, height, lanes, nodes, links }: Timeline, prefix: string): Html {
  const from = geometry.left - 8;
  return html`<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${prefix}-title ${prefix}-description">
<title id="${prefix}-title">Promotion timeline</title>
<desc id="${prefix}-description">${nodes.length} events, oldest on the left. The table below says the same.</desc>
<defs><marker id="${prefix}-arrow" class="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8Z"/></marker></defs>
${lanes.map(({ name, y }) => html`<text class="lane" x="0" y="${y + 4}">${name}</text><line class="lane" x1="${from}" y1="${y}" x2="${width - 8}" y2="${y}"/>`)}
${links.map((link) => html`<path class="link ${link.kind}" d="${curve(link)}" marker-end="url(#${prefix}-arrow)"/>`)}
${nodes.map((node) => html`<g class="node ${node.kind}"><title>${printable(node.says)}</title>${shape(node)}${node.label === undefined ? "" : html`<text x="${node.x}" y="${node.y + 24}">${printable(node.label)}</text>`}</g>`)}
</svg>`;
}

/** Between the edges of two nodes; a revert bows above its lane. */
function curve({ kind, from, to }: TimelineLink): string {
  const { radius } = geometry;
  if (kind === "revert")
    return `M${from.x} ${from.y - radius} C${from.x - 6} ${from.y - 30} ${to.x + 6} ${to.y - 30} ${to.x} ${to.y - radius - 2}`;
  const middle = (from.x + to.x) / 2;
  return `M${from.x + radius} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${to.x - radius - 2} ${to.y}`;
}

function shape({ kind, x, y }: Pick<TimelineNode, "kind" | "x" | "y">): Html {
  const r = geometry.radius;
  if (kind === "held") return html`<path class="cross" d="M${x - 5} ${y - 5} L${x + 5} ${y + 5} M${x + 5} ${y - 5} L${x - 5} ${y + 5}"/>`;
  if (kind === "promotion") return html`<path d="M${x} ${y - r - 1} L${x + r + 1} ${y} L${x} ${y + r + 1} L${x - r - 1} ${y}Z"/>`;
  if (kind === "revert") return html`<rect x="${x - r + 1}" y="${y - r + 1}" width="${2 * r - 2}" height="${2 * r - 2}"/>`;
  return html`<circle cx="${x}" cy="${y}" r="${kind === "learner" || kind === "request" ? r - 3 : r - 1}"/>`;
}

function legend(prefix: string): Html {
  const kinds = ["seed", "learner", "request", "image-update", "promotion", "revert", "held"] as const;
  return html`<ul class="legend" id="${prefix}-legend">${kinds.map(
    (kind) =>
      html`<li><svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><g class="node ${kind}">${shape({ kind, x: 12, y: 12 })}</g></svg> ${nameOf(kind)}</li>`,
  )}</ul>`;
}
