import { LabError, messageOf } from "../../shared/errors.ts";
import { waitUntil } from "../../shared/wait.ts";
import { checkInputs, isAutonamed, type CheckRequest } from "./check.ts";
import { diffManifests, observedInputs, type Change } from "./diff.ts";
import { connect, UnreachableError } from "../../shared/kube-api.ts";
import { annotation, describe, idOf, metadataOf, referenceFrom, referenceOf, timeoutOf, withoutServerFields } from "./manifest.ts";
import { isAppliedBy, isConflict, objectStore } from "./objects.ts";
import { isObject, type Properties } from "../../shared/json.ts";
import { secretTexts, toManifest, withSecrets } from "./properties.ts";
import type { ProviderConfig } from "./provider-config.ts";
import { lookReady, whyNotGone } from "./readiness.ts";
import { InitializationError } from "../pulumi-plugins/grpc.ts";
import { provenanceOf, stateOf } from "./state.ts";

/** What the engine asks of a configured provider, in plain JSON; `main.ts` puts it on the wire. Times are in seconds. */
export interface Provider {
  check(request: CheckRequest): Promise<Properties>;
  diff(oldInputs: Properties, news: Properties): Diff;
  create(urn: string, inputs: Properties, timeout: number): Promise<{ readonly id: string; readonly state: Properties }>;
  /** Undefined when the object is gone. */
  read(
    urn: string,
    id: string,
    inputs: Properties,
    state: Properties,
  ): Promise<{ readonly inputs: Properties; readonly state: Properties } | undefined>;
  update(urn: string, id: string, state: Properties, news: Properties, timeout: number): Promise<Properties>;
  remove(urn: string, id: string, state: Properties, timeout: number): Promise<void>;
}

export interface Diff {
  readonly changes: readonly Change[];
  readonly deleteBeforeReplace: boolean;
}

export interface ProviderContext {
  warn(urn: string, message: string): void;
  /** Ends what waits. */
  readonly cancelled: AbortSignal;
}

