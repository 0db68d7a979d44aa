import { z } from "zod";
import { messageOf } from "../../shared/errors.ts";
import type { Properties } from "../../shared/json.ts";
import { connect, UnreachableError, type KubeApi } from "../../shared/kube-api.ts";
import { atServer } from "../../shared/kubeconfig.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import type { Driver } from "../../host/driver.ts";
import { applyVcluster, removeRelease, type ReleasePlace } from "./helm.ts";
import { clusterClient, type ClusterClient } from "../../host/kubernetes/client.ts";
import { isUnreachableGone } from "../unreachable.ts";
import { explained, markOf, namespaceAt, requireOwn } from "./ownership.ts";

export interface VirtualClusterInput {
  readonly cohort: string;
  readonly learner: string;
  /** Path of the kubeconfig of the cluster below. */
  readonly kubeconfig: string;
  /** Context in it; without it the current one. */
  readonly context?: string;
  /** Of its namespace, which is there already, and of Helm's release. */
  readonly name: string;
  /** Of the lab home that made the namespace. */
  readonly mark: string;
  /** Version of the chart. */
  readonly chart: string;
  /** Of the chart. */
  readonly values: Properties;
  /** URL at which it is reached from outside; without it, where its load balancer is. */
  readonly server?: string;
}

export interface VirtualClusterOutput {
  readonly learner: string;
  readonly kubeconfig: string;
  readonly context?: string;
  readonly name: string;
  /** Absent in what an earlier version made. */
  readonly mark?: string;
  readonly apiServer: string;
  readonly adminKubeconfig: string;
}

const startSeconds = 600;

/** A virtual cluster in a namespace of a Kubernetes that is there already: vcluster's chart, by Helm. */
export const virtualCluster: Driver<VirtualClusterInput, VirtualClusterOutput, "virtual-cluster"> = {
  name: "virtual-cluster",
  replaceOn: ["kubeconfig", "context", "name"],
  optional: ["context", "server"],

  async ensure({ cohort, learner, kubeconfig, context, name, mark, chart, values, server }) {
    const place = placeOf({ kubeconfig, context, name });
    const api = connect(kubeconfig, context);
    await requireOwn(api, { learner, kubeconfig, name, mark });
    await applyVcluster(place, chart, values, { learner, step: `install the virtual cluster ${name}` });
    const below = clusterClient(kubeconfig, context);
    const { exported, address } = await waitUntil(() => lookRunning(api, below, name, server), {
      what: `learner ${learner}'s virtual cluster ${name}`,
      timeoutSeconds: startSeconds,
      intervalMs: 1000,
      remedy: `\`kubectl -n ${name} describe pods\` on the cluster below shows more; \`./lab up\` goes on from here.`,
    });
    const adminKubeconfig = atServer(exported, `${cohort}-${learner}`, address);
    return {
      id: `${cohort}/${learner}/${name}`,
      output: { learner, kubeconfig, ...(context !== undefined && { context }), name, mark, apiServer: address, adminKubeconfig },
    };
  },

  /** Out of reach is not gone, unless the run was told so, as it tells Pulumi's Kubernetes plugin. */
  async read(_id, output) {
    try {
      const api = connect(output.kubeconfig, output.context);
      return (await api.send({ method: "GET", path: `/apis/apps/v1/namespaces/${output.name}/statefulsets/${output.name}` })) === undefined
        ? undefined
        : output;
    } catch (error) {
      if (error instanceof UnreachableError && isUnreachableGone()) return undefined;
      throw error;
    }
  },

  /** Nothing in a namespace that is somebody else's by now. */
  async remove(_id, { learner, mark, ...output }) {
    const doing = { learner, step: `remove the virtual cluster ${output.name}` };
    try {
      const found = await namespaceAt(connect(output.kubeconfig, output.context), output.name);
      if (found === undefined || (mark !== undefined && markOf(found) !== mark)) return;
      await removeRelease(placeOf(output), doing);
    } catch (error) {
      // What is left there is told by the inventory.
      if (!isUnreachableGone()) throw explained(error, doing);
    }
  },
};

function placeOf({
  kubeconfig,
  context,
  name,
}: Pick<VirtualClusterOutput, "kubeconfig" | "name"> & { readonly context?: string | undefined }): ReleasePlace {
  return { kubeconfig, context, namespace: name, release: name };
}

const Secret = z.object({ data: z.object({ config: z.string() }) });
const Ingress = z.object({ ip: z.string().optional(), hostname: z.string().optional() });
const Service = z.object({
  status: z
    .object({ loadBalancer: z.object({ ingress: z.array(Ingress).default([]) }).default({ ingress: [] }) })
    .default({ loadBalancer: { ingress: [] } }),
});
const Events = z.object({
  items: z.array(
    z.object({
      message: z.string().default(""),
      lastTimestamp: z.string().nullish(),
      metadata: z.object({ creationTimestamp: z.string() }),
    }),
  ),
});

interface Running {
  /** The kubeconfig that vcluster has exported. */
  readonly exported: string;
  readonly address: string;
}

/** Whether the virtual API server answers its readiness probe, its kubeconfig is there and it has an address; if not why. */
async function lookRunning(api: KubeApi, below: ClusterClient, name: string, server: string | undefined): Promise<Look<Running>> {
  try {
    const pods = await below.lookPodsReady(name, `app=vcluster,release=${name}`);
    if (!pods.done) return { done: false, because: `${pods.because.replace(/\.$/, "")}${await lastWarning(api, name)}.` };
    const secret = await api.send({ method: "GET", path: `/api/v1/namespaces/${name}/secrets/vc-${name}` });
    if (secret === undefined) return { done: false, because: `its kubeconfig, the secret vc-${name}, is not there yet.` };
    const address = server ?? (await balancedAddress(api, name));
    if (address === undefined)
      return { done: false, because: `the service ${name} has got no address from a load balancer${await lastWarning(api, name)}.` };
    return { done: true, value: { exported: Buffer.from(Secret.parse(secret).data.config, "base64").toString(), address } };
  } catch (error) {
    return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
  }
}

async function balancedAddress(api: KubeApi, name: string): Promise<string | undefined> {
  const service = await api.send({ method: "GET", path: `/api/v1/namespaces/${name}/services/${name}` });
  const [first] = Service.parse(service ?? {}).status.loadBalancer.ingress;
  const host = first?.ip ?? first?.hostname;
  return host === undefined ? undefined : `https://${host}`;
}

/** What the namespace last complained of, as the end of a sentence: an image that can't be pulled, a quota, a volume. */
async function lastWarning(api: KubeApi, name: string): Promise<string> {
  const events = Events.parse(
    (await api.send({ method: "GET", path: `/api/v1/namespaces/${name}/events?fieldSelector=type%3DWarning` })) ?? { items: [] },
  ).items;
  const when = ({ lastTimestamp, metadata }: (typeof events)[number]) => lastTimestamp ?? metadata.creationTimestamp;
  const last = events.sort((a, b) => when(a).localeCompare(when(b))).at(-1);
  return last === undefined ? "" : ` (${last.message.split("\n")[0]?.replace(/\.$/, "")})`;
}
