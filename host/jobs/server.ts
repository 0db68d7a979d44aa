import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { z } from "zod";
import { DnsLabel } from "../../shared/names.ts";
import type { Jobs } from "../pipeline/jobs.ts";
import { mostInput } from "./jobs.ts";
import { JobQueue, QueueFull } from "./queue.ts";
import { log } from "../log.ts";

const Asked = z.strictObject({ kind: z.enum(["build", "render"]), learner: DnsLabel });
type Asked = z.output<typeof Asked>;

/** What the answer's body is; other facts of the end are beside it. */
export const outcomeHeader = "lab-outcome";

/**
 * Does jobs for the web process, which can make no rooms: `POST /<kind>/<learner>` with the job's input. Whoever asks
 * chooses the kind, the learner and the input, and nothing else.
 */
export function jobsServer(jobs: Jobs, isLearner: (id: string) => Promise<boolean>): Server {
  const queue = new JobQueue();
  const server = createServer({ requestTimeout: 60_000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log("error", "a job failed", { error });
      refuse(response, error instanceof QueueFull ? 429 : 500);
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, kind, learner, ...more] = (request.url ?? "").split("/");
    const asked = Asked.safeParse({ kind, learner });
    if (request.method !== "POST" || more.length > 0 || !asked.success || !(await isLearner(asked.data.learner)))
      return refuse(response, 404);
    const input = await bodyOf(request, mostInput[asked.data.kind]);
    if (input === undefined) return refuse(response, 413);
    const { header, body } = await queue.run(asked.data.learner, () => done(asked.data, input));
    response.writeHead(200, { [outcomeHeader]: JSON.stringify(header), "content-length": body.length }).end(body);
  }

  async function done({ kind, learner }: Asked, input: Buffer): Promise<{ header: object; body: Buffer }> {
    if (kind === "build") {
      const built = await jobs.build(learner, input);
      if ("program" in built) return { header: { is: "program" }, body: built.program };
      return "words" in built
        ? { header: { is: "words" }, body: Buffer.from(built.words) }
        : { header: { is: "fault" }, body: Buffer.from(built.fault) };
    }
    const { stdout, stderr, ...rest } = await jobs.render(learner, input);
    return { header: { is: "rendered", ...rest, error: encodeURIComponent(stderr.slice(0, 1000)) }, body: stdout };
  }
  return server;
}

function refuse(response: ServerResponse, status: number): void {
  if (!response.headersSent) response.writeHead(status, { connection: "close" });
  response.end();
}

/** Undefined where it is longer than may be. */
async function bodyOf(request: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
