import { afterAll, beforeAll, expect, test } from "vitest";
import { fluxManifests, publishedImage } from "../../components/flux/manifests.ts";
import { setupTools } from "../../tools/install.ts";
import { fluxControllerNames } from "../../tools/manifest.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";

let plane: TestControlPlane;

beforeAll(async () => {
  await setupTools();
  plane = await startControlPlane(["etcd", "kube-apiserver"]);
  await plane.kubectl(["create", "namespace", "flux-system"]);
}, 120_000);

afterAll(() => plane.remove());

interface Container {
  readonly image: string;
  readonly args: string[];
}

test("an API server takes Flux' manifests as they are made, and Flux' accounts have Flux' rights", { timeout: 60_000 }, async () => {
  const items = fluxManifests({ image: publishedImage, pullSecrets: ["pull"] });
  await plane.kubectl(
    ["apply", "--server-side", "--validate=strict", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items }),
  );

  const listed = JSON.parse(
    await plane.kubectl(["get", "deployments", "-n", "flux-system", "-l", "app.kubernetes.io/part-of=flux", "-o", "json"]),
  ) as {
    items: {
      metadata: { name: string };
      spec: { template: { spec: { serviceAccountName: string; imagePullSecrets: object[]; containers: Container[] } } };
    }[];
  };
  expect(listed.items.map(({ metadata }) => metadata.name).sort()).toEqual([...fluxControllerNames].sort());
  for (const { metadata, spec } of listed.items) {
    const { containers, serviceAccountName, imagePullSecrets } = spec.template.spec;
    expect(serviceAccountName).toBe(metadata.name);
    expect(imagePullSecrets).toEqual([{ name: "pull" }]);
    expect(containers[0]!.image).toMatch(new RegExp(`^ghcr.io/fluxcd/${metadata.name}:v\\d`));
    expect(containers[0]!.args).toContain("--events-addr=");
    expect(containers[0]!.args).not.toContain("--enable-leader-election");
  }

  const can = (account: string, verb: string, resource: string) =>
    plane.kubectl(["auth", "can-i", verb, resource, "--all-namespaces", `--as=system:serviceaccount:flux-system:${account}`]).then(
      (answer) => answer.trim(),
      () => "no",
    );
  expect(await can("kustomize-controller", "create", "clusterroles")).toBe("yes");
  expect(await can("source-controller", "create", "clusterroles")).toBe("no");
  expect(await can("source-controller", "create", "leases.coordination.k8s.io")).toBe("yes");
});
