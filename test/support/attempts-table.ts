import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { rows } from "../e2e/attempts/rows.ts";

/*
 * docs/attempts.md: every row of test/e2e/attempts.test.ts. `node test/support/attempts-table.ts` writes it anew, and
 * test/unit/attempts-table.test.ts fails where it is not what the rows are.
 */

export const tableFile = fileURLToPath(new URL("../../docs/attempts.md", import.meta.url));
const beforeFile = new URL("../e2e/attempts/succeeded-before.json", import.meta.url);

const kinds: Readonly<Record<string, string>> = {
  kustomize: "What kustomize reads",
  source: "Sources that Flux fetches",
  flux: "Objects that Flux acts on",
  api: "The API server, and whom it calls",
  pod: "Pods",
  node: "From the root of a node",
  gate: "Images that nobody promoted",
  git: "Git",
  build: "Builds",
  registry: "Images and the registry",
  web: "Pages",
  user: "Another account of the machine",
};

export async function attemptsTable(): Promise<string> {
  const before = new Set(JSON.parse(await readFile(beforeFile, "utf8")) as string[]);
  const found = [...new Set(rows.map(({ kind }) => kind))];
  const sections = Object.entries(kinds).map(([kind, title]) => {
    const lines = rows
      .filter((row) => row.kind === kind)
      .map(
        ({ id, nodes, what }) =>
          `| \`${id}\` | ${what.replaceAll("|", "\\|")} | ${nodes} | ${before.has(id) ? "succeeded" : "refused"} | refused |`,
      );
    return [`## ${title}`, "", "| test | attempt | nodes | before rooms | now |", "| --- | --- | --- | --- | --- |", ...lines, ""].join(
      "\n",
    );
  });
  const untitled = found.filter((kind) => !(kind in kinds));
  if (untitled.length > 0) throw new Error(`no title for ${untitled.join(", ")}`);
  return [
    "# What was tried against the lab",
    "",
    `Each of these ${rows.length} attempts is a test of \`test/e2e/attempts.test.ts\`, made with nothing but a learner's handout or as another account of the`,
    "machine, on simulated and on real nodes. A test passes only when the attempt was processed and did not succeed. The last column but",
    "one tells what came of it when it was first tried, before it was mended. [security.md](security.md) says what stands in the way.",
    "",
    ...sections,
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(tableFile, await attemptsTable());
