import { html } from "hono/html";
import { renderBlocks } from "../../lab-templates/handout/html.ts";
import { learnerView, type LearnerQuestion } from "../../lab-templates/quiz.ts";
import { runningOf } from "../../records/drills.ts";
import type { Attempt } from "../../records/quiz.ts";
import { printable } from "../../shared/printable.ts";
import type { BundleFacts, LearnerFacts, Source } from "../facts.ts";
import { ago, page, type Content, type Html } from "./layout.ts";
import { bundlesView, checklistView, environmentsView, exercisesView, jobView, journalView } from "./learner.ts";
import { limitsView, noRoomView } from "./overview.ts";
import { section, table } from "./parts.ts";
import { timelineView } from "./timeline.ts";

/** A learner's own page: theirs, and nothing of others. */
export function ownPage(source: Source, facts: LearnerFacts, bundles: readonly BundleFacts[]): Html {
  return page(
    { title: "Your lab", cohort: source.cohort.cohort, home: "/me", live: true },
    html`<h1>${printable(source.template.title)}</h1>
<p>${printable(facts.name)}, ${printable(source.cohort.course)}</p>
<section class="actions" aria-label="Actions">
<a class="button" href="/me/handout">Your handout</a>
<a class="button" href="/me/quiz">Take the quiz</a>
<form method="post" action="/me/verify"><button id="do-verify">Check again</button></form>
</section>
${ownLive(source, facts, bundles)}`,
  );
}

export function ownLive(source: Source, facts: LearnerFacts, bundles: readonly BundleFacts[]): Html {
  return html`<div id="live" data-live-of="${facts.id}" data-live-from="/me/live">
${facts.job?.kind === "verify" ? jobView(facts) : ""}
${noRoomView([facts])}
${limitsView(facts)}
${briefingView(source, facts)}
${checklistView(facts)}
<h2>Your promotions</h2>
${facts.branch ? timelineView(facts.branch, source.template.environments, "timeline") : html`<p class="soft">Your repository was not looked at yet.</p>`}
${environmentsView(facts)}
${exercisesView(source, facts)}
${section(
  "quiz",
  "Quiz",
  table(
    "Your attempts",
    ["Attempt", "Points", "Share"],
    facts.attempts.toReversed().map(({ time, result }) => [time, `${result.points} of ${result.max}`, `${result.percentage} %`]),
    "No attempt yet.",
  ),
)}
${bundlesView(bundles, "/me")}
${journalView(facts)}
</div>`;
}

/** The symptom of the drill that runs, never its cause. */
function briefingView({ template }: Source, { drills }: LearnerFacts): Content {
  const run = runningOf(drills);
  const drill = template.drills.find(({ id }) => id === run?.drill);
  if (run === undefined || drill === undefined) return "";
  return section(
    "incident",
    `Incident: ${drill.title}`,
    html`<p class="soft">Began ${ago(run.startedAt)} ago.</p>${renderBlocks(drill.briefing)}`,
  );
}

/** The quiz as a form; after an attempt, what came of it. It never holds the key. */
export function quizPage({ cohort, template }: Source, { id }: LearnerFacts, attempt?: Attempt): Html {
  const { questions } = learnerView(template.quiz, id);
  return page(
    { title: "Quiz", cohort: cohort.cohort, home: "/me", live: false },
    html`<p class="trail"><a href="/me">Your lab</a></p>
<h1>Quiz</h1>
${
  attempt
    ? resultView(attempt)
    : html`<p>${questions.length} questions. Leave out what you do not know; the answers are graded when you send them, and your instructor sees the attempt.</p>
<form method="post" action="/me/quiz" class="quiz">
${questions.map(questionView)}
<button>Send the answers</button>
</form>`
}`,
  );
}

function questionView(question: LearnerQuestion, index: number): Html {
  const name = `q-${question.id}`;
  const heading = `${index + 1}. ${question.topic} (${question.points} ${question.points === 1 ? "point" : "points"})`;
  if (question.kind === "short") {
    return html`<div class="question"><h2 id="${name}-heading">${heading}</h2><p id="${name}-prompt" class="prompt">${question.prompt}</p><textarea name="${name}" rows="3" maxlength="5000" aria-labelledby="${name}-heading" aria-describedby="${name}-prompt"></textarea></div>`;
  }
  const type = question.several ? "checkbox" : "radio";
  return html`<div class="question" role="group" aria-labelledby="${name}-heading" aria-describedby="${name}-prompt"><h2 id="${name}-heading">${heading}</h2><p id="${name}-prompt" class="prompt">${question.prompt}${question.several ? " (one or more)" : ""}</p>
${question.options.map(({ id, text }) => html`<label><input type="${type}" name="${name}" value="${id}"> <span>${text}</span></label>`)}</div>`;
}

function resultView({ result }: Attempt): Html {
  const rows = result.questions.map(({ topic, points, max, feedback }) => [topic, `${points} of ${max}`, feedback]);
  return html`<p class="notice pass" role="status">${result.points} of ${result.max} points (${result.percentage} %). It is recorded.</p>
${table("What came of it", ["Question", "Points", "Feedback"], rows, "There are no questions.")}
<p><a href="/me/quiz">Take it again</a></p>`;
}
