import type { WriteBudget } from "../../git-hosts/git-host.ts";
import { gitHost } from "../../git-hosts/hosts.ts";
import { imageRegistry } from "../../registries/registries.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import type { PluginChoice } from "../../tools/plugin-choice.ts";

/** What a whole cohort writes to its Git host, and how long that takes at its pace; undefined where nobody counts. */
export function writesOf(
  { git, registry, learners }: Pick<CohortPlan, "git" | "registry" | "learners">,
  plugin?: Pick<PluginChoice, "implementation">,
): WriteBudget | undefined {
  return gitHost(git.kind).budget?.(
    git,
    { learners: learners.length, registrySecrets: !imageRegistry(registry.kind).takesJobToken },
    plugin,
  );
}
