import { createHash } from "node:crypto";
import { z } from "zod";
import { LabError } from "../shared/errors.ts";
import { onLabHost } from "../shared/image-paths.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";

export interface Manifest {
  /** Computed from the bytes, so it holds whatever the registry claims. */
  readonly digest: string;
  /** Digests that stand for the same image: an index's platform manifests, or a manifest's configuration. */
  readonly parts: readonly string[];
}

/** Reads one image repository. */
export interface RegistryReader {
  /** The manifest of a tag or digest; undefined where the registry says that there is none. */
  manifest(reference: string): Promise<Manifest | undefined>;
}

const mediaTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

const Descriptor = z.object({ digest: z.string() });
const ManifestBody = z.object({ manifests: z.array(Descriptor).default([]), config: Descriptor.optional() });
const Token = z.object({ token: z.string() }).or(z.object({ access_token: z.string() }));

/**
 * A reader over the OCI distribution API with the learner's credential. Throws when it could not look. The credential
 * goes over plain HTTP only to this machine.
 */
export function registryReader(of: LearnerOutputs["registry"], signal: AbortSignal): RegistryReader {
  const registry = onLabHost(of);
  const slash = registry.repository.indexOf("/");
  const host = registry.repository.slice(0, slash);
  const name = registry.repository.slice(slash + 1);
  const basic = `Basic ${Buffer.from(`${registry.username}:${registry.password}`).toString("base64")}`;

  function checked(address: string): URL {
    const url = new URL(address);
    const loopback = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
    if (url.protocol === "https:" || (registry.insecure && loopback)) return url;
    throw new LabError(
      "registry-insecure",
      `${url.origin} would get ${registry.repository}'s credential in clear text. Let the registry use HTTPS.`,
    );
  }

  /** The Authorization header that a `WWW-Authenticate` challenge asks for. */
  async function authorize(challenge: string): Promise<string> {
    if (!/^bearer /i.test(challenge)) return basic;
    const { realm = "", ...scope } = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
    );
    const url = checked(realm);
    for (const [key, value] of Object.entries(scope)) url.searchParams.set(key, value);
    const response = await fetch(url, { headers: { authorization: basic }, signal });
    if (!response.ok) throw refused(`${url.origin} gave no token for ${registry.repository}`, response);
    const token = Token.parse(await response.json());
    return `Bearer ${"token" in token ? token.token : token.access_token}`;
  }

  return {
    async manifest(reference) {
      // It may come from a file of the learner's, and is to name nothing but an image of this repository.
      if (!referenceForm.test(reference)) return undefined;
      const url = checked(`${registry.insecure ? "http" : "https"}://${host}/v2/${name}/manifests/${reference}`);
      const headers = { accept: mediaTypes };
      let response = await fetch(url, { headers, signal });
      if (response.status === 401) {
        await response.body?.cancel();
        const authorization = await authorize(response.headers.get("www-authenticate") ?? "");
        response = await fetch(url, { headers: { ...headers, authorization }, signal });
      }
      if (response.status === 404) return undefined;
      if (!response.ok) throw refused(`${host} did not give ${registry.repository}@${reference}`, response);
      const bytes = Buffer.from(await response.arrayBuffer());
      const { manifests, config } = manifestIn(bytes, `${registry.repository}@${reference}`);
      return {
        digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
        parts: [...manifests, ...(config ? [config] : [])].map(({ digest }) => digest),
      };
    },
  };
}

/** A tag or a digest (distribution-spec, "Pulling manifests"). */
const referenceForm = /^(?:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}|sha256:[0-9a-f]{64})$/;

/** What is read of a manifest. Throws LabError `manifest-malformed`, which names it, for bytes that are none. */
export function manifestIn(bytes: Buffer, name: string): z.output<typeof ManifestBody> {
  try {
    return ManifestBody.parse(JSON.parse(bytes.toString("utf8")));
  } catch (error) {
    throw new LabError("manifest-malformed", `${name} is no manifest of an image. Push the image again, with a client that knows how.`, {
      cause: error,
    });
  }
}

function refused(what: string, response: Response): LabError {
  return new LabError(
    "registry-refused",
    `${what}: ${response.status} ${response.statusText}. Run \`pulumi up\` to restore the learner's credential.`,
  );
}
