import { html } from "hono/html";
import { stateNames } from "../../verification/bundle/promotion-words.ts";
import type { PromotionState } from "../../verification/bundle/schema.ts";
import { formatImage, shortImage } from "../../verification/image-reference.ts";
import { printable } from "../../shared/printable.ts";
import { recordOf } from "../../records/exercises.ts";
import type { BundleFacts, LearnerFacts, Source } from "../facts.ts";
import { isPassed, isSolvedByLearner, journalOf, momentOf, rowOf } from "../rows.ts";
import { ago, left, mark, moment, page, waits, type Content, type Html } from "./layout.ts";
import { limitsView, noRoomView, processes, usage } from "./overview.ts";
import { lines, section, table } from "./parts.ts";
import { timelineView } from "./timeline.ts";

const pathOf = (id: string) => `/learners/${encodeURIComponent(id)}`;

/** All there is to see of a learner, and what an instructor can do. */
export function learnerPage(source: Source, facts: LearnerFacts, bundles: readonly BundleFacts[]): Html {
  const path = pathOf(facts.id);
  const { drills } = source.template;
  const button = (kind: string, label: string) =>
    html`<form method="post" action="${path}/${kind}"><button id="do-${kind}">${label}</button></form>`;
  const choice = html`<form method="post" action="${path}/drill"><label for="drill">Drill</label> <select id="drill" name="drill">${drills.map(({ id, title }) => html`<option value="${id}">${title}</option>`)}</select> <button id="do-drill">Start the drill</button></form>`;
  return page(
    { title: facts.name, cohort: source.cohort.cohort, home: "/", live: source.archived === undefined, archived: source.archived },
    html`<p class="trail"><a href="/">Overview</a></p>
<h1>${printable(facts.name)} <span class="soft">${facts.id}</span></h1>
${
  source.archived
    ? ""
    : html`<section class="actions" aria-label="Actions">
${button("verify", "Verify now")}${button("evidence", "Create evidence")}${button("pause", "Pause processes")}${button("resume", "Resume processes")}${drills.length > 0 ? choice : ""}
<a class="button" href="${path}/reset">Reset the lab …</a>
<a href="${path}/handout">Handout</a>
</section>`
}
${learnerLive(source, facts, bundles)}`,
  );
}

/** Asks before a learner's lab is made anew, and says what is kept. */
export function resetPage(source: Source, facts: LearnerFacts): Html {
  const path = pathOf(facts.id);
  return page(
    { title: `Reset ${facts.name}`, cohort: source.cohort.cohort, home: "/", live: false, archived: source.archived },
    html`<p class="trail"><a href="${path}">${printable(facts.name)}</a></p>
<h1>Reset the lab of ${printable(facts.name)} <span class="soft">${facts.id}</span></h1>
<p>Kept as a backup, in <code>backups/${source.cohort.cohort}-${facts.id}-&lt;time&gt;</code> of the folder in which the dashboard was started:</p>
<ul class="kept">
<li>the repository with every branch, commit and note, as <code>repository.bundle</code></li>
<li>the records of exercises (${Object.keys(facts.exercises).length}), drills (${facts.drills.length}) and quiz attempts (${facts.attempts.length})</li>
</ul>
<p>Evidence bundles that were made here stay where they are. Removed and made anew: cluster, repository, images, records, and every credential, so the learner needs a new handout. The others' labs are not touched. It takes about as long as the first <code>./lab up</code> of one learner; its progress is in the terminal in which the dashboard runs.</p>
<section class="actions" aria-label="Actions">
<form method="post" action="${path}/reset"><button id="do-reset">Reset the lab of ${printable(facts.name)}</button></form>
<a class="button" href="${path}">Cancel</a>
</section>`,
  );
}

