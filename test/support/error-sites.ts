import { globSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { ExitCode } from "../../shared/errors.ts";

const root = normalize(join(import.meta.dirname, "../.."));

/** A place where an expected failure is made. */
export interface ErrorSite {
  readonly file: string;
  /** Undefined where it is another error's. */
  readonly code: string | undefined;
  readonly exitCode: number;
}

/** Every place in the sources where a LabError, or one of its kinds, is made. */
export function errorSites(): ErrorSite[] {
  const folders = [
    "cli",
    "stacks",
    "components",
    "clusters",
    "git-hosts",
    "registries",
    "ledger",
    "host",
    "records",
    "dashboard",
    "verification",
    "lab-templates",
    "tools",
    "shared",
  ];
  const files: readonly string[] = globSync(["index.ts", ...folders.map((folder) => `${folder}/**/*.ts`)], { cwd: root });
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    const made = [...text.matchAll(/\b(?:new (?:LabError|LearnerError)|super)\(\s*(?:"([a-z]+(?:-[a-z]+)*)"|(code|error\.code))\s*,/g)];
    const sites = made.map((match): ErrorSite => {
      const call = callAt(text, match.index + match[0].indexOf("(") + 1);
      const named = /exitCode: ExitCode\.(\w+)/.exec(call)?.[1] as keyof typeof ExitCode | undefined;
      const number = /exitCode: (\d+)/.exec(call)?.[1];
      return { file, code: match[1], exitCode: named === undefined ? Number(number ?? ExitCode.failed) : ExitCode[named] };
    });
    // Some choose the code first, and make the error in one place.
    const exitCode = sites.find(({ code }) => code === undefined)?.exitCode ?? ExitCode.failed;
    const chosen = /\bstepFailure\b|\(code: string,/.test(text)
      ? text.matchAll(/(?:\bcode: |\b(?:refused|failure)\(|\/i?,\s*)"([a-z]+(?:-[a-z]+)+)"/g)
      : [];
    return [...sites.filter(({ code }) => code !== undefined), ...[...chosen].map(([, code]) => ({ file, code: code!, exitCode }))];
  });
}

/** The arguments of a call, from after its bracket. */
function callAt(text: string, from: number): string {
  let depth = 1;
  let end = from;
  for (; end < text.length && depth > 0; end += 1) {
    if (text[end] === "(") depth += 1;
    else if (text[end] === ")") depth -= 1;
  }
  return text.slice(from, end);
}
