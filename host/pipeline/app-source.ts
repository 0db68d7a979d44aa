import { sizeText } from "../../shared/limits.ts";
import { shownPath } from "../git/push-limits.ts";
import type { TreeFile } from "./source-tree.ts";

/** The largest of the app's files: code is smaller, and what is embedded into the program is loaded with it. */
const largestFile = 4 * 1024 * 1024;

/** What the Go command gives to other programs than the compiler of Go, by the names in `go help build`'s file types. */
const foreign = /\.(?:s|S|sx|syso|c|cc|cpp|cxx|m|mm|h|hh|hpp|hxx|f|F|for|f90|swig|swigcxx)$/;

/** The Go files and the module's own that are read as text. */
export const isSource = (path: string) => path.endsWith(".go") || path === "go.mod";

/**
 * Why the app's source is not built, told from the names and sizes of its files. The compiler is kept apart from the lab
 * host; this is so that a learner reads what is wrong, and that little is left to be kept apart.
 */
export function faultOfFiles(files: readonly TreeFile[]): string | undefined {
  for (const { path, mode, bytes } of files) {
    const name = `app/${shownPath(path)}`;
    if (mode === "120000") return `${name} is a symbolic link, and the lab follows none. Put a copy of the file in its place.`;
    if (mode === "160000") return `${name} is a submodule, and the lab fetches none. Put its files in its place.`;
    if (foreign.test(path))
      return `${name} is not Go, and the lab builds from Go alone: no assembler, no C, no compiled objects. Take it out.`;
    if (bytes > largestFile)
      return `${name} has ${sizeText(bytes)}, and a file of the app may have ${sizeText(largestFile)}, embedded ones too. Make it smaller.`;
  }
  return undefined;
}

/** The same of what is in one Go file. */
export function faultOfGo(path: string, text: string): string | undefined {
  const blocks = [...text.matchAll(/^[ \t]*import[ \t]*\(([^)]*)\)/gm)].map(([, block = ""]) => block);
  const usesC = /^[ \t]*import[ \t]+(?:[\w.]+[ \t]+)?["`]C["`]/m.test(text) || blocks.some((block) => /(?:^|[\s;])["`]C["`]/m.test(block));
  if (usesC) return `app/${shownPath(path)} imports "C", and the lab builds from Go alone. Take the import out.`;
  return undefined;
}

/**
 * Why a go.mod asks for what a build without a network does not have.
 *
 * @param goVersion of the toolchain that builds, such as `go1.26.1`
 * @param hasVendor whether the app brings the modules that it requires
 */
export function faultOfModule(text: string, goVersion: string, hasVendor: boolean): string | undefined {
  for (const [verb, rest] of directives(text)) {
    if (verb === "go" && isNewer(rest, goVersion.replace(/^go/, "")))
      return `app/go.mod asks for Go ${rest}, and the lab builds with ${goVersion.replace(/^go/, "")}. Write an older version there.`;
    if (verb === "replace" && !/=>\s*"?\.\/(?!.*\.\.)/.test(rest))
      return `app/go.mod replaces a module by ${JSON.stringify(shownPath(rest.replace(/^.*=>\s*/, "")))}, which is not in app/. Only a folder of the app, such as ./greeting, may stand there.`;
    if (verb === "require" && !hasVendor && !isReplaced(text, rest))
      return `app/go.mod requires ${shownPath(rest)}, and the lab builds without a network. Do with the standard library, or bring the module with \`go mod vendor\`.`;
  }
  return undefined;
}

/** The directives of a go.mod, those in parentheses one by one (https://go.dev/ref/mod#go-mod-file-lexical). */
function directives(text: string): [verb: string, rest: string][] {
  const found: [string, string][] = [];
  let block: string | undefined;
  for (const raw of text.split("\n")) {
    const line = raw.replace(/\/\/.*$/, "").trim();
    if (line === "") continue;
    if (block !== undefined) {
      if (line === ")") block = undefined;
      else found.push([block, line]);
      continue;
    }
    const [, verb = "", rest = ""] = /^(\w+)\s*(.*)$/.exec(line) ?? [];
    if (rest === "(") block = verb;
    else found.push([verb, rest]);
  }
  return found;
}

function isReplaced(text: string, requirement: string): boolean {
  const [module] = requirement.split(/\s/);
  return directives(text).some(([verb, rest]) => verb === "replace" && rest.split(/\s/)[0] === module);
}

function isNewer(asked: string, have: string): boolean {
  const numbers = (version: string) => (/^\d+(?:\.\d+)*/.exec(version)?.[0] ?? "0").split(".").map(Number);
  const [a, b] = [numbers(asked), numbers(have)];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
