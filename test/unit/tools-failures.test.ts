import { describe, expect, test } from "vitest";
import { ExitCode, type LabError } from "../../shared/errors.ts";
import { goFailure } from "../../tools/build.ts";
import { requireSpace } from "../../tools/free-space.ts";

const gib = 1024 ** 3;

describe("what Go says becomes", () => {
  test.each([
    'go: example.com/a@v1.0.0: Get "https://proxy.example/a": dial tcp: lookup proxy.example: no such host',
    "go: example.com/a@v1.0.0: reading https://proxy.example/a.zip: 403 Forbidden",
    "go: example.com/a@v1.0.0: reading https://proxy.example/a.zip: 502 Bad Gateway",
    'go: example.com/a@v1.0.0: Get "https://proxy.example/a.zip": read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer',
    'go: example.com/a@v1.0.0: Get "https://proxy.example/a.zip": net/http: TLS handshake timeout',
    'go: example.com/a@v1.0.0: Get "https://proxy.example/a.zip": proxyconnect tcp: EOF',
    "go: example.com/a@v1.0.0: module lookup disabled by GOPROXY=off",
  ])("a matter of the network: %s", (line) => {
    const failure = goFailure("kwok", `go: downloading something\n${line}\n`, "Command failed");
    expect(failure.code).toBe("tool-network");
    expect(failure.message).toContain(line);
    expect(failure.message).toContain("kwok");
    expect(failure.message).toContain("GOPROXY");
  });

  test("else a failed build, with its last lines", () => {
    const failure = goFailure("kwok", "one\ntwo\nthree\nfour: missing go.sum entry\n", "Command failed");
    expect(failure.code).toBe("tool-build");
    expect(failure.message).toContain("two three four: missing go.sum entry");
  });

  test("else the summary, when Go said nothing", () => {
    expect(goFailure("kwok", "\n", "Command was killed with SIGKILL").message).toContain("SIGKILL");
  });
});

describe("free disk", () => {
  test("of 5 GiB is enough", () => {
    expect(() => requireSpace(5 * gib, "/cache")).not.toThrow();
  });

  test("of less ends before anything is built", () => {
    expect(() => requireSpace(4.94 * gib, "/cache")).toThrow(
      expect.toSatisfy(
        (error: LabError) =>
          error.code === "disk-full" && error.exitCode === ExitCode.badInput && error.message.includes("/cache has 4.9 GiB"),
      ),
    );
  });
});