/** Throws LabError `kubeconfig-invalid`. */
export function createProvider(config: ProviderConfig, { warn, cancelled }: ProviderContext): Provider {
  const api = connect(config.kubeconfig, config.context);
  const defaultNamespace = config.namespace ?? api.namespace;
  const store = objectStore(api, defaultNamespace);

  /** Applies, waits until the object is ready, and gives what Pulumi keeps of it. */
  async function apply(
    inputs: Properties,
    provenance: ReturnType<typeof provenanceOf>,
    timeout: number,
  ): Promise<{ id: string; state: Properties }> {
    const manifest = toManifest(inputs);
    const reference = referenceOf(manifest);
    const { fieldManager } = provenance;
    const force = config.enablePatchForce || annotation(manifest, "pulumi.com/patchForce") === "true";
    let live = await store.apply(reference, manifest, { fieldManager, force }).catch((error: unknown) => {
      throw isConflict(error) ? ownedByAnother(describe(reference), fieldManager, error.message) : error;
    });
    const id = idOf(referenceOf(live));
    try {
      if (annotation(manifest, "pulumi.com/skipAwait") !== "true") {
        await waitUntil(
          async () => {
            cancelled.throwIfAborted();
            const look = lookReady(live);
            if (!look.done) live = (await store.get(reference)) ?? live;
            return look;
          },
          {
            what: `${describe(reference)} to become ready`,
            timeoutSeconds: timeoutOf(manifest, timeout),
            remedy: "Look at it with `kubectl describe`, then run `pulumi up` again.",
          },
        );
      }
    } catch (error) {
      throw new InitializationError(messageOf(error), id, stateOf(live, inputs, provenance));
    }
    return { id, state: stateOf(live, inputs, provenance) };
  }

  /** Gives a failure its last form: the cluster named if nobody answers for it, and nothing secret in the message. */
  async function guarded<T>(secrets: Properties, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof UnreachableError) throw unreachable(api.server, error);
      if (error instanceof Error) error.message = withoutSecrets(error.message, secrets);
      throw error;
    }
  }

  /** With `deleteUnreachable`, an object in a cluster that nobody answers for is gone. */
  const goneIfUnreachable =
    (urn: string) =>
    (error: unknown): undefined => {
      if (!config.deleteUnreachable || !(error instanceof UnreachableError)) throw error;
      warn(urn, `The cluster ${api.server} can't be reached (${error.message}): taken out of the state as gone (deleteUnreachable).`);
    };

  return {
    async check(request) {
      const manifest = checkInputs(request);
      const { apiVersion, kind, namespace } = referenceOf(manifest);
      if (isObject(manifest["metadata"]) && namespace === undefined) {
        // A cluster that is away or does not know the kind yet is no failure of the inputs: `apply` decides then.
        const namespaced = await store.isNamespaced(apiVersion, kind).catch(() => false);
        if (namespaced) manifest["metadata"]["namespace"] = defaultNamespace;
      }
      return withSecrets(manifest, request.news);
    },

    diff(oldInputs, news) {
      const [old, next] = [toManifest(oldInputs), toManifest(news)];
      const { enableSecretMutable: mutableSecrets, enableConfigMapMutable: mutableConfigMaps } = config;
      const changes = diffManifests(old, next, { defaultNamespace, mutableSecrets, mutableConfigMaps });
      const moves = changes.some(({ path }) => path === "metadata.name" || path === "metadata.namespace");
      return { changes, deleteBeforeReplace: changes.some(({ replaces }) => replaces) && !moves && !isAutonamed(next) };
    },

    create: (urn, inputs, timeout) =>
      guarded(inputs, async () => {
        const provenance = provenanceOf(urn, {});
        const reference = referenceOf(toManifest(inputs));
        const existing = config.upsertExistingObjects ? undefined : await store.get(reference);
        // What this resource itself applied is no stranger's: Pulumi ended before it could write that down.
        if (existing && !isAppliedBy(existing, provenance.fieldManager)) throw alreadyExists(describe(reference));
        return apply(inputs, provenance, timeout);
      }),

    read: (urn, id, inputs, state) =>
      guarded(inputs, async () => {
        const before = toManifest(state);
        const live = await store.get(referenceFrom(urn, id, before)).catch(goneIfUnreachable(urn));
        if (!live) return undefined;
        const imported = Object.keys(inputs).length === 0;
        const observed = withSecrets(imported ? withoutServerFields(live) : observedInputs(toManifest(inputs), before, live), inputs);
        return { inputs: observed, state: stateOf(live, observed, provenanceOf(urn, state)) };
      }),

    update: (urn, id, state, news, timeout) =>
      guarded(news, async () => {
        const provenance = provenanceOf(urn, state);
        const reference = referenceFrom(urn, id, toManifest(news));
        const live = await store.get(reference);
        if (live) await store.takeOver(reference, live, provenance.fieldManager);
        return (await apply(news, provenance, timeout)).state;
      }),

    remove: (urn, id, state, timeout) =>
      guarded(state, async () => {
        const manifest = toManifest(state);
        const reference = referenceFrom(urn, id, manifest);
        const deleting = await store.remove(reference, propagationPolicy(manifest)).catch(goneIfUnreachable(urn));
        if (!deleting) return;
        await waitUntil(
          async () => {
            cancelled.throwIfAborted();
            const left = await store.get(reference);
            // Another uid is another object, of the same name.
            const isSame = left && metadataOf(left)["uid"] === metadataOf(deleting)["uid"];
            return isSame ? { done: false, because: whyNotGone(left) } : { done: true, value: undefined };
          },
          {
            what: `${describe(reference)} to be deleted`,
            timeoutSeconds: timeoutOf(manifest, timeout),
            remedy: "See that the controllers its finalizers belong to are running, then repeat the command.",
          },
        );
      }),
  };
}

/** The API server quotes what it refuses, with quotation marks and line ends escaped. */
function withoutSecrets(message: string, secrets: Properties): string {
  const texts = secretTexts(secrets).flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]);
  // The longest first, which may have another within.
  texts.sort((one, other) => other.length - one.length);
  return texts.reduce((cleaned, text) => cleaned.replaceAll(text, "[secret]"), message);
}

/** What becomes of objects that belong to the deleted one: gone before it, unless annotated otherwise. */
function propagationPolicy(manifest: Properties): "Background" | "Foreground" | "Orphan" {
  switch (annotation(manifest, "pulumi.com/deletionPropagationPolicy")?.toLowerCase()) {
    case "orphan":
      return "Orphan";
    case "background":
      return "Background";
    default:
      return "Foreground";
  }
}

function alreadyExists(object: string): LabError {
  return new LabError(
    "already-exists",
    `${object} exists already, and this resource did not make it. Adopt it with \`pulumi import\`, or all such objects with ` +
      "`upsertExistingObjects` of the provider; if the resource was renamed, give it an alias.",
  );
}

function ownedByAnother(object: string, fieldManager: string, message: string): LabError {
  return new LabError(
    "apply-conflict",
    `${object} has fields that another manager owns, which server-side apply as ${fieldManager} does not take: ${message}. ` +
      'Leave them out of the program, or take them with the annotation `pulumi.com/patchForce: "true"`.',
  );
}

function unreachable(server: string, cause: UnreachableError): LabError {
  return new LabError(
    "cluster-unreachable",
    `The cluster ${server} can't be reached: ${cause.message}. Start it; if it is gone for good, repeat the command with ` +
      "PULUMI_K8S_DELETE_UNREACHABLE=true, which takes its objects out of the state.",
    { cause },
  );
}
