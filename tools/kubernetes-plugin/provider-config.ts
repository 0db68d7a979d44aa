import { isDeepStrictEqual } from "node:util";
import { LabError } from "../../shared/errors.ts";
import { activeContext } from "../../shared/kube-api.ts";
import { textOf } from "./manifest.ts";
import type { Properties } from "../../shared/json.ts";
import { toManifest } from "./properties.ts";
import { unknown } from "../pulumi-plugins/secrets.ts";

/** What `new k8s.Provider` says, as far as it matters here. */
export interface ProviderConfig {
  /** YAML text, or a path. */
  readonly kubeconfig: string;
  readonly context: string | undefined;
  /** For objects that name none; else that of the kubeconfig. */
  readonly namespace: string | undefined;
  readonly deleteUnreachable: boolean;
  /** Adopt what exists already. */
  readonly upsertExistingObjects: boolean;
  /** Take fields from their other managers, as the annotation `pulumi.com/patchForce` does for one object. */
  readonly enablePatchForce: boolean;
  /** Change the content of a Secret or ConfigMap in place; without it, it is replaced. */
  readonly enableSecretMutable: boolean;
  readonly enableConfigMapMutable: boolean;
}

/** From the engine's variables (`kubernetes:config:<name>`). Throws LabError `kubeconfig-missing`. */
export function readProviderConfig(variables: ReadonlyMap<string, string>, env: NodeJS.ProcessEnv = process.env): ProviderConfig {
  const given = (name: string) => variables.get(`kubernetes:config:${name}`) || undefined;
  const flag = (name: string, variable: string) => (given(name) ?? env[variable]) === "true";
  const kubeconfig = given("kubeconfig");
  if (kubeconfig === undefined) {
    throw new LabError(
      "kubeconfig-missing",
      "The Kubernetes provider has no kubeconfig, and this plugin does not guess one: what a lab creates must not end up " +
        "in whatever cluster kubectl points at. Pass `kubeconfig` to `new k8s.Provider`.",
    );
  }
  return {
    kubeconfig,
    context: given("context"),
    namespace: given("namespace"),
    deleteUnreachable: flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
    upsertExistingObjects: flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
    enablePatchForce: flag("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
    enableSecretMutable: flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
    enableConfigMapMutable: flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
  };
}

export interface ConfigDiff {
  readonly changed: readonly string[];
  /** Those whose change means another cluster, so that everything in it is made anew. */
  readonly replaces: readonly string[];
}

/**
 * By `clusterIdentifier` where old and new have one; else, as far as a kubeconfig tells, by the cluster it points at.
 * These are the official plugin's rules.
 */
export function diffProviderConfig(oldConfig: Properties, newConfig: Properties): ConfigDiff {
  const [old, next] = [toManifest(oldConfig), toManifest(newConfig)];
  const keys = new Set([...Object.keys(old), ...Object.keys(next)]);
  const changed = [...keys].filter((key) => !isDeepStrictEqual(old[key], next[key]));
  const [oldIdentifier, identifier] = [old["clusterIdentifier"], next["clusterIdentifier"]];
  if (oldIdentifier !== undefined && identifier !== undefined) {
    return { changed, replaces: changed.filter((key) => key === "clusterIdentifier") };
  }
  if (!pointsElsewhere(old, next)) return { changed, replaces: [] };
  return { changed, replaces: changed.filter((key) => ["kubeconfig", "context", "cluster"].includes(key)) };
}

function pointsElsewhere(old: Properties, next: Properties): boolean {
  // Only known after the update, so it must be taken for another.
  if (next["kubeconfig"] === unknown) return true;
  const [before, after] = [activeCluster(old), activeCluster(next)];
  return before !== undefined && after !== undefined && !isDeepStrictEqual(before, after);
}

function activeCluster({ kubeconfig, context }: Properties): Properties | undefined {
  try {
    return typeof kubeconfig === "string" ? activeContext(kubeconfig, textOf(context)).cluster : undefined;
  } catch {
    // Configure is where an unusable kubeconfig fails.
    return undefined;
  }
}
