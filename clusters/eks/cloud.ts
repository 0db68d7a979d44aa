import { cohortLabel } from "../../shared/names.ts";
import type { ResourcePlugin } from "../../tools/resource-plugin.ts";
import type { Login } from "../cloud/login.ts";
import { pricesOf } from "../cloud/prices.ts";
import type { EksSpec } from "./spec.ts";

export const plugin: ResourcePlugin = { name: "aws", version: "7.48.0" };

export const login: Login = {
  command: "aws sso login",
  program: "aws",
  programHint: "install the AWS CLI, version 2",
  variables: ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
  files: [".aws/credentials", ".aws/config"],
};

export const search = (cohort: string) => `aws resourcegroupstaggingapi get-resources --tag-filters Key=${cohortLabel},Values=${cohort}`;

export const prices = pricesOf<EksSpec>({
  source: "https://aws.amazon.com/eks/pricing, https://aws.amazon.com/ec2/pricing",
  control: 0.1,
  // The NAT gateway with its address.
  foundation: 0.05,
  machine: ({ instanceType }) => instanceType,
  nodes: { "t3.small": 0.0208, "t3.medium": 0.0416, "t3.large": 0.0832 },
  spot: 0.35,
});
