import { expect, test } from "vitest";
import { oneLook } from "../../host/flux/one-look.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";

const pods = [
  { metadata: { namespace: "develop", name: "a" } },
  { metadata: { namespace: "develop", name: "b" } },
  { metadata: { namespace: "staging", name: "a" } },
];

test("a look reads each kind once, whichever of its objects are asked for", async () => {
  const requests: string[] = [];
  const kube: KubeReader = {
    list: async (_, kind, namespace) => (requests.push(`${kind} in ${namespace ?? "all"}`), kind === "Pod" ? pods : []),
    get: async () => expect.unreachable(),
  };
  const now = oneLook(kube);

  expect(
    await Promise.all([
      now.get("v1", "Pod", "staging", "a"),
      now.get("v1", "Pod", "staging", "b"),
      now.list("v1", "Pod", "develop"),
      now.list("v1", "Pod"),
    ]),
  ).toEqual([pods[2], undefined, pods.slice(0, 2), pods]);
  expect(await now.list("v1", "Service", "develop")).toEqual([]);
  expect(requests).toEqual(["Pod in all", "Service in all"]);

  await oneLook(kube).list("v1", "Pod");
  expect(requests).toHaveLength(3);
});
