import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { errorCodes, exitCodes } from "../../shared/error-codes.ts";

/*
 * docs/errors.md, and the exit codes in docs/cli.md: `node test/support/error-table.ts` writes both anew from
 * shared/error-codes.ts, and test/unit/error-codes.test.ts fails where they differ.
 */

const docs = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
export const tableFile = docs("errors.md");
export const cliFile = docs("cli.md");

export function exitTable(): string {
  return ["| exit code | meaning |", "| --- | --- |", ...exitCodes.map(([code, meaning]) => `| ${code} | ${meaning} |`), ""].join("\n");
}

export function errorTable(): string {
  const groups = Object.entries(errorCodes).map(([title, codes]) =>
    [
      `## ${title}`,
      "",
      "| code | exit code | what it is about |",
      "| --- | --- | --- |",
      ...Object.entries(codes).map(([code, { exits, meaning }]) => `| \`${code}\` | ${exits.join(", ")} | ${meaning} |`),
      "",
    ].join("\n"),
  );
  return `# Errors

An error of \`./lab\` is one paragraph on standard error: what is wrong, what was expected, and the command that helps. Its
code stands behind it in brackets, and scripts may match on that: a code is for ever, the words are not.

${exitTable()}
${groups.join("\n")}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(tableFile, errorTable());
  const cli = await readFile(cliFile, "utf8");
  await writeFile(cliFile, cli.replace(/\| exit code \| meaning \|\n(?:\|.*\n)+/, exitTable()));
}
