import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfExists } from "../shared/private-files.ts";
import { renderHtml } from "../verification/bundle/render-html.ts";
import { EvidenceBundle } from "../verification/bundle/schema.ts";
import { dashboardFolder } from "./access.ts";
import type { BundleFacts } from "./facts.ts";

/** The folder of a learner's bundles that were made by the dashboard. */
const bundlesFolder = (cohort: string, learner: string) => join(dashboardFolder(cohort), "evidence", learner);

/** A folder for a bundle that is made now, named by the time to the second. */
export function newBundleFolder(cohort: string, learner: string): string {
  return join(bundlesFolder(cohort, learner), new Date().toISOString().replace(/[-:]|\.\d+/g, ""));
}

/** The bundles that the dashboard has made of a learner, the newest first. */
export async function bundlesOf(cohort: string, learner: string): Promise<readonly BundleFacts[]> {
  const folder = bundlesFolder(cohort, learner);
  const names = await readdir(folder).catch(() => []);
  const bundles = await Promise.all(names.map(async (name) => ({ name, bundle: await readBundle(join(folder, name)) })));
  return bundles
    .flatMap(({ name, bundle }) => (bundle === undefined ? [] : [{ name, createdAt: bundle.createdAt, verdict: bundle.verdict }]))
    .toSorted((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt));
}

/** The page of one of a learner's bundles; undefined where there is none by this name. */
export async function bundlePageOf(cohort: string, learner: string, name: string): Promise<string | undefined> {
  // The name must be one of the list, so that no path can leave the folder.
  const known = (await bundlesOf(cohort, learner)).some((bundle) => bundle.name === name);
  const bundle = known ? await readBundle(join(bundlesFolder(cohort, learner), name)) : undefined;
  return bundle && renderHtml(bundle);
}

async function readBundle(folder: string): Promise<EvidenceBundle | undefined> {
  const text = await readIfExists(join(folder, "evidence.json")).catch(() => undefined);
  if (text === undefined) return undefined;
  return EvidenceBundle.safeParse(JSON.parse(text)).data;
}
