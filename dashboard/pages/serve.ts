import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { Gate } from "../gate.ts";
import { answersOf } from "./answers.ts";
import { FromPages, lineOf, longestLine, type Beginning, type Places, type ToPages } from "./words.ts";

/** Pages that are served. */
export interface Pages extends AsyncDisposable {
  /** On loopback. */
  readonly port: number;
}

const firstBackoffMs = 250;
const longestBackoffMs = 10_000;

/**
 * Serves the pages by processes of their own, one after the other: what ends is started again at the same place, and who had
 * come in goes on, since sessions are kept here. Throws LabError `port-taken` (exit code 2) where the first can't listen.
 *
 * @param start starts the process; it must end with this one
 */
export async function servePages(gate: Gate, places: Places, start: () => Promise<ChildProcess>): Promise<Pages> {
  const ending = new AbortController();
  const answer = answersOf(gate);
  let current = await startOne(gate, answer, places, await start());
  const { port } = current;
  const keepServing = async () => {
    let backoffMs = firstBackoffMs;
    while (!ending.signal.aborted) {
      await current.ended;
      if (ending.signal.aborted) return;
      console.error("The process of the dashboard's pages ended; it is started again.");
      await delay(backoffMs, undefined, { signal: ending.signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
      const next = await start()
        .then((child) => startOne(gate, answer, { ...places, loopback: port }, child))
        .catch((error: unknown) => console.error(error));
      if (next !== undefined) current = next;
    }
  };
  const served = keepServing();
  return {
    port,
    async [Symbol.asyncDispose]() {
      ending.abort();
      current.end();
      await current.ended;
      await served;
      // One that was being started meanwhile.
      current.end();
      await current.ended;
    },
  };
}

interface Served {
  readonly port: number;
  readonly ended: Promise<void>;
  end(): void;
}

async function startOne(gate: Gate, answer: ReturnType<typeof answersOf>, places: Places, child: ChildProcess): Promise<Served> {
  const ended = once(child, "close").then(
    () => undefined,
    () => undefined,
  );
  const { stdin, stdout, stderr } = child;
  stdin!.on("error", () => undefined);
  stderr!.pipe(process.stderr, { end: false });
  const send = (said: ToPages | Beginning) => stdin!.write(lineOf(said));
  send({ shown: { cohort: gate.shown.cohort, ...(gate.shown.archived && { archived: gate.shown.archived }) }, places });
  const unsubscribe = gate.subscribe((changed) => void send({ changed }));
  void ended.then(unsubscribe);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  void ended.then(() => reject(new Error("the process of the dashboard's pages ended before it listened")));
  const hear = (line: string) => {
    const said = line.length > longestLine ? undefined : FromPages.safeParse(parsed(line)).data;
    // Only pages that are no longer ours say anything else.
    if (said === undefined) child.kill("SIGKILL");
    else if ("listening" in said) resolve(said.listening);
    else if ("refused" in said) reject(refused(said.refused, places, gate.shown.cohort.cohort));
    else void answer(said.id, said.question).then(send);
  };
  stdout!.on("data", endWhenEndless(child));
  createInterface({ input: stdout! }).on("line", hear);
  const end = () => {
    child.kill("SIGTERM");
  };
  try {
    return { port: await promise, ended, end };
  } catch (error) {
    end();
    throw error;
  }
}

/** A line without an end would be gathered for ever. */
function endWhenEndless(child: ChildProcess): (chunk: Buffer) => void {
  let length = 0;
  return (chunk) => {
    const at = chunk.lastIndexOf(0x0a);
    length = at === -1 ? length + chunk.length : chunk.length - at - 1;
    if (length > longestLine) child.kill("SIGKILL");
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function refused({ place, why }: { readonly place: "loopback" | "open"; readonly why: string }, places: Places, cohort: string): LabError {
  const says =
    place === "loopback"
      ? `The dashboard can't listen on 127.0.0.1:${places.loopback} (${why}). Name another port with \`--port\`, or 0 for any.`
      : `The learners' pages can't be served on ${places.open?.listen}:${places.open?.port} (${why}), which \`access\` in the cohort file opens. \`./lab status ${cohort}\` tells what is open.`;
  return new LabError("port-taken", says, { exitCode: ExitCode.badInput });
}
