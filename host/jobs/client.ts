import { request } from "node:http";
import { join } from "node:path";
import { z } from "zod";
import type { CohortPaths } from "../../shared/paths.ts";
import { LearnerError } from "../git/learner-error.ts";
import { buildLimits } from "../images/program.ts";
import { webPlaces } from "../processes/web-places.ts";
import type { Jobs } from "../pipeline/jobs.ts";
import { outcomeHeader } from "./server.ts";

/** Where the daemon listens for jobs: in the one of its folders that the web process sees. */
export const jobsSocket = (paths: CohortPaths): string => join(webPlaces(paths).folder, "jobs.sock");

const Outcome = z.discriminatedUnion("is", [
  z.object({ is: z.enum(["program", "words", "fault"]) }),
  z.object({
    is: z.literal("rendered"),
    end: z.enum(["ended", "killed", "too-long", "too-much-output"]),
    exitCode: z.int().optional(),
    error: z.string(),
  }),
]);
type Outcome = z.output<typeof Outcome>;

/** A whole queue before it, and its own time. */
const patienceMs = 6 * 60_000;
const mostAnswer = buildLimits.programBytes + 1024;

/** Has the daemon do the jobs. Throws LearnerError `jobs-busy` where the learner has too many waiting. */
export function daemonJobs(paths: CohortPaths): Jobs {
  return {
    async build(learner, module) {
      const { outcome, body } = await ask(jobsSocket(paths), `/build/${learner}`, module);
      if (outcome.is === "program") return { program: body };
      return outcome.is === "words" ? { words: body.toString("utf8") } : { fault: body.toString("utf8") };
    },
    async render(learner, tree) {
      const { outcome, body } = await ask(jobsSocket(paths), `/render/${learner}`, tree);
      if (outcome.is !== "rendered") throw new Error(`the daemon answered a rendering with ${outcome.is}`);
      const { end, exitCode, error } = outcome;
      return { end, ...(exitCode !== undefined && { exitCode }), stdout: body, stderr: decodeURIComponent(error) };
    },
  };
}

function ask(socketPath: string, path: string, input: Uint8Array): Promise<{ outcome: Outcome; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(patienceMs);
    const outgoing = request(
      { socketPath, agent: false, method: "POST", path, signal, headers: { "content-length": input.length } },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > mostAnswer) response.destroy(new Error("the daemon's answer is too long"));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 429)
            reject(
              new LearnerError("jobs-busy", "Earlier pushes of yours are still being worked on. Wait until they are done, and push again."),
            );
          else if (response.statusCode !== 200) reject(new Error(`the daemon answered a job with ${response.statusCode}`));
          else resolve({ outcome: Outcome.parse(JSON.parse(String(response.headers[outcomeHeader]))), body: Buffer.concat(chunks) });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(input);
  });
}
