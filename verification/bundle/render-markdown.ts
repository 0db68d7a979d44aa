import { printable } from "../../shared/printable.ts";
import { documentOf, type Section } from "./document.ts";
import type { EvidenceBundle } from "./schema.ts";

/** The bundle as a page of GitHub-flavoured Markdown. */
export function renderMarkdown(bundle: EvidenceBundle): string {
  const { title, verdict, about, sections } = documentOf(bundle);
  const blocks = [
    `# ${literal(title)}: ${verdict}`,
    about.map(([label, value]) => `- **${label}**: ${literal(value)}`).join("\n"),
    ...sections.map(section),
  ];
  return `${blocks.join("\n\n")}\n`;
}

function section({ heading, note, columns, rows }: Section): string {
  const head = `## ${heading}\n\n${literal(note)}`;
  if (rows.length === 0) return head;
  const lines = [columns, columns.map(() => "---"), ...rows.map((cells) => cells.map(cell))];
  return `${head}\n\n${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}`;
}

function cell(text: string): string {
  return text.split("\n").map(literal).join("<br>");
}

/** Text of others as text: on one line, and no character of it means anything to Markdown. */
function literal(text: string): string {
  return printable(text).replace(/[\\`*_{}[\]<>()#+!|&~]/g, "\\$&");
}
