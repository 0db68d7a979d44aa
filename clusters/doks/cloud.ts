import { cohortLabel } from "../../shared/names.ts";
import type { ResourcePlugin } from "../../tools/resource-plugin.ts";
import type { Login } from "../cloud/login.ts";
import { pricesOf } from "../cloud/prices.ts";
import type { DoksSpec } from "./spec.ts";

export const plugin: ResourcePlugin = { name: "digitalocean", version: "4.80.1" };

export const login: Login = {
  command: "export DIGITALOCEAN_TOKEN=... (an API token with read and write)",
  program: "doctl",
  programHint: "install doctl",
  // The first is read by the plugin, which knows no file.
  variables: ["DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"],
  files: [],
};

export const search = (cohort: string) => `doctl compute tag get ${cohortLabel}:${cohort}`;

export const prices = pricesOf<DoksSpec>({
  source: "https://www.digitalocean.com/pricing/kubernetes",
  control: 0,
  foundation: 0,
  machine: ({ size }) => size,
  nodes: { "s-2vcpu-2gb": 0.0268, "s-2vcpu-4gb": 0.0357, "s-4vcpu-8gb": 0.0714 },
});
