import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { leasePorts, portsOf, releasePorts } from "../../host/ports.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();
const range = { from: 31200, to: 31203 };
const servers: Server[] = [];

async function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  for (const owner of ["a", "b", "c"]) await releasePorts(owner);
});

describe("port leases", () => {
  test("stay the same until they are given back", async () => {
    const first = await leasePorts("a/ada", ["api", "source"], range);
    expect(await leasePorts("a/ada", ["api", "source"], range)).toEqual(first);
    expect(await portsOf("a")).toEqual({ "a/ada/api": first.api, "a/ada/source": first.source });
    await releasePorts("a/ada");
    expect(await portsOf("a")).toEqual({});
  });

  test("never give one port to two owners, also when they ask at once", async () => {
    const leases = await Promise.all(["a/1", "a/2", "b/1", "c/1"].map((owner) => leasePorts(owner, ["api"], range)));
    expect(new Set(leases.map(({ api }) => api)).size).toBe(4);
  });

  test("skip a port on which something listens", async () => {
    await occupy(range.from);
    expect((await leasePorts("a/ada", ["api"], range)).api).toBe(range.from + 1);
  });

  test("of a learner do not go with another's whose id begins the same", async () => {
    await leasePorts("a/ada", ["api"], range);
    await leasePorts("a/ada-b", ["api"], range);
    await releasePorts("a/ada");
    expect(Object.keys(await portsOf("a"))).toEqual(["a/ada-b/api"]);
  });

  test("refuse by name when the range is used up", async () => {
    await occupy(range.from);
    await leasePorts("a/ada", ["one", "two"], range);
    await expect(leasePorts("b/bob", ["one", "two"], range)).rejects.toThrow(/No free port is left between 31200 and 31203 for b\/bob.*`ports\.from`/);
    expect(await portsOf("b")).toEqual({});
  });
});
