/** An image beside the app's whose tags are traps for a policy; exercise policy-analysis tries what falls into them. */
export const policyLab = {
  image: "policy-lab",
  namespace: "policy-lab",
  tags: [
    "develop-v0.4.0-5eed001-1790000700",
    "staging-v0.3.0-5eed002-1790000600",
    "production-v0.2.0-5eed003-1790000100",
    // Made in 2001, when the time had nine digits.
    "production-v0.1.0-5eed004-999999999",
    "production-v0.3.0-5eed005-1790000900-debug",
    "not-for-production-v0.3.0-5eed006-1790000800",
    "production-latest",
  ],
  /** Names of the ImagePolicies in `files/repository/flux/policy-lab/`. */
  variants: ["chapter", "no-end", "no-start", "any-family", "two-families", "optional-middle", "uneven-digits", "hyphen-extract"],
} as const;
