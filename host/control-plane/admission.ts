import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { writePrivateFile } from "../../shared/private-files.ts";

/**
 * Writes what an API server with a real node admits, and returns the file for `--admission-control-config-file`: no pod
 * below the Pod Security Standard "baseline" (no hostPath, host namespaces, privileges, added capabilities), wherever it
 * comes from. Learners own a repository that Flux applies as cluster-admin, so what the API could change would not hold:
 * the policy is a file (KEP-5793), which no API request can alter.
 */
export async function writeAdmission(folder: string): Promise<string> {
  const manifests = join(folder, "policies");
  await mkdir(manifests, { recursive: true, mode: 0o700 });
  await writePrivateFile(join(manifests, "pod-security.yaml"), policies.map((policy) => stringify(policy, { lineWidth: 0 })).join("---\n"));
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
            // For namespaces that say nothing.
            defaults: { enforce: "baseline", "enforce-version": "latest" },
          },
        },
        {
          name: "ValidatingAdmissionPolicy",
          configuration: {
            apiVersion: "apiserver.config.k8s.io/v1",
            kind: "ValidatingAdmissionPolicyConfiguration",
            staticManifestsDir: manifests,
          },
        },
      ],
    }),
  );
  return file;
}

/** The suffix is reserved for policies in files. */
const name = "pod-security.static.k8s.io";

const policies = [
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: {
        resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["namespaces"] }],
      },
      validations: [
        {
          expression: "object.metadata.?labels[?'pod-security.kubernetes.io/enforce'].orValue('baseline') in ['baseline', 'restricted']",
          message: "In this lab a namespace enforces the Pod Security Standard baseline or restricted.",
        },
      ],
    },
  },
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name },
    spec: { policyName: name, validationActions: ["Deny"] },
  },
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
