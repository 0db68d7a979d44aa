import { readTrials, type Trial } from "./trials.ts";

/*
 * The figures of docs/reliability.md, of a file of results: `node test/faults/table.ts <file>`.
 */
const trials = await readTrials(process.argv[2] ?? "faults.jsonl");

const count = (some: readonly Trial[], is: (trial: Trial) => boolean) => some.filter(is).length;
const seconds = (some: readonly Trial[]) => {
  const sorted = some.map((one) => one.seconds).sort((a, b) => a - b);
  return sorted.length === 0 ? "" : `${sorted[Math.floor(sorted.length / 2)]} (${sorted[0]}-${sorted.at(-1)})`;
};

const rows = [...Map.groupBy(trials, ({ scenario }) => scenario)].map(([scenario, all]) => {
  const happened = all.filter((one) => one.happened);
  return [scenario, happened.length, all.length - happened.length, count(all, ({ faults }) => faults.length > 0), seconds(all)];
});

const lines = [["fault", "made", "came too late", "went wrong", "seconds: median (range)"], ["---", "---", "---", "---", "---"], ...rows];
process.stdout.write(`${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`);
