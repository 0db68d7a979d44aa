import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { stringify } from "yaml";
import { makePrivateFolder, writePrivateFile } from "../../../shared/private-files.ts";
import { nodeAddress, podNetwork, serviceNetwork } from "./networks.ts";
import { namespaces, nodeProxy, persistentVolumes } from "./policies/cluster.ts";
import { addresses, callbacks } from "./policies/dialing.ts";
import { podAnnotations, pods } from "./policies/pods.ts";
import { manifests, type Policy } from "./policies/policy.ts";

const policiesFile = "policies.yaml";

/**
 * Writes what a learner's API server admits, and returns the file for `--admission-control-config-file`. Learners
 * own a repository that Flux applies as cluster-admin, so what the API could change would not hold: the policies are in a
 * file (KEP-5793), which no API request can alter, and look at the objects themselves, not at labels. An API server that
 * runs takes a changed file in within a minute.
 *
 * @param seenAs where the API server finds the folder
 */
export async function writeAdmission(
  folder: string,
  { policies = realNodePolicies, seenAs = folder }: { readonly policies?: readonly Policy[]; readonly seenAs?: string } = {},
): Promise<string> {
  const manifestsFolder = join(folder, "policies");
  await makePrivateFolder(manifestsFolder);
  // One file, so that no API server ever reads a part of them.
  await writePrivateFile(
    join(manifestsFolder, policiesFile),
    policies
      .flatMap(manifests)
      .map((manifest) => stringify(manifest, { lineWidth: 0 }))
      .join("---\n"),
  );
  for (const name of await readdir(manifestsFolder)) if (name !== policiesFile) await rm(join(manifestsFolder, name));
  const file = join(folder, "admission.yaml");
  await writePrivateFile(
    file,
    stringify({
      apiVersion: "apiserver.config.k8s.io/v1",
      kind: "AdmissionConfiguration",
      plugins: [
        {
          name: "PodSecurity",
          configuration: {
            apiVersion: "pod-security.admission.config.k8s.io/v1",
            kind: "PodSecurityConfiguration",
            // For namespaces that say nothing. It tells more than the policies do, and is weaker: labels change it.
            defaults: { enforce: "baseline", "enforce-version": "latest" },
          },
        },
        {
          name: "ValidatingAdmissionPolicy",
          configuration: {
            apiVersion: "apiserver.config.k8s.io/v1",
            kind: "ValidatingAdmissionPolicyConfiguration",
            staticManifestsDir: join(seenAs, basename(manifestsFolder)),
          },
        },
      ],
    }),
  );
  return file;
}

/** What holds whatever plays the node: nothing that a later node would run, and nobody who answers in the API server's place. */
export const commonPolicies: readonly Policy[] = [pods, podAnnotations, namespaces, persistentVolumes, nodeProxy, ...callbacks];

/** With a real node it is known as well where everything is. */
export const realNodePolicies: readonly Policy[] = [
  ...commonPolicies,
  ...addresses({ pods: podNetwork, services: serviceNetwork, node: nodeAddress }),
];

/**
 * Writes how an API server reaches a real node, and returns the file for `--egress-selector-config-file`.
 *
 * @param socket Unix socket that answers HTTP's CONNECT, relative to the API server's folder
 */
export async function writeEgress(folder: string, socket: string): Promise<string> {
  const file = join(folder, "egress.yaml");
  const connection = { proxyProtocol: "HTTPConnect", transport: { uds: { udsName: socket } } };
  await writePrivateFile(
    file,
    stringify({
      apiVersion: "apiserver.k8s.io/v1beta1",
      kind: "EgressSelectorConfiguration",
      egressSelections: [{ name: "cluster", connection }],
    }),
  );
  return file;
}
