import type { Environment } from "../../shared/names.ts";
import { desiredImage } from "../../verification/desired-image.ts";
import type { ImageReference } from "../../verification/image-reference.ts";
import { excerpt, printable } from "../../shared/printable.ts";
import { textFault } from "../../shared/person-text.ts";
import { seedRef } from "../git/repository.ts";
import { fluxFolder } from "./flux-tree.ts";
import { imageTroubles, type Trouble } from "./judge-images.ts";
import { wiringTroubles } from "./judge-wiring.ts";
import type { Lab } from "./lab.ts";
import type { RenderedKustomization } from "./rendered.ts";

/**
 * What Flux would apply after a push, against what promotion lets it: what runs in the environments that are promoted to is
 * what their overlays name, and Flux takes it from where the seed says. What an earlier push left wrong is no reason to refuse
 * this one, but a push after which nobody can tell what Flux applies is.
 */
export async function refuseFlux(before: string, after: string, lab: Lab): Promise<string[]> {
  const [old, next] = await Promise.all([lab.flux.id(before), lab.flux.id(after)]);
  if (old === next) return [];
  const tree = await lab.render(after);
  if ("problem" in tree)
    return [
      (await misencoded(before, after, lab)) ??
        `What Flux would apply could not be judged. ${tree.problem} Look with \`kubectl kustomize <folder>\`.`,
    ];
  const blind = tree.kustomizations.flatMap((one) => (one.unjudged === undefined ? [] : [unjudged(one, one.unjudged)]));
  if (blind.length > 0) return blind;

  const troubles = await troublesOf(tree.kustomizations, after, lab);
  if (troubles.length === 0) return [];
  const earlier = await lab.render(before);
  const known = "problem" in earlier ? [] : await troublesOf(earlier.kustomizations, before, lab);
  const added = troubles.filter(({ key }) => !known.some((trouble) => trouble.key === key));
  if (added.length === 0) return [];
  const files = await lab.flux.changed(before, after);
  // One change may touch many objects.
  const told = [...new Set(added.map(({ says }) => says))].slice(0, maxTold);
  return told.map((says) => `${says} This push changes ${listed(files)}.`);
}

const maxTold = 4;

/** The cause of what kustomize says in words of its own: a file of the push that is no UTF-8. */
async function misencoded(before: string, after: string, lab: Lab): Promise<string | undefined> {
  for (const file of (await lab.flux.changed(before, after)).slice(0, 50)) {
    const encoding = textFault((await lab.repository.readFile(after, file).catch(() => undefined)) ?? "");
    if (encoding !== undefined) return `${excerpt(file)} ${encoding}.`;
  }
  return undefined;
}

function unjudged({ namespace, name, file }: RenderedKustomization, why: string): string {
  const where = file === "" ? "" : ` (${printable(file)})`;
  return `What Flux would apply could not be judged: Kustomization ${printable(`${namespace}/${name}`)}${where} ${printable(why)}. Flux applies the folders of this repository, as they are.`;
}

async function troublesOf(kustomizations: readonly RenderedKustomization[], commit: string, lab: Lab): Promise<Trouble[]> {
  const guarded = lab.environments.slice(1);
  const wanted = new Map<Environment, ImageReference | undefined>(
    await Promise.all(
      guarded.map(
        async (environment) => [environment, await desiredImage(lab.repository, commit, environment, lab.registry.repository)] as const,
      ),
    ),
  );
  const seed = await lab.render(seedRef);
  if ("problem" in seed) throw new Error(`the seed could not be rendered: ${seed.problem}`);
  const rules = { environments: guarded, branch: await lab.repository.branch() };
  return [...imageTroubles(kustomizations, wanted), ...wiringTroubles(kustomizations, seed.kustomizations, rules)];
}

function listed(files: readonly string[]): string {
  const shown = files.slice(0, 5).map((file) => excerpt(file));
  const more = files.length - shown.length;
  return shown.length === 0 ? `${fluxFolder}/` : `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
