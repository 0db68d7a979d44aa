import { createServer, type Server } from "node:http";
import { log } from "../log.ts";
import { metricsType } from "../metrics/text.ts";

/** A port that somebody else has is tried again after this time: nothing of a lab waits for its metrics. */
const againMs = 60_000;

/**
 * Answers `GET /metrics` on a loopback port. A page of a browser that calls the port by another name is not answered
 * (DNS rebinding), and nothing can be changed.
 */
export function serveMetrics(port: number, metrics: () => Promise<string>, retryMs: number = againMs): Server {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000, maxHeaderSize: 8192 }, (request, response) => {
    const answer = (status: number, text: string, type = "text/plain; charset=utf-8") =>
      response.writeHead(status, { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" }).end(text);
    if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? "")) return answer(403, "Ask by way of 127.0.0.1.\n");
    if (request.url?.split("?", 1)[0] !== "/metrics") return answer(404, "There is /metrics here.\n");
    if (request.method !== "GET" && request.method !== "HEAD") return answer(405, "This can only be read.\n");
    metrics().then(
      (text) => answer(200, text, metricsType),
      (error: unknown) => {
        log("error", "the metrics could not be told", { error });
        answer(500, "The metrics could not be told; the daemon's log says why.\n");
      },
    );
  });
  server.maxConnections = 16;
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") return log("error", "the metrics' server failed", { error });
    log("warn", `port ${port} for metrics is in use by another program, and is tried again`);
    setTimeout(() => server.listen(port, "127.0.0.1"), retryMs).unref();
  });
  return server.listen(port, "127.0.0.1");
}
