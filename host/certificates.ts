import { webcrypto, randomBytes } from "node:crypto";
// x509 resolves its parsers through a container that needs this first.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A certificate and its key as PEM text. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** What a server is called, in its certificate: host names and IP addresses. */
export type ServerName = { readonly type: "dns" | "ip"; readonly value: string };

/** Who can issue certificates. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  issueServer(user: string, names: readonly ServerName[]): Promise<KeyPair>;
  /** Kubernetes reads the user from CN and the groups from O. */
  issueClient(user: string, groups: readonly string[]): Promise<KeyPair>;
  /** PEM; whoever does not ask for it leaves a key that goes with the process. */
  privateKey(): Promise<string>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Longer than any course; a lab is made anew rather than renewed. */
const validDays = 365;

/** Makes a certificate authority. */
export async function newAuthority(name: string): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return authority(certificate, keys.privateKey);
}

/** An authority from what was kept of it. */
export async function loadAuthority({ certificate, key }: KeyPair): Promise<Authority> {
  const [der = new ArrayBuffer(0)] = x509.PemConverter.decode(key);
  return authority(new x509.X509Certificate(certificate), await webcrypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]));
}

/** A new key pair for signatures, as PEM text. */
export async function newSigningKeys(): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const keys = await generateKeys();
  return {
    privateKey: await privatePem(keys.privateKey),
    publicKey: `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("spki", keys.publicKey), "PUBLIC KEY")}\n`,
  };
}

/** Until when a certificate (PEM) is valid. */
export function expiryOf(certificate: string): Date {
  return new x509.X509Certificate(certificate).notAfter;
}

function authority(ca: x509.X509Certificate, signingKey: webcrypto.CryptoKey): Authority {
  const issue = async (subject: x509.JsonName, extensions: x509.Extension[]): Promise<KeyPair> => {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(),
      subject,
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true), ...extensions],
    });
    return { certificate: `${certificate.toString("pem")}\n`, key: await privatePem(keys.privateKey) };
  };
  return {
    certificate: `${ca.toString("pem")}\n`,
    issueServer: (user, names) =>
      issue(
        [{ CN: [user] }],
        [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]), new x509.SubjectAlternativeNameExtension([...names])],
      ),
    issueClient: (user, groups) =>
      // Each group is an O of its own: a list in one entry would make a single multi-valued RDN.
      issue(
        [...groups.map((group) => ({ O: [group] })), { CN: [user] }],
        [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
      ),
    privateKey: () => privatePem(signingKey),
  };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

function validity(): { serialNumber: string; notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    serialNumber: randomBytes(16).toString("hex"),
    // A clock that was wrong and is set right, or runs in another time zone's, goes back by hours.
    notBefore: new Date(now - 2 * 86_400_000),
    notAfter: new Date(now + validDays * 86_400_000),
  };
}
