import { html } from "hono/html";
import { standalonePage } from "../../shared/standalone-page.ts";

type Html = ReturnType<typeof html>;

const style = `
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #1c2128; --link: #6cb6ff; } }
* { box-sizing: border-box; }
body { font: 1rem/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { border-bottom: 1px solid var(--line); font-size: 1.25rem; margin-top: 2.5rem; padding-bottom: 0.25rem; }
h3 { font-size: 1.05rem; margin-top: 2rem; }
nav ul { columns: 2; padding-left: 1.25rem; }
nav li { break-inside: avoid; margin: 0; padding: 0.125rem 0; }
a { color: var(--link); }
code { background: var(--soft); border-radius: 0.25rem; font: 0.875em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; padding: 0.1em 0.3em; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 0.375rem; overflow-x: auto; padding: 0.75rem; }
pre code { background: none; overflow-wrap: normal; padding: 0; }
li { margin: 0.25rem 0; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; width: 100%; }
th, td { border: 1px solid var(--line); padding: 0.4rem 0.5rem; text-align: left; vertical-align: top; }
th { background: var(--soft); }
@media (max-width: 40rem) {
  nav ul { columns: 1; }
  thead { display: none; }
  tr { border: 1px solid var(--line); display: block; margin-bottom: 0.5rem; }
  td { border: 0; display: block; }
  td:first-child { font-weight: 600; }
}
@media print { pre, td code { white-space: pre-wrap; } }
`;

/**
 * A page from the Markdown of a handout: headings, paragraphs, lists, fenced code, tables, \`code\`, **bold** and
 * backslashes before signs.
 */
export function renderPage(markdown: string): string {
  const lines = markdown.split("\n");
  const title = lines.find((line) => line.startsWith("# "))?.slice(2) ?? "";
  const contents = lines.flatMap((line) => /^## (.*)/.exec(line)?.[1] ?? []);
  const links = html`<nav aria-label="Contents"><ul>${contents.map((heading) => html`<li><a href="#${anchor(heading)}">${inline(heading)}</a></li>`)}</ul></nav>\n`;
  const [head = [], rest = []] = split(lines);
  return standalonePage({ title, style, main: html`${blocks(head)}${links}${blocks(rest)}` });
}

/** The same Markdown as a part of another page. */
export function renderBlocks(markdown: string): Html[] {
  return blocks(markdown.split("\n"));
}

/** Before the first heading of the second level, and from it on. */
function split(lines: readonly string[]): readonly [string[], string[]] {
  const at = lines.findIndex((line) => line.startsWith("## "));
  return at < 0 ? [[...lines], []] : [lines.slice(0, at), lines.slice(at)];
}

const anchor = (heading: string) => heading.toLowerCase().replace(/[^a-z0-9]+/g, "-");
const fence = /^```/;
const bullet = /^(?:- |(\d+)\. )/;

function blocks(lines: readonly string[]): Html[] {
  const found: Html[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    const heading = /^(#{1,3}) (.*)/.exec(line);
    const length =
      heading || line === ""
        ? 1
        : fence.test(line)
          ? fencedLength(lines.slice(at))
          : bullet.test(line)
            ? listLength(lines.slice(at))
            : paragraphLength(lines.slice(at));
    const own = lines.slice(at, at + length);
    if (heading) found.push(headingOf(heading[1]!.length, heading[2]!));
    else if (fence.test(line)) found.push(html`<pre tabindex="0"><code>${own.slice(1, -1).join("\n")}</code></pre>\n` as Html);
    else if (bullet.test(line)) found.push(list(own));
    else if (line.startsWith("| ")) found.push(table(own));
    else if (line !== "") found.push(html`<p>${inline(own.join("\n"))}</p>\n` as Html);
    at += length;
  }
  return found;
}

function fencedLength(lines: readonly string[]): number {
  const end = lines.findIndex((line, index) => index > 0 && fence.test(line));
  return end < 0 ? lines.length : end + 1;
}

/** Up to the first line that is neither an item, nor indented, nor empty between such. */
function listLength(lines: readonly string[]): number {
  const end = lines.findIndex((line, index) => {
    if (bullet.test(line) || line.startsWith("  ")) return false;
    const next = lines[index + 1];
    return (
      line !== "" ||
      next === undefined ||
      !(next.startsWith("  ") || (bullet.test(next) && lines[0]!.startsWith("- ") === next.startsWith("- ")))
    );
  });
  return end < 0 ? lines.length : end;
}

function paragraphLength(lines: readonly string[]): number {
  const end = lines.findIndex((line) => line === "" || fence.test(line));
  return end < 0 ? lines.length : end;
}

function headingOf(level: number, text: string): Html {
  const content = inline(text);
  if (level === 1) return html`<h1>${content}</h1>\n` as Html;
  return (level === 2 ? html`<h2 id="${anchor(text)}">${content}</h2>\n` : html`<h3>${content}</h3>\n`) as Html;
}

function list(lines: readonly string[]): Html {
  const items: string[][] = [];
  for (const line of lines) {
    const mark = bullet.exec(line);
    if (mark) items.push([line.slice(mark[0].length)]);
    else items.at(-1)!.push(line.replace(/^ {1,3}/, ""));
  }
  const content = items.map((item) => html`<li>${item.length === paragraphLength(item) ? inline(item.join("\n")) : blocks(item)}</li>\n`);
  return (bullet.exec(lines[0]!)?.[1] === undefined ? html`<ul>\n${content}</ul>\n` : html`<ol>\n${content}</ol>\n`) as Html;
}

function table([head = "", , ...rows]: readonly string[]): Html {
  const cells = (line: string) => line.replace(/^\| | \|$/g, "").split(" | ");
  return html`<div class="table" role="region" aria-label="${cells(head).join(", ")}" tabindex="0"><table>
<thead><tr>${cells(head).map((cell) => html`<th scope="col">${inline(cell)}</th>`)}</tr></thead>
<tbody>
${rows.map((line) => html`<tr>${cells(line).map((cell) => html`<td>${inline(cell)}</td>`)}</tr>\n`)}</tbody>
</table></div>
` as Html;
}

function inline(text: string): Html[] {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\\[!-/:-@[-`{-~])/).map((part) => {
    if (/^`.+`$/s.test(part)) return html`<code>${part.slice(1, -1)}</code>` as Html;
    if (/^\*\*.+\*\*$/s.test(part)) return html`<strong>${part.slice(2, -2)}</strong>` as Html;
    return html`${/^\\.$/.test(part) ? part.slice(1) : part}` as Html;
  });
}
