import type { Policy } from "./policy.ts";

/*
 * Whom the API server dials because an object says so: the learner's own pods, by Services, and the learner's own node.
 */

/** Where callbacks of the API server are: a Service, never an address that the API server looks up itself. */
export const callbacks: readonly Policy[] = [
  {
    name: "webhooks",
    matched: [{ group: "admissionregistration.k8s.io", resources: ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] }],
    rules: [
      {
        holds: "object.?webhooks.orValue([]).all(webhook, !has(webhook.clientConfig.url))",
        told: "In this lab a webhook is a Service of the cluster (clientConfig.service), not a url.",
      },
    ],
  },
  {
    name: "conversions",
    matched: [{ group: "apiextensions.k8s.io", resources: ["customresourcedefinitions"] }],
    rules: [
      {
        holds: "!object.spec.?conversion.?webhook.?clientConfig.?url.hasValue()",
        told: "In this lab a conversion webhook is a Service of the cluster (clientConfig.service), not a url.",
      },
    ],
  },
  {
    // It could stand for the API server itself, to a kubelet too, which takes its pods from there without any policy.
    name: "api-services",
    matched: [{ group: "apiregistration.k8s.io", resources: ["apiservices", "apiservices/*"] }],
    rules: [
      {
        holds: "!has(object.spec.service)",
        told: "In this lab the API server serves every API itself: an APIService names no service.",
      },
    ],
  },
  {
    name: "services",
    matched: [{ resources: ["services"] }],
    rules: [
      {
        holds: "object.spec.?type.orValue('ClusterIP') != 'ExternalName'",
        told: "In this lab no Service is an ExternalName: there is nothing to reach beyond the cluster.",
      },
    ],
  },
];

export interface Networks {
  /** In CIDR notation. */
  readonly pods: string;
  readonly services: string;
  /** Its one address. */
  readonly node: string;
}

/** What stands behind a Service, a pod and a node, as their objects say it: addresses of the pods' network and the node's. */
export function addresses({ pods, services, node }: Networks): readonly Policy[] {
  const ofPods = (address: string) => `isIP(${address}) && cidr('${pods}').containsIP(${address})`;
  const told = `In this lab an address behind a Service is one of the pods' network, ${pods}.`;
  // The API server's own, which it writes itself.
  const ofEndpoint = (address: string) =>
    `(${ofPods(address)}) || (${address} == '${node}' && object.metadata.namespace == 'default' && object.metadata.name == 'kubernetes')`;
  return [
    {
      name: "endpoint-slices",
      matched: [{ group: "discovery.k8s.io", resources: ["endpointslices"] }],
      // The API gives null for a slice that has none.
      variables: { endpoints: "has(object.endpoints) && object.endpoints != null ? object.endpoints : []" },
      rules: [{ holds: `variables.endpoints.all(endpoint, endpoint.addresses.all(address, ${ofEndpoint("address")}))`, told }],
    },
    {
      name: "endpoints",
      matched: [{ resources: ["endpoints"] }],
      rules: [
        {
          holds: `object.?subsets.orValue([]).all(subset, (subset.?addresses.orValue([]) + subset.?notReadyAddresses.orValue([])).all(address, ${ofEndpoint("address.ip")}))`,
          told,
        },
      ],
    },
    {
      name: "service-networks",
      matched: [{ group: "networking.k8s.io", resources: ["servicecidrs"] }],
      rules: [
        {
          holds: `object.metadata.name == 'kubernetes' && object.spec.cidrs == ['${services}']`,
          told: `In this lab the one network of Services is ${services}.`,
        },
      ],
    },
    {
      name: "pod-addresses",
      matched: [{ resources: ["pods/status"] }],
      rules: [
        {
          holds: `object.?status.?podIPs.orValue([]).all(address, ${ofPods("address.ip")})`,
          told: `In this lab a pod's address is one of the pods' network, ${pods}.`,
        },
      ],
    },
    {
      name: "node-addresses",
      matched: [{ resources: ["nodes", "nodes/status"] }],
      rules: [
        {
          holds: `object.?status.?addresses.orValue([]).all(one, one.type == 'Hostname' || one.address == '${node}')`,
          told: `In this lab a node's address is ${node}.`,
        },
      ],
    },
  ];
}
