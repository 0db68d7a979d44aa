import { webcrypto, randomBytes } from "node:crypto";
import { join } from "node:path";
// x509 resolves its parsers through a container that needs this first.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { makePrivateFolder, readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { nodeAddress } from "./networks.ts";

/** A certificate and its key as PEM text. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Name of the one node that runs for real. */
export const nodeName = "node";

/** The identities in a learner's cluster: Kubernetes reads the user from CN and the groups from O. */
export const clients = {
  admin: { user: "gitops-lab:admin", groups: ["system:masters"] },
  "kube-controller-manager": { user: "system:kube-controller-manager", groups: [] },
  "kube-scheduler": { user: "system:kube-scheduler", groups: [] },
  /** Of a real node: the Node authorizer knows it by this name and group. */
  kubelet: { user: `system:node:${nodeName}`, groups: ["system:nodes"] },
  "kube-proxy": { user: "system:kube-proxy", groups: [] },
  dns: { user: "gitops-lab:dns", groups: [] },
  /** As whom the API server asks a kubelet for logs. */
  "kube-apiserver-kubelet": { user: "gitops-lab:kube-apiserver", groups: ["system:masters"] },
  /** Plays the kubelet of the simulated node, so it may write any pod's and node's status. */
  kwok: { user: "gitops-lab:kwok", groups: ["system:masters"] },
  /** Bound to cluster-admin by components/flux/bootstrap.ts, as Flux' own manifests do. */
  flux: { user: "gitops-lab:flux", groups: [] },
  /** Bound by components/cluster/learner-access.ts to what the exercises need. */
  learner: { user: "gitops-lab:learner", groups: ["gitops-lab:learners"] },
} as const;
export type ClientName = keyof typeof clients;

export interface ClusterPki {
  readonly ca: string;
  readonly clients: Readonly<Record<ClientName, KeyPair>>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Longer than any course; a lab is made anew rather than renewed. */
const validDays = 365;

/**
 * The certificates of one control plane, in `folder`: `ca.crt`, `apiserver.{crt,key}`, `kubelet-server.{crt,key}`,
 * `service-accounts.{key,pub}` and one pair per client. Made once; the CA's key is never written, so nobody can issue more.
 */
export async function ensurePki(folder: string): Promise<ClusterPki> {
  const file = (name: string) => join(folder, name);
  const complete = await readIfExists(file("complete"));
  if (complete === undefined) {
    await makePrivateFolder(folder);
    await writePki(file);
    await writePrivateFile(file("complete"), "");
  }
  const read = async (name: string) => (await readIfExists(file(name))) ?? "";
  const pairs = await Promise.all(
    (Object.keys(clients) as ClientName[]).map(async (name) => [name, { certificate: await read(`${name}.crt`), key: await read(`${name}.key`) }] as const),
  );
  return { ca: await read("ca.crt"), clients: Object.fromEntries(pairs) as Record<ClientName, KeyPair> };
}

async function writePki(file: (name: string) => string): Promise<void> {
  const caKeys = await generateKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: [{ CN: ["gitops-lab"] }],
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const issue = async (subject: x509.JsonName, extensions: x509.Extension[]): Promise<KeyPair> => {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(),
      subject,
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true), ...extensions],
    });
    return { certificate: certificate.toString("pem"), key: await privatePem(keys) };
  };
  const save = async (name: string, pair: KeyPair) => {
    await writePrivateFile(file(`${name}.crt`), `${pair.certificate}\n`);
    await writePrivateFile(file(`${name}.key`), `${pair.key}\n`);
  };

  await writePrivateFile(file("ca.crt"), `${ca.toString("pem")}\n`);
  const saveServer = async (name: string, user: string, names: x509.JsonGeneralNames) =>
    save(name, await issue([{ CN: [user] }], [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]), new x509.SubjectAlternativeNameExtension(names)]));
  await saveServer("apiserver", "kube-apiserver", [
    { type: "dns", value: "localhost" },
    { type: "dns", value: "kubernetes.default.svc" },
    { type: "ip", value: "127.0.0.1" },
    { type: "ip", value: "10.96.0.1" },
    { type: "ip", value: nodeAddress },
  ]);
  await saveServer("kubelet-server", nodeName, [{ type: "ip", value: nodeAddress }]);
  for (const [name, { user, groups }] of Object.entries(clients)) {
    // Each group is an O of its own: a list in one entry would make a single multi-valued RDN.
    const subject = [...groups.map((group) => ({ O: [group] })), { CN: [user] }];
    await save(name, await issue(subject, [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]));
  }
  const tokenKeys = await generateKeys();
  await writePrivateFile(file("service-accounts.key"), `${await privatePem(tokenKeys)}\n`);
  await writePrivateFile(file("service-accounts.pub"), `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("spki", tokenKeys.publicKey), "PUBLIC KEY")}\n`);
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

async function privatePem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
}

function validity(): { serialNumber: string; notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    serialNumber: randomBytes(16).toString("hex"),
    // A minute back, for clocks that were just set.
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + validDays * 86_400_000),
  };
}
