import { html } from "hono/html";
import { howLong, howSoon, type Moment, type Status, type Waiting } from "../rows.ts";
import type { Archived } from "../facts.ts";
import { printable } from "../../shared/printable.ts";

export type Html = ReturnType<typeof html>;
export type Content = Html | string | readonly Content[] | undefined;

export interface Frame {
  readonly title: string;
  /** The cohort's name, which leads home. */
  readonly cohort: string;
  readonly home: string;
  /** Whether the page keeps itself up to date. */
  readonly live: boolean;
  /** Says that it is an archive that is shown. */
  readonly archived?: Archived | undefined;
}

/** A whole page of somebody who has come in. */
export function page({ title, cohort, home, live, archived }: Frame, main: Content): Html {
  return html`${head(`${title} · ${cohort}`, live)}
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
<a class="home" href="${home}">${cohort}</a>
${live ? html`<span id="connection" class="connection" role="status">Live updates need JavaScript</span>` : ""}
<form method="post" action="/leave"><button class="quiet">Sign out</button></form>
</header>
${archived ? html`<aside class="notice banner" aria-label="Archive"><strong>Archive.</strong> This course is over: what you see is what was archived at <time datetime="${archived.createdAt}">${archived.createdAt.replace("T", " ").slice(0, 16)} UTC</time>, and nothing can be changed. Signed by <code>${archived.fingerprint}</code>; whether that is your lab's key, compare with the fingerprint that was printed then.</aside>` : ""}
<main id="main" tabindex="-1">
${main}
</main>
</body>
</html>
`;
}

/** A page that says one thing. */
export function message(title: string, text: string, home: string | undefined): Html {
  return html`${head(title, false)}
<body><main id="main" class="message"><h1>${title}</h1><p>${inline(text)}</p>${home === undefined ? "" : html`<p><a href="${home}">Back</a></p>`}</main></body>
</html>
`;
}

/** Leads on to where a visitor belongs, now that the browser has the cookie. */
export function entered(home: string): Html {
  return html`${head("Signed in", false, html`<meta http-equiv="refresh" content="0; url=${home}">`)}
<body><main id="main" class="message"><h1>Signed in</h1><p><a href="${home}">Go on</a></p></main></body>
</html>
`;
}

function head(title: string, live: boolean, more: Html | string = ""): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/style.css">
${live ? html`<script type="module" src="/static/live.js"></script>` : ""}${more}
</head>`;
}

/** Text with `code` in it. */
function inline(text: string): Content {
  return text.split(/(`[^`]+`)/).map((part) => (/^`.+`$/.test(part) ? html`<code>${part.slice(1, -1)}</code>` : part));
}

export const marks: Readonly<Record<Status, string>> = { pass: "✓", fail: "✗", error: "?", open: "·" };
const statusNames: Readonly<Record<Status, string>> = { pass: "pass", fail: "fail", error: "could not look", open: "not looked at yet" };

/** A sign for the eye and words for who does not see it. */
export function mark(status: Status, title?: string): Html {
  return html`<span class="mark ${status}"><span aria-hidden="true">${marks[status]}</span><span class="hidden">${title === undefined ? "" : `${title}: `}${statusNames[status]}. </span></span>`;
}

/** How long ago, kept true by the page's script. */
export function ago(at: string, now = Date.now()): Html {
  return html`<time datetime="${at}" title="${at}" data-ago>${howLong(now - Date.parse(at))}</time>`;
}

/** How long it is until then, likewise. */
export function left(until: string, now = Date.now()): Html {
  return html`<time datetime="${until}" title="${until}" data-left>${howSoon(Date.parse(until) - now)}</time>`;
}

export function waits({ until, what }: Waiting): Html {
  return html`waits, ${left(until)} left<span class="under">${printable(what)}</span>`;
}

export function moment({ at, what }: Moment): Html {
  return html`${ago(at)}<span class="under">${printable(what)}</span>`;
}

export function bytes(count: number): string {
  return count >= 1024 ** 3 ? `${(count / 1024 ** 3).toFixed(1)} GiB` : `${Math.round(count / 1024 ** 2)} MiB`;
}
