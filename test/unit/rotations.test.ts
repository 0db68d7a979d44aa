import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { authenticate, issueCredential, nodeUsername, passwordOf } from "../../host/access.ts";
import { clientAuthorities, ensurePki } from "../../clusters/embedded/control-plane/pki.ts";
import { askForRotation, generationsOf } from "../../ledger/rotations.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();
let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "gitops-lab-rotation-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a higher generation of passwords", () => {
  test("shuts out everybody who had one of the service, and nobody of the other", async () => {
    const old = await issueCredential(folder, "git", "ada", "write");
    const colleague = await issueCredential(folder, "git", "ada.colleague", "write");
    const images = await issueCredential(folder, "registry", "ada", "write");
    const fresh = await issueCredential(folder, "git", "ada", "write", 1);
    expect(fresh.password).not.toBe(old.password);
    expect(await authenticate(folder, "git", fresh)).toBe("write");
    for (const one of [old, colleague]) expect(await authenticate(folder, "git", one)).toBeUndefined();
    expect(await authenticate(folder, "registry", images)).toBe("write");
    expect(await passwordOf(folder, "git", "ada")).toBe(fresh.password);
  });

  test("is reached once: the same or a lower one, or none, changes nothing", async () => {
    const fresh = await issueCredential(folder, "git", "ada", "write", 2);
    for (const generation of [2, 1, undefined]) expect(await issueCredential(folder, "git", "ada", "write", generation)).toEqual(fresh);
  });

  test("leaves the node's, which the node alone has", async () => {
    const node = await issueCredential(folder, "registry", nodeUsername("ada"), "read");
    await issueCredential(folder, "registry", "ada", "write", 1);
    expect(await authenticate(folder, "registry", node)).toBe("read");
  });
});

describe("a higher generation of certificates", () => {
  const issuerIn = async (certificate: string, generation: number) => {
    const authorities = (await readFile(join(folder, clientAuthorities(generation)), "utf8")).match(
      /-----BEGIN[^]+?-----END CERTIFICATE-----/g,
    )!;
    return authorities.some((authority) => new X509Certificate(certificate).verify(new X509Certificate(authority).publicKey));
  };

  test("comes from an authority that does not know those before; the cluster's own stay", async () => {
    const before = await ensurePki(folder);
    const after = await ensurePki(folder, 1);
    expect(after.ca).toBe(before.ca);
    expect(after.clients.flux).toEqual(before.clients.flux);
    for (const who of ["learner", "admin"] as const) {
      expect(await issuerIn(after.clients[who].certificate, 1)).toBe(true);
      expect(await issuerIn(before.clients[who].certificate, 1)).toBe(false);
    }
    expect(await issuerIn(after.clients.flux.certificate, 1)).toBe(true);
    expect(await ensurePki(folder, 1)).toEqual(after);
    expect((await readdir(folder)).filter((name) => name.startsWith("clients-"))).toEqual(["clients-1.crt"]);
  });

  test("keeps no authority's key", async () => {
    await ensurePki(folder, 3);
    const keys = (await readdir(folder)).filter((name) => name.endsWith(".key")).map((name) => name.replace(".key", ""));
    for (const name of keys.filter((one) => one !== "service-accounts"))
      expect(new X509Certificate(await readFile(join(folder, `${name}.crt`))).ca).toBe(false);
    for (const name of keys) expect((await stat(join(folder, `${name}.key`))).mode & 0o777).toBe(0o600);
  });

  test("can't be had where an earlier version made the lab, and that is said", async () => {
    await ensurePki(folder);
    // What an earlier version left.
    await rm(join(folder, clientAuthorities(0)));
    await writePrivateFile(join(folder, "complete"), "");
    const before = await ensurePki(folder);
    expect(await readFile(join(folder, clientAuthorities(0)), "utf8")).toBe(before.ca);
    await expect(ensurePki(folder, 1)).rejects.toMatchObject({ code: "lab-too-old" });
  });
});

test("every certificate of a cluster still holds where the clock goes back by a day", async () => {
  await ensurePki(folder, 1);
  const certificates = (await readdir(folder)).filter((name) => name.endsWith(".crt"));
  const dayAgo = Date.now() - 86_400_000;
  const begins = await Promise.all(
    certificates.map(async (name) => new X509Certificate(await readFile(join(folder, name), "utf8")).validFromDate.getTime()),
  );
  expect(begins.length).toBeGreaterThan(5);
  expect(Math.max(...begins)).toBeLessThan(dayAgo);
});

test("a file in the place of a learner's folder is no reason to make nobody's lab", async () => {
  await writePrivateFile(cohortPaths("wishes").learner("eve").root, "");
  expect(await generationsOf(cohortPaths("wishes"), "eve")).toEqual({ kubeconfig: 0, git: 0, registry: 0 });
});

test("what is asked for is on disk, each by itself", async () => {
  expect(await generationsOf(cohortPaths("wishes"), "ada")).toEqual({ kubeconfig: 0, git: 0, registry: 0 });
  await askForRotation(cohortPaths("wishes"), "ada", ["git", "kubeconfig"]);
  await Promise.all([askForRotation(cohortPaths("wishes"), "ada", ["git"]), askForRotation(cohortPaths("wishes"), "ada", ["git"])]);
  expect(await generationsOf(cohortPaths("wishes"), "ada")).toEqual({ kubeconfig: 1, git: 3, registry: 0 });
});
