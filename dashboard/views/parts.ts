import { html } from "hono/html";
import { printable } from "../../shared/printable.ts";
import type { Content, Html } from "./layout.ts";

export function section(id: string, heading: string, content: Content): Html {
  return html`<h2 id="${id}">${heading}</h2>${content}`;
}

/** The first cell of a row is its heading. On a narrow screen rows are cards, which is why roles and labels are said. */
export function table(label: string, columns: readonly string[], rows: readonly (readonly Content[])[], empty: string): Html {
  if (rows.length === 0) return html`<p class="soft">${empty}</p>`;
  const row = ([first, ...cells]: readonly Content[]) =>
    html`<tr role="row"><th scope="row" role="rowheader">${plain(first)}</th>${cells.map((cell, index) => html`<td role="cell" data-label="${columns[index + 1]}"><div>${plain(cell)}</div></td>`)}</tr>\n`;
  return html`<div class="table" tabindex="0" role="region" aria-label="${label}"><table class="cards" role="table">
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th scope="col" role="columnheader">${column}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map(row)}</tbody>
</table></div>`;
}

/** Much of what is in tables was written by learners. */
const plain = (cell: Content): Content => (typeof cell === "string" ? printable(cell) : cell);

export function lines(text: string): Content {
  return text.split("\n").map((line, index) => html`${index > 0 ? html`<br>` : ""}${printable(line)}`);
}
