import { html } from "hono/html";
import { limitNewsMs } from "../../shared/limits.ts";
import { printable } from "../../shared/printable.ts";
import { inShort } from "../../verification/bundle/promotion-words.ts";
import type { PromotionState } from "../../verification/bundle/schema.ts";
import type { LearnerFacts, Source } from "../facts.ts";
import { rowOf, type Progress, type Row } from "../rows.ts";
import { versionOf } from "../timeline.ts";
import { ago, bytes, mark, moment, page, waits, type Content, type Html } from "./layout.ts";

/** The cohort at a glance: a row for each learner. */
export function overviewPage(source: Source): Html {
  const { cohort, template } = source;
  const facts = source.facts();
  const columns = [
    "Learner",
    ...template.environments,
    "Checklist",
    "Exercises",
    ...(template.drills.length > 0 ? ["Drills"] : []),
    "Quiz",
    "Last activity",
    ...(source.archived ? [] : ["Stuck for", "Memory, CPU", "Processes"]),
  ];
  return page(
    { title: "Overview", cohort: cohort.cohort, home: "/", live: source.archived === undefined, archived: source.archived },
    html`<h1>${printable(cohort.course)}</h1>
${summaryView(source)}
<div class="table"><table class="overview" role="table">
<caption class="hidden">Learners of the cohort ${cohort.cohort}</caption>
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th scope="col" role="columnheader">${column}</th>`)}</tr></thead>
<tbody role="rowgroup">
${facts.map((one) => rowView(one, source))}</tbody>
</table></div>
${noRoomView(facts)}
${cohort.simulated.length > 0 ? html`<p class="soft">Simulated in this lab: ${cohort.simulated.map(printable).join(" ")}</p>` : ""}`,
  );
}

export function summaryView(source: Source): Html {
  const { template, archived } = source;
  const facts = source.facts();
  const rows = facts.map((one) => rowOf(one, template));
  const whole = rows.filter(({ checklist }) => checklist.every(({ status }) => status === "pass")).length;
  const stuck = rows.filter((row) => row.stuck !== undefined).length;
  const waiting = rows.filter((row) => row.stuck === undefined && row.waiting !== undefined).length;
  const memory = facts.reduce((sum, { usage }) => sum + (usage?.pssBytes ?? 0), 0);
  const figures: [label: string, value: string][] = [
    ["Learners", String(facts.length)],
    ["Checklist passed", String(whole)],
    ...(archived
      ? []
      : ([
          ["Stuck", String(stuck)],
          ["Waiting", String(waiting)],
          ["Memory of the labs", memory === 0 ? "not measured yet" : bytes(memory)],
        ] satisfies [string, string][])),
  ];
  return html`<dl class="figures" id="summary" data-live-of="*" data-live-from="/summary">${figures.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function rowView(facts: LearnerFacts, { template, archived }: Pick<Source, "template" | "archived">): Html {
  const row = rowOf(facts, template);
  const path = `/learners/${encodeURIComponent(facts.id)}`;
  const cells: [label: string, content: Content, className?: string | undefined][] = [
    ...template.environments.map((name): [string, Content] => [name, environment(facts, name)]),
    [
      "Checklist",
      html`<span class="marks">${row.checklist.map(({ title, status }) => mark(status, title))}</span>${row.promotion ? stateView(row.promotion) : ""}`,
    ],
    ["Exercises", progress(row.exercises)],
    ...(template.drills.length > 0
      ? [
          ["Drills", html`${progress(row.drills)}${row.drills.running ? html`<span class="under">${row.drills.running}</span>` : ""}`] as [
            string,
            Content,
          ],
        ]
      : []),
    ["Quiz", row.quiz === undefined ? none() : html`<span class="whole">${row.quiz} %</span>`],
    ["Last activity", row.activity ? moment(row.activity) : none()],
    ...(archived
      ? []
      : ([
          ["Stuck for", row.stuck ? moment(row.stuck) : row.waiting ? waits(row.waiting) : none(), row.stuck ? "stuck" : undefined],
          ["Memory, CPU", usage(facts)],
          ["Processes", processes(row.processes)],
        ] satisfies [string, Content, (string | undefined)?][])),
  ];
  return html`<tr role="row" id="row-${facts.id}" data-live-of="${facts.id}" data-live-from="${path}/row">
<th scope="row" role="rowheader"><a id="link-${facts.id}" href="${path}">${printable(facts.name)}</a><span class="under">${facts.id}</span>${facts.noRoom === undefined ? "" : html`<span class="under error" title="${facts.noRoom}">no room</span>`}${limitMark(facts)}</th>
${cells.map(([label, content, className]) => html`<td role="cell" data-label="${label}"${className ? html` class="${className}"` : ""}><div>${content}</div></td>`)}
</tr>
`;
}

/** What has become of the newest promotion, in a few words; the sentence is what a pointer shows. */
export function stateView(promotion: PromotionState): Html {
  const { state, since, says } = promotion;
  const tone = state === "changed-outside-git" || state === "changed-without-promotion" ? " fail" : "";
  return html`<span class="under${tone}" title="${printable(says)}">${inShort(promotion)}${since === undefined ? "" : html`, ${ago(since)}`}</span>`;
}

/** Whose labs are not kept apart, and what that means. */
export function noRoomView(learners: readonly LearnerFacts[]): Content {
  const sentences = new Set(learners.flatMap(({ noRoom }) => noRoom ?? []));
  return [...sentences].map((sentence) => html`<p class="notice error no-room">${printable(sentence)}</p>`);
}

const newHits = ({ limitHits = [] }: LearnerFacts) => limitHits.filter(({ at }) => Date.now() - Date.parse(at) < limitNewsMs);

function limitMark(facts: LearnerFacts): Content {
  const last = newHits(facts).at(-1);
  return last === undefined ? "" : html`<span class="under error" title="${printable(last.said)}">limit ${printable(last.limit)}</span>`;
}

/** The limits that the learner came up against in the last day: how often, and the last sentence that the learner got. */
export function limitsView(facts: LearnerFacts): Content {
  const hits = newHits(facts);
  const last = hits.at(-1);
  if (last === undefined) return "";
  const times = hits.length === 1 ? "once" : `${hits.length} times`;
  return html`<p class="notice error limits">Came up against a limit ${times} in the last day, ${ago(last.at)} ago (${printable(last.limit)}): ${printable(last.said)}</p>`;
}

function environment({ branch }: LearnerFacts, name: string): Content {
  const image = branch?.environments.find((one) => one.name === name)?.image;
  if (image === undefined) return none();
  return html`<span title="${printable(image.tag ?? "")}">${printable(versionOf(image))}</span><code class="under whole">${printable(shortDigest(image.digest))}</code>`;
}

export const shortDigest = (digest: string | undefined) => (digest === undefined ? "no digest" : digest.replace("sha256:", "").slice(0, 8));

export function progress({ done, of }: Progress): Html {
  return html`<span class="${of > 0 && done === of ? "pass" : ""}">${done} of ${of}</span>`;
}

export function usage({ usage: seen }: LearnerFacts): Content {
  if (seen === undefined) return none();
  return html`${bytes(seen.pssBytes)}${seen.cpuShare === undefined ? "" : html`<span class="under">${(seen.cpuShare * 100).toFixed(1)} % CPU</span>`}`;
}

export function processes({ running, of, state }: Row["processes"]): Content {
  if (state === "none") return none();
  return html`<span class="${state === "running" ? "" : state === "paused" ? "error" : "fail"}">${running} of ${of}</span>${state === "running" ? "" : html`<span class="under">${state}</span>`}`;
}

const none = () => html`<span class="soft" aria-label="nothing">–</span>`;
