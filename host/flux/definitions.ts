import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { assetPath } from "../../tools/locate.ts";

const CustomResourceDefinition = z.looseObject({
  apiVersion: z.literal("apiextensions.k8s.io/v1"),
  kind: z.literal("CustomResourceDefinition"),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    group: z.string(),
    names: z.looseObject({ plural: z.string() }),
    versions: z.array(z.looseObject({ name: z.string(), storage: z.boolean() })),
  }),
});
export type CustomResourceDefinition = z.output<typeof CustomResourceDefinition>;

/** API path of a definition's resources, in the version that is stored. */
export function resourcesPath({ spec: { group, names, versions } }: CustomResourceDefinition): string {
  return `/apis/${group}/${versions.find(({ storage }) => storage)?.name}/${names.plural}`;
}

/** The CRDs of the pinned Flux controllers, as their modules ship them. */
export async function readFluxDefinitions(): Promise<CustomResourceDefinition[]> {
  const folder = await assetPath("flux-crds");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml")).sort();
  return Promise.all(files.map(async (file) => CustomResourceDefinition.parse(parse(await readFile(join(folder, file), "utf8")))));
}
