import { cohortLabel } from "../../shared/names.ts";
import type { ResourcePlugin } from "../../tools/resource-plugin.ts";
import type { Login } from "../cloud/login.ts";
import { pricesOf } from "../cloud/prices.ts";
import type { GkeSpec } from "./spec.ts";

export const plugin: ResourcePlugin = { name: "gcp", version: "9.37.0" };

export const login: Login = {
  command: "gcloud auth application-default login",
  program: "gke-gcloud-auth-plugin",
  programHint: "gcloud components install gke-gcloud-auth-plugin",
  variables: ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN"],
  files: [".config/gcloud/application_default_credentials.json"],
};

export const search = (cohort: string) => `gcloud asset search-all-resources --query=labels.${cohortLabel}=${cohort}`;

export const prices = pricesOf<GkeSpec>({
  source: "https://cloud.google.com/kubernetes-engine/pricing, https://cloud.google.com/compute/vm-instance-pricing",
  // Google gives one zonal cluster of an account for nothing, which is not counted.
  control: 0.1,
  // The NAT gateway with its address.
  foundation: 0.006,
  machine: ({ machineType }) => machineType,
  nodes: { "e2-small": 0.0168, "e2-medium": 0.0335, "e2-standard-2": 0.067, "e2-standard-4": 0.134 },
  spot: 0.35,
});
