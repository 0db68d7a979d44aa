import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { DetachedProcess } from "../../shared/exec.ts";
import type { ProcessSpec } from "./process-table.ts";
import type { Place } from "./place.ts";

const Answer = z.object({
  error: z.string().optional(),
  /** 0 where no such program runs. */
  pid: z.int().optional(),
  ended: z.object({ code: z.int(), signal: z.int().optional() }).optional(),
});
type Answer = z.output<typeof Answer>;

/** How long a room has for its beginning. */
const patienceMs = 20_000;
const retryMs = 50;

/** In a room, threads included: also where it has no group that limits them. A lab at rest has about 400. */
const mostProcesses = 4096;

/** Starts a process in its room. The room must run, or be about to. */
export async function startInRoom(
  spec: ProcessSpec & { readonly room: Place },
  env: Readonly<Record<string, string>>,
): Promise<DetachedProcess> {
  const { room } = spec;
  return ask(room.socket, {
    start: {
      name: spec.name,
      args: [room.view.find(({ source }) => source === spec.command)?.target ?? spec.command, ...spec.args],
      env: { ...spec.env, ...env },
      cwd: spec.cwd,
      log: spec.logFile,
      view: room.view,
      scratch: room.scratch,
      files: room.files,
      doors: room.doors,
      proc: room.proc ?? false,
      expendable: room.expendable ?? false,
      processes: mostProcesses,
    },
  });
}

/** The process of this name that runs in the room already; undefined where none does. */
export async function watchInRoom(spec: ProcessSpec & { readonly room: Place }): Promise<DetachedProcess | undefined> {
  const found = await ask(spec.room.socket, { watch: spec.name });
  return found.pid === undefined ? undefined : found;
}

/** Sends the one request of a connection, and goes on to listen for the end of the process that it is about. */
async function ask(socket: string, request: object): Promise<DetachedProcess> {
  const connection = await reach(socket);
  connection.write(`${JSON.stringify(request)}\n`);
  const answers = createInterface({ input: connection })[Symbol.asyncIterator]();
  const next = async (): Promise<Answer | undefined> => {
    const { value, done } = await answers.next();
    return done === true ? undefined : Answer.parse(JSON.parse(value));
  };
  const first = await next();
  if (first?.pid === undefined || first.pid === 0) {
    connection.destroy();
    if (first?.error !== undefined) throw new Error(first.error);
    if (first === undefined) throw new Error("the room ended");
    return { pid: undefined, ended: Promise.resolve("was not there") };
  }
  return { pid: first.pid, ended: next().then(reasonOf, () => "its room ended") };
}

function reasonOf(answer: Answer | undefined): string {
  if (answer?.ended === undefined) return "its room ended";
  const { code, signal } = answer.ended;
  return signal === undefined ? `exit code ${code}` : `killed by signal ${signal}`;
}

async function reach(path: string) {
  for (const deadline = Date.now() + patienceMs; ; ) {
    const socket = connect(path);
    const trouble = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", resolve);
    });
    if (trouble === undefined) return socket.on("error", () => socket.destroy());
    if (Date.now() > deadline || !["ENOENT", "ECONNREFUSED"].includes(trouble.code ?? "")) throw trouble;
    await delay(retryMs);
  }
}
