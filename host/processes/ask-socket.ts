import { request } from "node:http";

/** An answer that is none of 200. */
export class UnexpectedAnswer extends Error {
  readonly status: number;

  constructor(what: string, status: number, text: string) {
    super(`${what} answered ${status}: ${text}`);
    this.status = status;
  }
}

/**
 * What one of the lab's own servers on a Unix socket answers, parsed; undefined when none listens there.
 * Throws UnexpectedAnswer for any status but 200.
 */
export function askSocket(socketPath: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, agent: false, method, path, headers: { "content-type": "application/json" } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new UnexpectedAnswer(`${method} ${path} of the lab`, response.statusCode ?? 0, text));
      });
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      // The last of them is how a process that is shutting down answers.
      if (["ENOENT", "ECONNREFUSED", "ECONNRESET"].includes(error.code ?? "")) resolve(undefined);
      else reject(error);
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
