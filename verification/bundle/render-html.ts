import { html } from "hono/html";
import { printable } from "../../shared/printable.ts";
import { standalonePage } from "../../shared/standalone-page.ts";
import { documentOf, type Section } from "./document.ts";
import type { EvidenceBundle } from "./schema.ts";

const style = `
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --pass: #116329; --fail: #a40e26; --error: #7d4e00; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #1c2128; --pass: #57ab5a; --fail: #f47067; --error: #daaa3f; } }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 80rem; padding: 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin-top: 2rem; }
dl { display: grid; gap: 0.25rem 1rem; grid-template-columns: max-content 1fr; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; min-width: 44rem; width: 100%; }
th, td { border: 1px solid var(--line); overflow-wrap: anywhere; padding: 0.4rem; text-align: left; vertical-align: top; white-space: pre-line; }
thead th { background: var(--soft); overflow-wrap: normal; }
.pass { color: var(--pass); } .fail { color: var(--fail); } .error { color: var(--error); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.5rem; } }
`;

/** The bundle as one HTML page that stands alone. */
export function renderHtml(bundle: EvidenceBundle): string {
  const { title, verdict, about, sections } = documentOf(bundle);
  return standalonePage({
    title: `${printable(title)}: ${verdict}`,
    style,
    main: html`<h1>${printable(title)}: <span class="${verdict}">${verdict}</span></h1>
<dl>
${about.map(([label, value]) => html`<dt>${label}</dt><dd>${printable(value)}</dd>\n`)}</dl>
${sections.map(section)}`,
  });
}

function section({ heading, note, columns, rows }: Section) {
  const head = html`<h2>${heading}</h2>\n<p>${printable(note)}</p>\n`;
  if (rows.length === 0) return head;
  return html`${head}<div class="table" role="region" aria-label="${heading}" tabindex="0">
<table>
<thead><tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>
${rows.map(row)}</tbody>
</table>
</div>
`;
}

function row([first = "", ...cells]: readonly string[]) {
  return html`<tr><th scope="row">${lines(first)}</th>${cells.map((cell) => html`<td>${lines(cell)}</td>`)}</tr>\n`;
}

function lines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
