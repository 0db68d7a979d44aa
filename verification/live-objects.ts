import { z } from "zod";
import { LabError } from "../shared/errors.ts";
import { excerpt } from "../shared/printable.ts";
import type { KubeReader } from "./kube-reader.ts";

/** The fields of live objects that the checks rest on, and nothing else, so that an unrelated new field breaks nothing. */

const Condition = z.object({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().default(""),
  message: z.string().default(""),
  observedGeneration: z.number().optional(),
  lastTransitionTime: z.string().nullish(),
});
export type Condition = z.output<typeof Condition>;

const Metadata = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string(),
  resourceVersion: z.string(),
  generation: z.number().optional(),
  deletionTimestamp: z.string().nullish(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  ownerReferences: z.array(z.object({ uid: z.string() })).default([]),
});

const LiveObject = z.object({ apiVersion: z.string(), kind: z.string(), metadata: Metadata });
export type LiveObject = z.output<typeof LiveObject> & {
  readonly status?: {
    readonly observedGeneration?: number | undefined;
    readonly conditions?: readonly Condition[] | undefined;
    readonly lastAppliedRevision?: string | undefined;
    readonly artifact?: { readonly revision: string } | undefined;
  };
};

const FluxStatus = z.object({ observedGeneration: z.number().optional(), conditions: z.array(Condition).default([]) });

/** What every Flux object has in common. */
export const FluxObject = LiveObject.extend({
  spec: z.object({ suspend: z.boolean().default(false) }).prefault({}),
  status: FluxStatus.prefault({}),
});
export type FluxObject = z.output<typeof FluxObject>;

/** The part of a pod's spec that says what runs. */
const PodTemplate = z.object({ spec: z.object({ containers: z.array(z.object({ name: z.string(), image: z.string() })) }) });

const ContainerState = z.object({
  waiting: z.object({ reason: z.string().default(""), message: z.string().default("") }).nullish(),
  terminated: z.object({ reason: z.string().default(""), exitCode: z.number() }).nullish(),
});

const ContainerStatuses = z
  .array(
    z.object({
      name: z.string(),
      ready: z.boolean(),
      imageID: z.string().default(""),
      state: ContainerState.prefault({}),
      lastState: ContainerState.prefault({}),
    }),
  )
  .default([]);

/** A kind of the API with the schema of what is read from it. */
export interface LiveKind<S extends z.ZodType = z.ZodType> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly schema: S;
}

export const Kustomization = {
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  schema: FluxObject.extend({
    status: FluxStatus.extend({
      lastAppliedRevision: z.string().optional(),
      /** At most five, newest first; one for each outcome of each set of manifests. */
      history: z
        .array(
          z.object({
            firstReconciled: z.string(),
            lastReconciled: z.string(),
            totalReconciliations: z.number(),
            lastReconciledStatus: z.string(),
            metadata: z.object({ revision: z.string().optional() }).prefault({}),
          }),
        )
        .default([]),
    }).prefault({}),
  }),
} satisfies LiveKind;

export const GitRepository = {
  apiVersion: "source.toolkit.fluxcd.io/v1",
  kind: "GitRepository",
  schema: FluxObject.extend({
    status: FluxStatus.extend({ artifact: z.object({ revision: z.string() }).optional() }).prefault({}),
  }),
} satisfies LiveKind;

const Order = z.object({ order: z.string().optional() });

export const ImagePolicy = {
  apiVersion: "image.toolkit.fluxcd.io/v1",
  kind: "ImagePolicy",
  schema: FluxObject.extend({
    spec: z
      .object({
        suspend: z.boolean().default(false),
        filterTags: z.object({ pattern: z.string().default(""), extract: z.string().default("") }).optional(),
        policy: z.object({ numerical: Order.optional(), alphabetical: Order.optional() }).prefault({}),
      })
      .prefault({}),
    status: FluxStatus.extend({
      latestRef: z.object({ name: z.string(), tag: z.string(), digest: z.string().optional() }).optional(),
    }).prefault({}),
  }),
} satisfies LiveKind;

export const ImageUpdateAutomation = {
  apiVersion: "image.toolkit.fluxcd.io/v1",
  kind: "ImageUpdateAutomation",
  schema: FluxObject.extend({
    spec: z.object({
      suspend: z.boolean().default(false),
      /** A Go duration. */
      interval: z.string(),
      git: z.object({ push: z.object({ branch: z.string().optional() }).optional() }).optional(),
    }),
  }),
} satisfies LiveKind;

