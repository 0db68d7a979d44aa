/** What of an API server's requests a policy looks at: resources of one API group, `pods/resize` for a subresource. */
export interface Matched {
  /** Empty for the core group. */
  readonly group?: string;
  readonly resources: readonly string[];
}

/** What must be true (CEL), and what is told when it is refused. */
export interface Rule {
  readonly holds: string;
  readonly told: string;
}

export interface Policy {
  /** A word; the policy's name in refusals begins with it. */
  readonly name: string;
  readonly matched: readonly Matched[];
  /** Where not given: every CREATE and UPDATE, which is also what patch, server-side apply and a dry run are. */
  readonly operations?: readonly ("CREATE" | "UPDATE" | "CONNECT")[];
  /** CEL; each may use those before it as `variables.<name>`. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly rules: readonly Rule[];
}

/** The suffix is reserved for policies in files: nobody makes, changes or deletes one by the API. */
const suffix = "static.k8s.io";

/**
 * The policy and its binding as manifests. There is no selector, condition or exemption in them: they hold for every
 * namespace and everybody, the API server's own requests and the group system:masters included, and what can't be
 * evaluated is refused.
 */
export function manifests({ name, matched, operations = ["CREATE", "UPDATE"], variables = {}, rules }: Policy): readonly object[] {
  const apiVersion = "admissionregistration.k8s.io/v1";
  const metadata = { name: `${name}.${suffix}` };
  return [
    {
      apiVersion,
      kind: "ValidatingAdmissionPolicy",
      metadata,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: matched.map(({ group = "", resources }) => ({ apiGroups: [group], apiVersions: ["*"], operations, resources })),
        },
        variables: Object.entries(variables).map(([variable, expression]) => ({ name: variable, expression })),
        validations: rules.map(({ holds, told }) => ({ expression: holds, message: told, reason: "Forbidden" })),
      },
    },
    {
      apiVersion,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata,
      spec: { policyName: metadata.name, validationActions: ["Deny"] },
    },
  ];
}

/** A list of words as CEL has it. */
export const words = (list: readonly string[]) => `[${list.map((word) => `'${word}'`).join(", ")}]`;
