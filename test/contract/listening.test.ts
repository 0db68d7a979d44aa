import { createServer, type Server } from "node:net";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { processStatus, removeProcesses } from "../../host/processes/client.ts";
import { clients } from "../../clusters/embedded/control-plane/pki.ts";
import { embeddedCluster } from "../../clusters/embedded/cluster.ts";
import { fluxControllers } from "../../clusters/embedded/flux-controllers.ts";
import { fluxDefinitions } from "../../host/drivers/flux-definitions.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { labHost } from "../../host/drivers/lab-host.ts";
import { readInventory } from "../../ledger/inventory.ts";
import { leasePorts, portsOf } from "../../ledger/ports.ts";
import { connect } from "../../shared/kube-api.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { fluxRelease } from "../../tools/manifest.ts";
import { useLabHome } from "../support/lab-home.ts";
import { cohortPaths } from "../../shared/paths.ts";

/** A program that is not the lab's takes a port between its lease and the lab's first listening. */
useLabHome();
const ports = { from: 31300, to: 31399 };
const cohort = "taken";
const servers: Server[] = [];

async function occupy(port: number): Promise<void> {
  const server = createServer((caller) => caller.destroy());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
}

const letGo = () => Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
afterEach(letGo);
afterAll(() => removeCohortFromHost(cohortPaths(cohort), sweepClusters), 60_000);

const leases = async () => (await portsOf(cohort)) as Record<string, number | undefined>;
const ada = { cohort, learner: "ada", ports, isolation: "room" as const };

/** What is said of a port that this process has. */
const taken = (port: number, lease: string, then: string) => ({
  code: "port-in-use",
  message: expect.stringMatching(
    new RegExp(`^Port ${port}, which ${cohort}/${lease} has leased, .* process ${process.pid} \\(.*\\) .*${then}`),
  ),
});
const another = "run `./lab up taken` again, which takes another";

describe("a port that somebody else has", () => {
  test.each(["http", "registry"])(
    "is told at once and given back while nobody has the address: the host's, %s",
    { timeout: 60_000 },
    async (name) => {
      const port = (await leasePorts(`${cohort}/host`, ["http", "registry"], ports))[name as "http"];
      await occupy(port);
      const started = Date.now();
      await expect(labHost(sweepClusters).ensure({ cohort, ports })).rejects.toMatchObject(taken(port, `host/${name}`, another));
      expect(Date.now() - started).toBeLessThan(12_000);
      expect(await leases()).toEqual({});
      expect((await readInventory(cohort)).map(({ kind, id }) => `${kind} ${id}`)).not.toContain(`port ${port}`);
      await labHost(sweepClusters).ensure({ cohort, ports });
      expect((await leases())[`${cohort}/host/${name}`]).not.toBe(port);
      await removeCohortFromHost(cohortPaths(cohort), sweepClusters);
    },
  );

  test("an API server's is given back before the cluster is handed over, and kept afterwards", { timeout: 90_000 }, async () => {
    await labHost(sweepClusters).ensure({ cohort, ports });
    const { api } = await leasePorts(`${cohort}/ada`, ["api"], ports);
    await occupy(api);
    await expect(embeddedCluster.ensure(ada)).rejects.toMatchObject(taken(api, "ada/api", another));
    expect((await processStatus(cohortPaths(cohort))).map(({ name }) => name)).toEqual(["registry", "web"]);
    const { output } = await embeddedCluster.ensure(ada);
    const now = (await leases())[`${cohort}/ada/api`]!;
    expect(now).not.toBe(api);
    expect(output.apiServer).toBe(`https://127.0.0.1:${now}`);

    await removeProcesses(cohortPaths(cohort), "ada", "SIGKILL");
    await occupy(now);
    await expect(embeddedCluster.ensure(ada)).rejects.toMatchObject(
      taken(now, "ada/api", `kept. End that program \\(.kill ${process.pid}.\\)`),
    );
    await expect(labHost(sweepClusters).ensure({ cohort, ports })).resolves.toBeDefined();
    await letGo();
    expect((await embeddedCluster.ensure(ada)).output).toEqual(output);
  });

  test("source-controller's, which no learner knows, is given back at any time", { timeout: 90_000 }, async () => {
    // In a room it has no port that anybody else could take.
    const bare = { ...ada, isolation: "none" as const };
    const { adminKubeconfig: kubeconfig, clusterId } = (await embeddedCluster.ensure(bare)).output;
    await fluxDefinitions.ensure({ learner: "ada", clusterId, kubeconfig, version: fluxRelease });
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "flux" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: clients.flux.user }],
    };
    const api = connect(kubeconfig);
    await api.send({ method: "POST", path: `/apis/${binding.apiVersion}/clusterrolebindings`, body: binding });
    await api.send({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: fluxNamespace } } });
    await fluxControllers.ensure({ ...bare, follows: [], clusterId, version: fluxRelease });
    await removeProcesses(cohortPaths(cohort), "ada", "SIGKILL");
    await embeddedCluster.ensure(bare);
    const source = (await leases())[`${cohort}/ada/source`]!;
    await occupy(source);
    await expect(fluxControllers.ensure({ ...bare, follows: [], clusterId, version: fluxRelease })).rejects.toMatchObject(
      taken(source, "ada/source", another),
    );
    await fluxControllers.ensure({ ...bare, follows: [], clusterId, version: fluxRelease });
    expect((await leases())[`${cohort}/ada/source`]).not.toBe(source);
  });
});
