import { createHash } from "node:crypto";
import { LabError } from "../../shared/errors.ts";
import { annotation, kindOfType, logicalName, metadataOf, withoutServerFields, withoutStringData } from "./manifest.ts";
import { isObject, type Json, type Properties } from "../../shared/json.ts";
import { toManifest } from "./properties.ts";
import { unknown } from "../pulumi-plugins/secrets.ts";

export interface CheckRequest {
  readonly urn: string;
  /** The inputs of the last operation; empty for a new resource. */
  readonly olds: Properties;
  readonly news: Properties;
  /** The engine's, so that a replayed plan gives the same names. */
  readonly randomSeed: Uint8Array;
  /** The name that the project's autonaming gives; null where it forbids names that the program does not give. */
  readonly proposedName?: string | null;
}

/**
 * The inputs as they go on to the other calls, secrets bare: named, and without what only the API server may say. Throws
 * LabError for what this plugin does not serve.
 */
export function checkInputs(request: CheckRequest): Properties {
  const { urn, news } = request;
  const manifest = withoutServerFields(toManifest(news));
  const { apiVersion, kind } = manifest;
  if (typeof apiVersion !== "string" || typeof kind !== "string" || apiVersion === unknown || kind === unknown) {
    throw new LabError("not-an-object", `${urn} is not a Kubernetes object: it has no \`apiVersion\` and \`kind\`. ${onlyOfficial}`);
  }
  if (kindOfType(urn).kind === `${kind}Patch`) {
    throw new LabError("patch-resource", `${urn} would change an object that it does not own (a Patch resource). ${onlyOfficial}`);
  }
  const written = withoutStringData(manifest);
  // Where all metadata is unknown in a preview, the name is too.
  return written["metadata"] === unknown ? written : named(written, request);
}

const onlyOfficial = "Only Pulumi's own plugin serves that: install it with `pulumi plugin install resource kubernetes`.";

/** Names the object `<logical name>-<8 hexadecimal digits>` if the program does not. */
function named(manifest: Properties, { urn, olds, randomSeed, proposedName }: CheckRequest): Properties {
  const metadata = metadataOf(manifest);
  if (metadata["name"] !== undefined) return manifest;
  if (metadata["generateName"] !== undefined) {
    throw new LabError(
      "generate-name",
      `${urn} has \`metadata.generateName\`, which server-side apply can't use. Give \`metadata.name\`, or neither.`,
    );
  }
  const old = toManifest(olds);
  const oldName = annotation(old, autonamed) === "true" ? metadataOf(old)["name"] : undefined;
  if (oldName === undefined && proposedName === null) {
    throw new LabError(
      "name-missing",
      `${urn} has no \`metadata.name\`, and this project gives no names by itself (pulumi:autonaming). Set it.`,
    );
  }
  const suffix = createHash("sha256").update(randomSeed).update(urn).digest("hex").slice(0, 8);
  const name = oldName ?? proposedName ?? `${logicalName(urn)}-${suffix}`;
  return { ...manifest, metadata: { ...metadata, name, annotations: withAutonamed(metadata["annotations"]) } };
}

const autonamed = "pulumi.com/autonamed";

function withAutonamed(annotations: Json | undefined): Json {
  return annotations === unknown ? annotations : { ...(isObject(annotations) ? annotations : {}), [autonamed]: "true" };
}

/** Whether the name is not the program's, so that another object can be made before this one is deleted. */
export function isAutonamed(manifest: Properties): boolean {
  return annotation(manifest, autonamed) === "true";
}
