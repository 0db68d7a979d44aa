import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../shared/exec.ts";
import { setupTools } from "../tools/install.ts";
import { bubblewrap } from "./rooms/bubblewrap.ts";
import { measureControlPlanes } from "./rooms/control-plane.ts";
import { crunExec, crunPod, endPreparation } from "./rooms/crun.ts";
import { makeGround, memoryOf, processesOf, running, userOf, type Candidate, type Ground, type Memory } from "./rooms/ground.ts";
import { labRoom } from "./rooms/lab-room.ts";
import { machine } from "./machine.ts";

/*
 * Measures what a room costs: `node bench/rooms.ts [runs] [control planes]`, 0 leaves out a part.
 *
 * First what could make one, side by side and in turn: seconds from nothing to the first program that runs and to the tenth, and
 * MiB of all that the sandbox itself has with ten programs in it. Then control planes of the lab in rooms and without, in turn:
 * seconds to an API server that answers, and MiB of the room's two processes at rest.
 * Prints one JSON object; docs/measurements.md keeps the figures.
 */
const runs = Number(process.argv[2] ?? 5);
const planes = Number(process.argv[3] ?? 3);
const home = await mkdtemp(join(tmpdir(), "gl-bench-"));
process.env["GITOPS_LAB_HOME"] = join(home, "lab");
const load = async () => Number((await readFile("/proc/loadavg", "utf8")).split(" ")[0]);

/** Ten programs as they are, for what the machine takes without any sandbox. */
const nothing: Candidate = {
  name: "no sandbox",
  lacks: [],
  version: async () => "-",
  open: async (ground) => {
    const ended = new AbortController();
    return {
      start: async (_name, args) => {
        const outside = args.map((arg) => arg.replace(/^\/shared/, ground.shared));
        return (await run(ground.program, outside, { reject: false, stdin: "ignore", cancelSignal: ended.signal })).exitCode;
      },
      end: async () => ended.abort(),
    };
  },
};

interface Trial {
  readonly first: number;
  readonly ten: number;
  readonly sandbox: Memory;
  readonly pause: Memory;
  readonly exitCode: number | undefined;
  readonly isOwnUser: boolean;
}

async function trial(candidate: Candidate, ground: Ground): Promise<Trial> {
  await rm(ground.folder, { recursive: true, force: true });
  const began = Date.now();
  const sandbox = await candidate.open(ground);
  try {
    const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
    const start = (name: string) => void sandbox.start(name, [`/shared/${name}`]);
    start("p0");
    const [first = 0] = await running(ground, ["p0"]);
    for (const name of names.slice(1)) start(name);
    const times = await running(ground, names);
    const own = await processesOf(ground);
    const [program = 0] = own.programs;
    const figures = {
      first: (first - began) / 1000,
      ten: (Math.max(...times) - began) / 1000,
      sandbox: await memoryOf(own.sandbox),
      pause: await memoryOf(own.pause),
      isOwnUser: (await userOf(program)) === ground.uid,
    };
    return { ...figures, exitCode: await sandbox.start("ends", ["exit", "7"]) };
  } finally {
    await sandbox.end();
    for (const name of Array.from({ length: 10 }, (_, index) => `p${index}`)) await rm(join(ground.shared, name), { force: true });
  }
}

const spread = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  return { min: sorted[0], median: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) };
};

async function candidates(ground: Ground): Promise<Record<string, unknown>> {
  const all = [nothing, labRoom, crunExec, crunPod, bubblewrap];
  const versions = new Map<Candidate, string>();
  for (const one of all) {
    const version = await one.version().catch(() => undefined);
    if (version !== undefined) versions.set(one, version);
  }
  const trials = new Map<Candidate, Trial[]>();
  // In turn, so that a busy moment of the machine is nobody's alone.
  for (let index = 0; index < runs; index += 1)
    for (const one of versions.keys()) trials.set(one, [...(trials.get(one) ?? []), await trial(one, ground)]);
  return Object.fromEntries(
    all.map((one) => {
      const of = trials.get(one);
      if (of === undefined) return [one.name, "not installed"];
      const last = of.at(-1)!;
      return [
        one.name,
        {
          version: versions.get(one),
          secondsToFirst: spread(of.map(({ first }) => first)),
          secondsToTen: spread(of.map(({ ten }) => ten)),
          processes: last.sandbox.processes,
          pss: spread(of.map(({ sandbox }) => sandbox.pss)),
          anonymous: spread(of.map(({ sandbox }) => sandbox.anonymous)),
          pausePss: spread(of.map(({ pause }) => pause.pss)),
          tellsExitCode: of.every(({ exitCode }) => exitCode === 7),
          isOwnUser: of.every(({ isOwnUser }) => isOwnUser),
          lacks: one.lacks,
        },
      ];
    }),
  );
}

try {
  await setupTools({ purposes: new Set(), plugins: [], onProgress: () => undefined });
  const loadBefore = await load();
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    runs,
    loadBefore,
    ...(runs > 0 && { candidates: await candidates(await makeGround(home)), loadBetween: await load() }),
    ...(planes > 0 && { controlPlanes: await measureControlPlanes(planes, spread) }),
    loadAfter: await load(),
  };
  const round = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 1000) / 1000 : value);
  process.stdout.write(`${JSON.stringify(report, round, 2)}\n`);
} finally {
  await endPreparation();
  await rm(home, { recursive: true, force: true });
}
