import { isIP } from "node:net";
import { basename, join } from "node:path";
import type { Opening } from "../../shared/opening.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder, readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { expiryOf, loadAuthority, newAuthority, type KeyPair } from "../certificates.ts";

const fileOf = (paths: CohortPaths, name: string) => join(paths.root, "tls", name);

/** A certificate that ends within this time is issued anew. */
const renewBeforeMs = 30 * 86_400_000;

/** The cohort's certificate authority (PEM); undefined where nothing was ever opened. */
export async function authorityOf(paths: CohortPaths): Promise<string | undefined> {
  return readIfExists(fileOf(paths, "ca.crt"));
}

/** The certificate with which the cohort answers on its opened address. Throws where `ensureServerCertificate` was not called. */
export async function serverCertificate(paths: CohortPaths): Promise<KeyPair> {
  const [certificate, key] = await Promise.all([readIfExists(fileOf(paths, "server.crt")), readIfExists(fileOf(paths, "server.key"))]);
  if (certificate === undefined || key === undefined) throw new Error(`no certificate in ${join(paths.root, "tls")}`);
  return { certificate, key };
}

/**
 * Makes sure of the cohort's authority and of a certificate for this opening, and returns the authority (PEM). Learners trust
 * the authority, so it stays as it is while the cohort does; the certificate is issued anew for another name.
 */
export async function ensureServerCertificate(paths: CohortPaths, { listen, name }: Opening): Promise<string> {
  await makePrivateFolder(join(paths.root, "tls"));
  const names = [...new Set([name, listen])];
  const [certificate, key, issued, issuedFor] = await Promise.all(
    ["ca.crt", "ca.key", "server.crt", "server.names"].map((file) => readIfExists(fileOf(paths, file))),
  );
  const isKept = certificate !== undefined && key !== undefined;
  const authority = isKept ? await loadAuthority({ certificate, key }) : await newAuthority(`gitops-lab cohort ${basename(paths.root)}`);
  if (!isKept) {
    // The key first: a certificate alone is no authority, and the next run makes both anew.
    await writePrivateFile(fileOf(paths, "ca.key"), await authority.privateKey());
    await writePrivateFile(fileOf(paths, "ca.crt"), authority.certificate);
  }
  const isValid =
    isKept && issued !== undefined && issuedFor === names.join(" ") && expiryOf(issued).getTime() - Date.now() > renewBeforeMs;
  if (!isValid) {
    const pair = await authority.issueServer(
      name,
      names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
    );
    await writePrivateFile(fileOf(paths, "server.key"), pair.key);
    await writePrivateFile(fileOf(paths, "server.crt"), pair.certificate);
    // Last: what was killed before is issued once more.
    await writePrivateFile(fileOf(paths, "server.names"), names.join(" "));
  }
  return authority.certificate;
}
