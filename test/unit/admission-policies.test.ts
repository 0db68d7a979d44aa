import { expect, test } from "vitest";
import { realNodePolicies } from "../../clusters/embedded/control-plane/admission.ts";
import { manifests } from "../../clusters/embedded/control-plane/policies/policy.ts";

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

const all = realNodePolicies.flatMap(manifests) as readonly Manifest[];
const keysOf = (kind: string) => [...new Set(all.filter((one) => one.kind === kind).flatMap(({ spec }) => Object.keys(spec)))].sort();

test("no policy has a condition, a selector or an exemption by which it would not hold", () => {
  expect(keysOf("ValidatingAdmissionPolicy")).toEqual(["failurePolicy", "matchConstraints", "validations", "variables"]);
  expect(keysOf("ValidatingAdmissionPolicyBinding")).toEqual(["policyName", "validationActions"]);
  for (const { spec } of all) {
    if ("matchConstraints" in spec) expect(Object.keys(spec["matchConstraints"] as object)).toEqual(["resourceRules"]);
    expect(spec["failurePolicy"] ?? "Fail").toBe("Fail");
    expect(spec["validationActions"] ?? ["Deny"]).toEqual(["Deny"]);
  }
});

test("every policy has a name of its own, without which an API server does not start", () => {
  const names = realNodePolicies.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
