import { globSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { clusterProviders } from "../clusters/providers.ts";
import { gitHosts } from "../git-hosts/hosts.ts";
import { registries } from "../registries/registries.ts";
import { circles, floorOf, folderOf, imports, isList, lengths, root, sources, wingOf, wordsIn } from "../test/support/sources.ts";
import { untilFirstLine } from "../test/support/first-line.ts";

/*
 * Figures of the house, from the same reading of the sources as test/architecture.test.ts: `node bench/house.ts` prints them as
 * rows of the table in docs/architecture.md, with `--json` as one JSON object. Makes nothing.
 */

const wings = { clusters: clusterProviders, "git-hosts": gitHosts, registries } as const;

/** The files outside a provider's own folder that import from it. */
const edits = [...new Set(sources.flatMap((file) => folderOf(file) ?? []))]
  .filter((folder) => sources.includes(`${folder}/provider.ts`))
  .map((folder) => new Set(imports.filter(({ from, to }) => folderOf(to) === folder && folderOf(from) !== folder).map(({ from }) => from)));

/** The files outside of all providers' folders that have a word of this wing, its list first. */
const namers = Object.entries(wings).map(([wing, providers]) => {
  const words = new Set(providers.map(({ kind }) => kind));
  return [
    wing,
    sources.filter((file) => folderOf(file) === undefined && ((isList(file) && wingOf(file) === wing) || wordsIn(file, words).length > 0)),
  ] as const;
});

const all = lengths();
const total = all.reduce((sum, { lines }) => sum + lines, 0);
const rooms = [...Map.groupBy(all, ({ file }) => file.split("/")[0]!)]
  .map(([room, files]) => ({ room, percent: (100 * files.reduce((sum, { lines }) => sum + lines, 0)) / total }))
  .sort((a, b) => b.percent - a.percent);
const longest = lengths([...sources, ...globSync("bench/**/*.ts", { cwd: root })]).reduce((a, b) => (b.lines > a.lines ? b : a));
// What is beside all rooms stands above them: the program that the engine runs, and the list of all drivers.
const heightOf = (file: string) => (floorOf(file) < 0 ? Infinity : floorOf(file));
const backUp = imports.filter(({ from, to }) => sources.includes(to) && heightOf(to) > heightOf(from));

const home = await mkdtemp(join(tmpdir(), "gl-house-"));
const atFirstLine = await untilFirstLine(["up"], join(home, "lab")).finally(() => rm(home, { recursive: true, force: true }));

const figures = {
  date: new Date().toISOString().slice(0, 10),
  machine: { cores: availableParallelism(), processor: cpus()[0]?.model, node: process.version },
  editsToAddAProvider: Math.max(...edits.map(({ size }) => size)),
  filesThatNameAProvider: Object.fromEntries(namers),
  circles: circles(imports.filter(({ to }) => sources.includes(to))),
  importsBackUp: backUp.map(({ from, to }) => `${from} -> ${to}`),
  rooms: rooms.map(({ room, percent }) => ({ room, percent: Math.round(percent * 10) / 10 })),
  longest,
  files: sources.length,
  lines: total,
  atFirstLine,
};

if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
else {
  const rows: readonly (readonly [what: string, figure: string | number])[] = [
    ["edits outside its folder to add a provider", figures.editsToAddAProvider],
    ...namers.map(([wing, files]) => [`files outside the folders that name a provider of \`${wing}/\``, files.length] as const),
    ["circles of imports, types counted", figures.circles.length],
    ["imports back up, between rooms", `${backUp.length} (${figures.importsBackUp.map((one) => `\`${one}\``).join(", ")})`],
    ["largest room, of all lines", `${Math.round(rooms[0]!.percent)} % (\`${rooms[0]!.room}/\`)`],
    ["longest file", `${longest.lines} lines (\`${longest.file}\`)`],
    ["modules that `./lab up` loads before its first line", `${atFirstLine.modules}, ${atFirstLine.ofPulumi} of Pulumi`],
  ];
  for (const [what, figure] of rows) process.stdout.write(`| ${what} | ${figure} |\n`);
}
