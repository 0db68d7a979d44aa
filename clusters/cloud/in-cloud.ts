import type { ResourcePlugin } from "../../tools/resource-plugin.ts";
import { elsewhere } from "../elsewhere.ts";
import type { ClusterProvider } from "../provider.ts";
import { cloudRemedy } from "./failures.ts";
import type { Login } from "./login.ts";

/** What all clusters in a cloud have in common: nothing on this machine, and steps that Pulumi's plugin tells of by itself. */
export function inCloud(login: Login, plugin: ResourcePlugin) {
  return {
    ...elsewhere,
    purposes: () => [],
    shown: { steps: {}, remedy: cloudRemedy },
    drivers: {},
    things: {},
    upkeep: async () => {
      const { cloudConditions } = await import("./conditions.ts");
      return { conditions: (_plans: readonly unknown[], env?: NodeJS.ProcessEnv) => cloudConditions(login, plugin, env) };
    },
  } satisfies Partial<ClusterProvider>;
}