/** The part of the page that follows what happens. */
export function learnerLive(source: Source, facts: LearnerFacts, bundles: readonly BundleFacts[]): Html {
  const path = pathOf(facts.id);
  const row = rowOf(facts, source.template);
  return html`<div id="live" data-live-of="${facts.id}" data-live-from="${path}/live">
${source.archived ? "" : jobView(facts)}
${noRoomView([facts])}
${limitsView(facts)}
${facts.problems.map((problem) => html`<p class="notice fail">${printable(problem)}</p>`)}
<dl class="figures">
<div><dt>Last activity</dt><dd>${row.activity ? moment(row.activity) : "none"}</dd></div>
${
  source.archived
    ? ""
    : html`<div><dt>Stuck for</dt><dd>${row.stuck ? moment(row.stuck) : row.waiting ? waits(row.waiting) : "not stuck"}</dd></div>
<div><dt>Memory, CPU</dt><dd>${usage(facts)}</dd></div>
<div><dt>Processes</dt><dd>${processes(row.processes)}</dd></div>`
}
</dl>
<h2>Promotion timeline</h2>
${facts.branch ? timelineView(facts.branch, source.template.environments, "timeline") : html`<p class="soft">The repository was not looked at yet.</p>`}
${environmentsView(facts)}
${checklistView(facts)}
${exercisesView(source, facts)}
${source.template.drills.length > 0 ? drillsView(source, facts) : ""}
${quizView(facts)}
${bundlesView(bundles, path)}
${journalView(facts)}
${source.archived ? "" : processesView(facts)}
</div>`;
}

export function jobView({ job }: LearnerFacts): Content {
  if (job === undefined) return "";
  const says = { running: "running since", done: "done; begun", failed: "failed; begun" }[job.state];
  return html`<p class="notice ${{ running: "open", done: "pass", failed: "fail" }[job.state]}" role="status">${job.what}: ${says} ${ago(job.startedAt)}${job.state === "running" ? "" : " ago"}. ${job.says === undefined ? "" : printable(job.says)}</p>`;
}

export function environmentsView({ branch }: LearnerFacts): Html {
  const rows = (branch?.environments ?? []).map(({ name, image }) => [
    name,
    image ? html`<code>${printable(formatImage(image))}</code>` : "no image",
  ]);
  return section(
    "environments",
    "Environments",
    table("What Git asks for, by environment", ["Environment", "Image that Git asks for"], rows, "The repository was not looked at yet."),
  );
}

export function checklistView({ checklist }: LearnerFacts): Html {
  const rows = (checklist?.reports ?? []).map(({ title, command, result }) => [
    title,
    html`${mark(result.status)} ${result.status}`,
    result.status === "error"
      ? printable(result.reason)
      : html`${lines(result.observed)}${result.status === "fail" ? html`<div class="soft">Expected: ${lines(result.expected)}</div><div class="soft">Hint: ${printable(result.hint)}</div>` : ""}`,
    html`<code>${command}</code>`,
  ]);
  return section(
    "checklist",
    "Checklist",
    html`${checklist ? html`<p class="soft">Observed ${ago(checklist.at)} ago.</p>` : ""}${checklist?.promotion ? promotionView(checklist.promotion) : ""}${table("Checklist", ["Item", "Result", "Observed", "By hand"], rows, "Not looked at yet.")}`,
  );
}

/** What has become of the promotion that the checklist belongs to. */
function promotionView({ state, since, asked, promotion, hold, outside, environment }: PromotionState): Html {
  const isChanged = state === "changed-outside-git" || state === "changed-without-promotion";
  const image = outside === undefined ? asked?.image : outside.image;
  const by = outside === undefined ? asked?.commit?.slice(0, 7) : outside.by.join(", ");
  const holding =
    hold === undefined
      ? ""
      : hold.state === "held"
        ? html` It has held for the ${hold.neededSeconds} s that are needed.`
        : html` It waits to hold: ${left(hold.until)} left.`;
  return html`<p class="notice ${isChanged ? "fail" : "open"}">${environment}: <strong>${stateNames[state]}</strong>${since === undefined ? "" : html` for ${ago(since)}`}${image === undefined ? "" : html`, ${state === "rolled-back" ? "to" : "with"} <code>${printable(shortImage(image))}</code>`}${by ? html` by <code>${printable(by)}</code>` : ""}.${holding}${promotion === undefined ? "" : html` The newest promotion is <code>${promotion.commit.slice(0, 7)}</code>, which brought <code>${printable(shortImage(promotion.to))}</code>.`}</p>`;
}

