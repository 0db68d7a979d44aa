import { createServer, type Server } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { leasePorts, portsOf, releasePorts, requirePorts } from "../../ledger/ports.ts";
import { copyOf } from "../../shared/state-file.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const range = { from: 31200, to: 31203 };
const servers: Server[] = [];

async function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
}

/** Does something as a lab whose home is another. */
async function inAnotherHome(work: () => Promise<void>): Promise<void> {
  const here = process.env["GITOPS_LAB_HOME"];
  process.env["GITOPS_LAB_HOME"] = join(home(), "another");
  try {
    await work();
  } finally {
    process.env["GITOPS_LAB_HOME"] = here;
  }
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
    const { first } = await leasePorts("b/bob", ["first"], range);
    await releasePorts("b/bob");
    await occupy(first);
    const { api } = await leasePorts("a/ada", ["api"], range);
    expect(api).not.toBe(first);
    expect(api).toBeGreaterThanOrEqual(range.from);
    expect(api).toBeLessThanOrEqual(range.to);
  });

  test("begin elsewhere for another lab home, which another user's does not know of", async () => {
    const wide = { from: 31200, to: 32199 };
    const { api } = await leasePorts("a/ada", ["api"], wide);
    await releasePorts("a/ada");
    await inAnotherHome(async () => {
      expect((await leasePorts("a/ada", ["api"], wide)).api).not.toBe(api);
      await releasePorts("a/ada");
    });
  });

  test("of another lab home of this user are not given again, though nobody listens there yet", async () => {
    const { one, two } = await leasePorts("a/ada", ["one", "two"], range);
    await inAnotherHome(async () => {
      const leased = await leasePorts("b/bob", ["one", "two"], range);
      expect(new Set([one, two, leased.one, leased.two]).size).toBe(4);
      await expect(leasePorts("c/cleo", ["api"], range)).rejects.toMatchObject({ code: "no-free-port" });
      await expect(requirePorts("c", 1, range, true)).rejects.toMatchObject({ code: "no-free-port" });
      await releasePorts("b");
    });
    // A home that has given back all it had, or is gone, holds nothing.
    await leasePorts("a/ada-b", ["one", "two"], range);
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
    await expect(leasePorts("b/bob", ["one", "two"], range)).rejects.toThrow(
      /No free port is left between 31200 and 31203 for b\/bob.*`ports\.from`/,
    );
    expect(await portsOf("b")).toEqual({});
  });
});

describe("the look before anything is created", () => {
  test("passes where enough ports are free or leased already", async () => {
    await requirePorts("a", 4, range, true);
    await leasePorts("a/ada", ["one", "two", "three", "four"], range);
    await requirePorts("a", 4, range, true);
    expect(Object.keys(await portsOf("a"))).toHaveLength(4);
  });

  test("refuses a cohort that the range cannot hold, with exit code 2, and leases nothing", async () => {
    await occupy(range.from);
    await expect(requirePorts("a", 4, range, true)).rejects.toMatchObject({ code: "no-free-port", exitCode: 2 });
    expect(await portsOf("a")).toEqual({});
  });

  test("names a leased port on which another program listens, unless the cohort's own processes may", async () => {
    const { api } = await leasePorts("a/ada", ["api"], range);
    await occupy(api);
    await expect(requirePorts("a", 1, range, true)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(`Port ${api}, which a/ada/api has leased`),
    });
    await requirePorts("a", 1, range, false);
    // A kind cluster goes on while nothing else of the cohort runs.
    await requirePorts("a", 1, range, true, ["ada"]);
    await expect(requirePorts("a", 1, range, true, ["ad"])).rejects.toMatchObject({ exitCode: 2 });
  });
});

test("a list of leases that is damaged with its copy is made anew of what the inventory was told", async () => {
  const { web } = await leasePorts("torn", ["web"], { from: 31910, to: 31919 });
  const { api } = await leasePorts("torn/ada", ["api"], { from: 31910, to: 31919 });
  const file = join(home(), "ports.json");
  for (const one of [file, copyOf(file)]) await writeFile(one, "{");
  expect(await portsOf("torn")).toEqual({ "torn/web": web, "torn/ada/api": api });
  await releasePorts("torn/ada");
  expect(await portsOf("torn")).toEqual({ "torn/web": web });
  expect(await leasePorts("torn", ["web"], { from: 31910, to: 31919 })).toEqual({ web });
  await releasePorts("torn");
});