export const ImageRepository = {
  apiVersion: "image.toolkit.fluxcd.io/v1",
  kind: "ImageRepository",
  schema: FluxObject.extend({
    spec: z.object({ suspend: z.boolean().default(false), secretRef: z.object({ name: z.string() }).optional() }).prefault({}),
    status: FluxStatus.extend({ lastScanResult: z.object({ tagCount: z.number() }).optional() }).prefault({}),
  }),
} satisfies LiveKind;

/** Who set which fields; `fieldsV1` is a tree whose keys name fields and list entries. */
const ManagedFields = z.object({
  manager: z.string().default(""),
  operation: z.string().default(""),
  time: z.string().optional(),
  fieldsV1: z.unknown(),
});

export const Deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  schema: LiveObject.extend({
    metadata: Metadata.extend({ managedFields: z.array(ManagedFields).default([]) }),
    spec: z.object({
      replicas: z.number().default(1),
      template: PodTemplate,
    }),
    status: z
      .object({
        observedGeneration: z.number().optional(),
        replicas: z.number().default(0),
        updatedReplicas: z.number().default(0),
        availableReplicas: z.number().default(0),
        conditions: z.array(Condition).default([]),
      })
      .prefault({}),
  }),
} satisfies LiveKind;
export type Deployment = z.output<typeof Deployment.schema>;

export const ReplicaSet = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  schema: LiveObject.extend({ spec: z.object({ template: PodTemplate.optional() }).prefault({}) }),
} satisfies LiveKind;

export const Pod = {
  apiVersion: "v1",
  kind: "Pod",
  schema: LiveObject.extend({
    spec: z.object({ nodeName: z.string().optional() }),
    status: z
      .object({
        phase: z.string().default(""),
        conditions: z.array(Condition).default([]),
        containerStatuses: ContainerStatuses,
        initContainerStatuses: ContainerStatuses,
        ephemeralContainerStatuses: ContainerStatuses,
      })
      .prefault({}),
  }),
} satisfies LiveKind;
export type Pod = z.output<typeof Pod.schema>;

export const Node = { apiVersion: "v1", kind: "Node", schema: LiveObject } satisfies LiveKind;

/** The objects of a kind, parsed; throws `malformed-object` where one is not as the API documents it. */
export async function listLive<S extends z.ZodType>(kube: KubeReader, kind: LiveKind<S>, namespace?: string): Promise<z.output<S>[]> {
  const found = await kube.list(kind.apiVersion, kind.kind, namespace);
  return found.map((object) => parseLive(kind, object));
}

/** One object, parsed; undefined where there is none. */
export async function getLive<S extends z.ZodType>(
  kube: KubeReader,
  kind: LiveKind<S>,
  namespace: string,
  name: string,
): Promise<z.output<S> | undefined> {
  const found = await kube.get(kind.apiVersion, kind.kind, namespace, name);
  return found === undefined ? undefined : parseLive(kind, found);
}

function parseLive<S extends z.ZodType>(kind: LiveKind<S>, object: unknown): z.output<S> {
  const parsed = kind.schema.safeParse(object);
  if (parsed.success) return parsed.data;
  const named = LiveObject.safeParse(object);
  throw new LabError(
    "malformed-object",
    `${named.success ? excerpt(nameOf(named.data)) : `A ${kind.kind}`} is not in the form that ${kind.apiVersion} documents: ` +
      `${excerpt(z.prettifyError(parsed.error), 600)}. Look at it with \`kubectl get ${kind.kind.toLowerCase()} -A -o yaml\`.`,
  );
}

/** `Kind namespace/name`, as messages name an object. */
export function nameOf({ kind, metadata }: LiveObject): string {
  return `${kind} ${metadata.namespace ? `${metadata.namespace}/` : ""}${metadata.name}`;
}

/** What an evidence bundle keeps of an object: enough to tell later which state of it was seen. */
export function factOf(object: LiveObject) {
  const { apiVersion, kind, metadata, status } = object;
  return {
    apiVersion,
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: metadata.generation,
    observedGeneration: status?.observedGeneration,
    revision: status?.lastAppliedRevision ?? status?.artifact?.revision,
    conditions: status?.conditions,
  };
}
