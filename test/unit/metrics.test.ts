import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { serveMetrics } from "../../host/daemon/metrics-server.ts";
import { PipelineMetrics } from "../../host/metrics/pipeline.ts";
import { Counter, Histogram, renderMetrics } from "../../host/metrics/text.ts";

/** Lines of the text format, as the documentation of Prometheus gives its grammar. */
const line =
  /^(?:# HELP [a-z_]+ .+|# TYPE [a-z_]+ (?:counter|gauge|histogram)|[a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? (?:[-+\d.e]+|\+Inf))$/;

describe("metrics as text", () => {
  test("escape what is in labels, and leave out what has no samples", () => {
    const counter = new Counter("x_total", "Things\nof two lines.");
    counter.add({ what: 'a "b"\\\nc' });
    counter.add({ what: 'a "b"\\\nc' }, 2);
    const text = renderMetrics([counter.metric, new Counter("none_total", "None.").metric]);
    expect(text).toBe('# HELP x_total Things\\nof two lines.\n# TYPE x_total counter\nx_total{what="a \\"b\\"\\\\\\nc"} 3\n');
  });

  test("have histograms whose buckets count what is in those before", () => {
    const histogram = new Histogram("x_seconds", "Time.", [1, 5]);
    for (const seconds of [0.5, 3, 3, 60]) histogram.observe({ environment: "staging" }, seconds);
    const text = renderMetrics([histogram.metric]);
    expect(text.split("\n").filter((one) => !one.startsWith("#"))).toEqual([
      'x_seconds_bucket{environment="staging",le="1"} 1',
      'x_seconds_bucket{environment="staging",le="5"} 3',
      'x_seconds_bucket{environment="staging",le="+Inf"} 4',
      'x_seconds_sum{environment="staging"} 66.5',
      'x_seconds_count{environment="staging"} 4',
      "",
    ]);
    for (const one of text.trimEnd().split("\n")) expect(one).toMatch(line);
  });

  test("tell who pushed, what was built and what became of promotions", () => {
    const metrics = new PipelineMetrics();
    const at = "2026-11-27T04:00:00.000Z";
    metrics.push("ada", "ada", "refused");
    metrics.push("ada", "ada.flux", "accepted");
    metrics.noted("ada", { event: "built", at, version: "0.3.0", tag: "t", digest: "d" });
    metrics.noted("ada", { event: "received", at, by: "ada", branch: "main" });
    metrics.noted("ada", { event: "promotion-failed", at, environment: "staging", reason: "r" });
    expect(renderMetrics(metrics.metrics)).toMatch(
      /pushes_total\{learner="ada",by="learner",result="refused"\} 1\n.*by="flux",result="accepted"\} 1\n[^]*builds_total\{learner="ada",result="built"\} 1\n[^]*environment="staging",result="failed"\} 1\n/,
    );
  });
});

describe("the metrics' port", () => {
  const ask = async (port: number, path: string, host: string, method = "GET") => {
    const asked = request({ host: "127.0.0.1", port, path, method, headers: { host } }).end();
    const [answer] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
    return [answer.statusCode, (await answer.toArray()).join("")];
  };

  test("answers readers on loopback and nobody else's pages", async () => {
    const server = serveMetrics(0, async () => "x 1\n");
    await once(server, "listening");
    const { port, address } = server.address() as AddressInfo;
    expect(address).toBe("127.0.0.1");
    expect(await ask(port, "/metrics", `127.0.0.1:${port}`)).toEqual([200, "x 1\n"]);
    expect((await ask(port, "/metrics", "rebound.example.org"))[0]).toBe(403);
    expect((await ask(port, "/", "localhost"))[0]).toBe(404);
    expect((await ask(port, "/metrics", "localhost", "POST"))[0]).toBe(405);
    server.close();
  });

  test("is taken up once whoever had it is gone", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const server = serveMetrics(port, async () => "x 1\n", 20);
    await once(server, "error");
    other.close();
    await once(server, "listening");
    expect((await ask(port, "/metrics", "localhost"))[0]).toBe(200);
    server.close();
  });
});
