import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { requireAddress } from "../../host/doors/address.ts";
import { authorityOf, ensureServerCertificate, serverCertificate } from "../../host/doors/authority.ts";
import { diffResource } from "../../host/drivers/crud.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

const cohortWith = (access: unknown) =>
  parseCohort({ course: "x", learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }], access }, "x");

describe("`access` in a cohort file", () => {
  test.each([
    [{ listen: "10.0.0.5" }, { listen: "10.0.0.5", name: "10.0.0.5" }],
    [{ listen: "lab.example.org" }, { listen: "lab.example.org", name: "lab.example.org" }],
    [
      { listen: "10.0.0.5", name: "lab.example.org" },
      { listen: "10.0.0.5", name: "lab.example.org" },
    ],
  ])("%o opens", (access, opening) => expect(planCohort("x", cohortWith(access)).opening).toEqual(opening));

  test("that is not there opens nothing", () => expect(planCohort("x", cohortWith(undefined))).not.toHaveProperty("opening"));

  test.each([
    ["0.0.0.0", /`access\.listen` is "0\.0\.0\.0", which is every address/],
    ["::", /every address/],
    ["127.0.0.1", /listens anyway/],
    ["localhost", /listens anyway/],
    ["fe80::1", /IPv6/],
    ["lab.example.org:443", /a port can't stand here/],
    ["300.1.1.1", /must be an IPv4 address or a host name/],
    ["-lab", /must be an IPv4 address or a host name/],
    ["", /must be an IPv4 address or a host name/],
  ])("refuses %s", (listen, because) => expect(() => cohortWith({ listen })).toThrow(because));

  test("refuses what it does not know, and to be without `listen`", () => {
    expect(() => cohortWith({ listen: "10.0.0.5", port: 443 })).toThrow(/unknown field `port`/);
    expect(() => cohortWith({})).toThrow(/`access\.listen` is missing/);
  });
});

describe("`access` is refused where something is not this machine's:", () => {
  const [ada, bob] = ["ada", "bob"].map((id) => ({ id, name: id, email: `${id}@example.org`, github: id }));
  const doks = { kind: "doks", region: "fra1", allowedNetworks: ["203.0.113.0/24"] };
  const oci = { kind: "oci", url: "https://registry.example.org/x", username: "lab" };
  test.each<[string, object, RegExp]>([
    ["the clusters", { cluster: doks }, /and `cluster\.kind` of learner ada is "doks", `cluster\.kind` of learner bob is "doks"\. Nothing/],
    ["one learner's cluster", { learners: [ada, { ...bob, cluster: doks }] }, /and `cluster\.kind` of learner bob is "doks"\. Nothing/],
    ["the registry", { registry: oci }, /and `registry\.kind` is "oci"\. Nothing/],
    [
      "Git",
      { git: { kind: "github", organization: "org" }, registry: oci },
      /and `git\.kind` is "github", `registry\.kind` is "oci"\. Nothing/,
    ],
  ])("%s", (_, change, because) => {
    const spec = parseCohort({ course: "x", access: { listen: "10.0.0.5" }, learners: [ada, bob], ...change }, "x");
    expect(() => planCohort("x", spec)).toThrow(because);
    expect(() => planCohort("x", spec)).toThrow(expect.objectContaining({ code: "access-unsupported", exitCode: 2 }));
  });
});

describe("the address", () => {
  test("is one of this machine", async () => expect(await requireAddress({ listen: "127.0.0.2", name: "x" })).toBe("127.0.0.2"));

  test.each([
    ["192.0.2.1", /no address of this machine.*Addresses of this machine/],
    ["no-such-name.invalid", /name that/],
  ])("refuses %s before anything is created", async (listen, because) => {
    await expect(requireAddress({ listen, name: "x" })).rejects.toMatchObject({
      code: "access-impossible",
      exitCode: 2,
      message: expect.stringMatching(because),
    });
  });
});

describe("the cohort's certificates", () => {
  const paths = () => cohortPaths("certified");

  test("are one authority for good, and a server's for the names of the opening", async () => {
    const ca = await ensureServerCertificate(paths(), { listen: "127.0.0.2", name: "lab.example.org" });
    const first = await serverCertificate(paths());
    expect(new X509Certificate(first.certificate).subjectAltName).toBe("DNS:lab.example.org, IP Address:127.0.0.2");
    expect(await ensureServerCertificate(paths(), { listen: "127.0.0.2", name: "lab.example.org" })).toBe(ca);
    expect(await serverCertificate(paths())).toEqual(first);

    expect(await ensureServerCertificate(paths(), { listen: "127.0.0.3", name: "127.0.0.3" })).toBe(ca);
    const second = new X509Certificate((await serverCertificate(paths())).certificate);
    expect(second.subjectAltName).toBe("IP Address:127.0.0.3");
    expect(second.verify(new X509Certificate(ca).publicKey)).toBe(true);
    expect(await authorityOf(paths())).toBe(ca);
  });

  test("are kept with keys for their owner alone", async () => {
    for (const name of ["ca.key", "server.key"]) {
      expect((await stat(join(paths().root, "tls", name))).mode & 0o777).toBe(0o600);
      expect(await readFile(join(paths().root, "tls", name), "utf8")).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    }
  });
});

describe("opening and closing a cohort that is there", () => {
  const host = { cohort: "x", ports: { from: 20_000, to: 29_999 } };
  const opening = { listen: "127.0.0.2", name: "127.0.0.2" };
  const answer = { changes: true, replaces: [], deleteBeforeReplace: true };

  test("updates and replaces nothing", async () => {
    expect(await diffResource("lab-host", host, { ...host, opening })).toEqual(answer);
    expect(await diffResource("lab-host", { ...host, opening }, host)).toEqual(answer);
    expect(await diffResource("lab-host", { ...host, opening }, { ...host, opening })).toMatchObject({ changes: false });
    const cluster = { cohort: "x", learner: "ada" };
    expect(await diffResource("embedded-cluster", { ...cluster, openName: "a" }, cluster)).toEqual(answer);
    expect(await diffResource("embedded-cluster", { ...cluster, nodes: "real" }, cluster)).toMatchObject({ replaces: ["nodes"] });
  });
});
