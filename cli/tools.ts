import { clusterProvider } from "../clusters/providers.ts";
import { gitHost } from "../git-hosts/hosts.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { setupTools } from "../tools/install.ts";
import type { Purpose } from "../tools/tool.ts";
import { progressLines, type Step } from "../tools/progress.ts";
import { installResourcePlugin } from "../tools/resource-plugin.ts";

/**
 * Installs whatever tool is missing. Says nothing when all are there.
 *
 * @param onProgress who shows how it goes; lines on standard error where it is not given
 */
export async function installTools(plan?: CohortPlan, onProgress?: (step: Step) => void): Promise<void> {
  if (onProgress !== undefined) return install(plan, onProgress);
  const lines = progressLines(process.stderr);
  try {
    await install(plan, lines.show);
  } finally {
    lines.close();
  }
}

async function install(plan: CohortPlan | undefined, onProgress: (step: Step) => void): Promise<void> {
  await setupTools({
    onProgress,
    purposes: purposesOf(plan),
    plugins: ["kubernetes", ...(plan === undefined ? [] : gitHost(plan.git.kind).standIns)],
  });
  const kinds = [...new Set(plan?.learners.map(({ cluster }) => cluster.kind))].map(clusterProvider);
  const clouds = kinds.flatMap(({ kind, cloud }) => (cloud === undefined ? [] : [{ kind, plugin: cloud.plugin }]));
  for (const [i, { kind, plugin }] of clouds.entries()) {
    const { name, version } = plugin;
    await installResourcePlugin(plugin, `clusters of kind ${kind}`, (activity) =>
      onProgress({ index: i + 1, total: clouds.length, what: `Pulumi's plugin ${name} ${version}`, activity }),
    );
  }
}

/** What a cohort needs besides what every one does. */
function purposesOf(plan: CohortPlan | undefined): ReadonlySet<Purpose> {
  return new Set(plan?.learners.flatMap(({ cluster }) => clusterProvider(cluster.kind).purposes(cluster)));
}
