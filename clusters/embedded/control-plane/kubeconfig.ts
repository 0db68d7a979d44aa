import { stringify } from "yaml";
import type { KeyPair } from "../../../host/certificates.ts";

/**
 * A kubeconfig with everything inside, so that it works wherever it is copied.
 *
 * @param serverName the name in the server's certificate, where that does not have the address
 */
export function kubeconfig(cluster: string, server: string, ca: string, user: string, pair: KeyPair, serverName?: string): string {
  const base64 = (pem: string) => Buffer.from(pem).toString("base64");
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: cluster,
          cluster: { server, ...(serverName !== undefined && { "tls-server-name": serverName }), "certificate-authority-data": base64(ca) },
        },
      ],
      users: [{ name: user, user: { "client-certificate-data": base64(pair.certificate), "client-key-data": base64(pair.key) } }],
      contexts: [{ name: cluster, context: { cluster, user } }],
      "current-context": cluster,
    },
    { lineWidth: 0 },
  );
}
