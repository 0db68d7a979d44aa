import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

/* The sources as the test of the architecture and bench/house.ts read them: from their text alone, nothing is loaded. */

export const root = normalize(join(import.meta.dirname, "../.."));

/** From the ground up: nothing imports from a room above its own, be it a type. */
export const floors = [
  "shared",
  "tools",
  "verification",
  "lab-templates",
  "ledger",
  "host",
  "records",
  "dashboard",
  "components",
  "clusters",
  "git-hosts",
  "registries",
  "stacks",
  "cli",
] as const;

/** The floor of a file's room; -1 for what lies in none. */
export const floorOf = (file: string) => floors.findIndex((floor) => file.startsWith(`${floor}/`));

export interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  /** Loaded when it is asked for. */
  readonly late: boolean;
}

/** All of our own code that a lab is made by: without tests, measurements, and what a learner gets. */
export const sources: readonly string[] = globSync(["drivers.ts", "index.ts", ...floors.map((folder) => `${folder}/**/*.ts`)], {
  cwd: root,
}).filter((file) => !file.startsWith("lab-templates/gitops-promotion/files/"));

/** Each import of these, of files and of packages. */
export const imports: readonly Import[] = sources.flatMap((from) => {
  const text = readFileSync(join(root, from), "utf8");
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm)].map(
    ([, type, statik, dynamic]) => {
      const target = statik ?? dynamic ?? "";
      return {
        from,
        to: target.startsWith(".") ? relative(root, join(root, dirname(from), target)) : target,
        typeOnly: type !== undefined,
        late: dynamic !== undefined,
      };
    },
  );
});

/** The wings of providers, each with its list. */
export const wings = { clusters: "providers.ts", "git-hosts": "hosts.ts", registries: "registries.ts" } as const;
/** The wing of a file; undefined elsewhere. */
export const wingOf = (file: string) => Object.keys(wings).find((wing) => file.startsWith(`${wing}/`));
/** Whether a file is the list of a wing. */
export const isList = (file: string) => Object.entries(wings).some(([wing, list]) => file === `${wing}/${list}`);

/** The folder of one provider, or of what the clouds have in common; undefined for what lies beside a port, and elsewhere. */
export const folderOf = (file: string) => (wingOf(file) === undefined ? undefined : /^[^/]+\/[^/]+(?=\/)/.exec(file)?.[0]);

/** What is loaded with a file, through any number of others: files and packages. */
export function reach(file: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const { to } of imports.filter(({ from, typeOnly, late }) => from === file && !typeOnly && !late)) {
    if (seen.has(to)) continue;
    seen.add(to);
    reach(to, seen);
  }
  return seen;
}

/** Each way along these that comes back to where it began. */
export function circles(edges: readonly { readonly from: string; readonly to: string }[]): string[] {
  const next = new Map([...Map.groupBy(edges, ({ from }) => from)].map(([from, all]) => [from, new Set(all.map(({ to }) => to))]));
  const found: string[] = [];
  const state = new Map<string, "open" | "done">();
  const visit = (place: string, path: readonly string[]): void => {
    if (state.get(place) === "done") return;
    if (state.get(place) === "open") return void found.push([...path.slice(path.indexOf(place)), place].join(" -> "));
    state.set(place, "open");
    for (const one of next.get(place) ?? []) visit(one, [...path, place]);
    state.set(place, "done");
  };
  for (const place of next.keys()) visit(place, []);
  return found;
}

/** How many lines each of these files has; the sources where none are given. */
export function lengths(files: readonly string[] = sources): readonly { readonly file: string; readonly lines: number }[] {
  return files.map((file) => ({ file, lines: readFileSync(join(root, file), "utf8").split("\n").length - 1 }));
}

const linesOf = (file: string) => readFileSync(join(root, file), "utf8").split("\n");

/** The lines of a file in which one of these words of providers stands as a string. */
export function wordsIn(file: string, words: ReadonlySet<string>): string[] {
  // Any kind of thing has a kind, so that word counts where a kind is compared with it.
  const named = new RegExp(`"(${[...words].filter((word) => word !== "kind").join("|")})"|\\bkind\\s*[!=]==\\s*"kind"`);
  return linesOf(file).flatMap((line) => (named.test(line) ? [`${file}: ${line.trim()}`] : []));
}

/** The lines in which something's kind is compared with one of these words, and with which. */
export function comparedIn(file: string, words: ReadonlySet<string>): { readonly word: string; readonly line: string }[] {
  const any = [...words].join("|");
  const compared = new RegExp(`\\bkind\\)?\\s*[!=]==?\\s*"(${any})"|"(${any})"\\s*[!=]==?\\s*[\\w.?!]*\\bkind\\b|\\bcase "(${any})":`, "g");
  return linesOf(file).flatMap((line) =>
    [...line.matchAll(compared)].map(([, right, left, chosen]) => ({ word: right ?? left ?? chosen ?? "", line: line.trim() })),
  );
}
