import { connect } from "../../shared/kube-api.ts";

/*
 * A learner who floods the own API server: `node flood.ts <kubeconfig> <connections>`. Each connection writes ConfigMaps of half a
 * MiB, reads all of them, and deletes some. Says on its end, by SIGTERM, how many requests were answered and how many refused.
 */
const [, , kubeconfig = "", connections = "16"] = process.argv;
const counts = { answered: 0, refused: 0 };
const maps = "/api/v1/namespaces/develop/configmaps";
const filling = "x".repeat(512 * 1024);

async function ask(method: "GET" | "POST" | "DELETE", path: string, body?: Record<string, unknown>): Promise<void> {
  try {
    await api.send({ method, path, ...(body && { body: body as never }) });
    counts.answered += 1;
  } catch {
    counts.refused += 1;
  }
}

const api = connect(kubeconfig);
process.on("SIGTERM", () => {
  process.stdout.write(`${JSON.stringify(counts)}\n`);
  process.exit(0);
});
await Promise.all(
  Array.from({ length: Number(connections) }, async (_, connection) => {
    for (let number = 0; ; number += 1) {
      const name = `flood-${connection}-${number}`;
      await ask("POST", maps, { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { filling } });
      // With all of them there the API server answers with hundreds of MiB.
      if (number % 4 === 0) await ask("GET", maps);
      if (number % 2 === 0) await ask("DELETE", `${maps}/${name}`);
    }
  }),
);