export function exercisesView({ template }: Source, facts: LearnerFacts): Html {
  const rows = template.exercises.map(({ id, title, hints }) => {
    const record = recordOf(facts.exercises, id);
    const last = record.checks.at(-1);
    return [
      title,
      html`${mark(isPassed(record) ? "pass" : (last?.status ?? "open"))} ${isPassed(record) ? "passed" : (last?.status ?? "not checked")}`,
      last ? html`${ago(last.time)} ago: ${lines(last.says)}` : "–",
      `${record.hints.length} of ${hints.length}`,
      record.solved.length > 0 ? "by the reference solver" : "",
    ];
  });
  return section(
    "exercises",
    "Exercises",
    table("Exercises", ["Exercise", "State", "Last check", "Hints", "Solved"], rows, "This lab has none."),
  );
}

export function drillsView({ template }: Source, { drills }: LearnerFacts): Html {
  const rows = drills.toReversed().map((run) => {
    const { drill, startedAt, solvedAt, resetAt, hints, checks } = run;
    const state = isSolvedByLearner(run)
      ? html`${mark("pass")} solved`
      : solvedAt
        ? "solved by the reference solver"
        : resetAt
          ? "given up"
          : html`${mark("open")} running`;
    return [
      template.drills.find(({ id }) => id === drill)?.title ?? drill,
      state,
      html`${ago(startedAt)} ago`,
      String(hints.length),
      lines(checks.at(-1)?.says ?? ""),
    ];
  });
  return section("drills", "Drills", table("Drills", ["Drill", "State", "Started", "Hints", "Last check"], rows, "None was started."));
}

function quizView({ attempts }: LearnerFacts): Html {
  const rows = attempts.toReversed().map(({ time, result }) => [
    html`${ago(time)} ago`,
    `${result.points} of ${result.max}`,
    `${result.percentage} %`,
    result.questions
      .filter(({ points, max }) => points < max)
      .map(({ topic }) => topic)
      .join("; ") || "nothing",
  ]);
  return section("quiz", "Quiz", table("Quiz attempts", ["Attempt", "Points", "Share", "Not whole"], rows, "No attempt yet."));
}

export function bundlesView(bundles: readonly BundleFacts[], path: string): Html {
  const rows = bundles.map(({ name, createdAt, verdict }) => [
    html`<a href="${path}/evidence/${encodeURIComponent(name)}">${name}</a>`,
    html`${ago(createdAt)} ago`,
    verdict,
  ]);
  return section(
    "evidence",
    "Evidence bundles",
    table("Evidence bundles", ["Bundle", "Made", "Verdict"], rows, "None was made from this dashboard yet."),
  );
}

export function journalView({ branch }: LearnerFacts): Html {
  const rows = journalOf(branch)
    .toReversed()
    .slice(0, 50)
    .map((entry) => [
      html`${ago(entry.at)} ago`,
      momentOf(entry).what,
      html`<code>${entry.commit.slice(0, 7)}</code>`,
      "reason" in entry ? lines(entry.reason) : "tag" in entry ? html`<code>${printable(entry.tag)}</code>` : "",
    ]);
  return section(
    "journal",
    "Journal of the pipeline",
    table("Journal of the pipeline, newest first", ["When", "Event", "Commit", "Detail"], rows, "The pipeline has noted nothing yet."),
  );
}

function processesView({ processes: all }: LearnerFacts): Html {
  const rows = all.map(({ name, state, restarts, lastExit }) => [
    name,
    state,
    String(restarts),
    lastExit ? html`${ago(lastExit.at)} ago: ${printable(lastExit.reason)}` : "–",
  ]);
  return section(
    "processes",
    "Processes",
    table("Processes", ["Process", "State", "Restarts", "Last end"], rows, "The lab daemon does not answer, or there are none."),
  );
}
