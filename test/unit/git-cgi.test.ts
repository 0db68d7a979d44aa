import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { cgiResponse } from "../../host/git/cgi.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("a CGI program's answer", () => {
  test.each([
    ["in one piece", ["Content-Type: text/plain\r\nX-Two: a: b\r\n\r\nbody"]],
    ["with bare line feeds", ["Content-Type: text/plain\nX-Two: a: b\n\nbody"]],
    ["cut anywhere", [..."Content-Type: text/plain\r\nX-Two: a: b\r\n\r\nbody"]],
  ])("is read %s", async (_, pieces) => {
    const response = await cgiResponse(Readable.from(pieces.map(bytes), { objectMode: false }));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect(response.headers.get("x-two")).toBe("a: b");
    expect(await response.text()).toBe("body");
  });

  test("has the status that the program gives, which is no header of the response", async () => {
    const response = await cgiResponse(Readable.from([bytes("Status: 404 Not Found\r\n\r\n")]));
    expect(response.status).toBe(404);
    expect(response.headers.has("status")).toBe(false);
    expect(await response.text()).toBe("");
  });

  test("keeps bytes that are no text", async () => {
    const body = Buffer.from([0, 255, 13, 10, 13, 10, 128]);
    const response = await cgiResponse(Readable.from([Buffer.concat([Buffer.from("A: ä\r\n\r\n"), body])]));
    expect(Buffer.from(await response.arrayBuffer())).toEqual(body);
  });

  test.each(["", "Content-Type: text/plain\r\n"])("is a 502 when the headers never end: %j", async (output) => {
    expect((await cgiResponse(Readable.from([bytes(output)], { objectMode: false }))).status).toBe(502);
  });

  test("comes no faster than it is read, and lets the program end when the reader goes", async () => {
    let produced = 0;
    async function* long() {
      yield bytes("A: b\r\n\r\n");
      for (; produced < 1000; produced += 1) yield Buffer.alloc(1024);
    }
    const output = Readable.from(long(), { highWaterMark: 4 });
    const response = await cgiResponse(output);
    const reader = response.body!.getReader();
    for (let index = 0; index < 50; index += 1) await reader.read();
    expect(produced).toBeGreaterThanOrEqual(50);
    expect(produced).toBeLessThan(60);
    const ended = finished(output);
    await reader.cancel();
    await ended;
    expect(produced).toBe(1000);
  });
});
