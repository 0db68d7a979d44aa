import type { Environment } from "../../shared/names.ts";
import { backendName } from "../../verification/backend-deployment.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { formatImage, type ImageReference } from "../../verification/image-reference.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { printable } from "../../shared/printable.ts";
import type { RenderedKustomization, RenderedObject } from "./rendered.ts";

/** Something that Flux would apply and must not. */
export interface Trouble {
  /** The same for the same trouble of another commit. */
  readonly key: string;
  /** A sentence. */
  readonly says: string;
}

/** Kinds that change what others apply, when it is applied. */
const mutators = ["MutatingWebhookConfiguration", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"];

/**
 * Where something would run in an environment that its overlay does not name, and where the overlay's image would not run.
 *
 * @param wanted what each environment's overlay names
 */
export function imageTroubles(
  kustomizations: readonly RenderedKustomization[],
  wanted: ReadonlyMap<Environment, ImageReference | undefined>,
): Trouble[] {
  const applied = kustomizations.flatMap((by) => by.objects.map((object) => ({ by, object })));
  const strange = applied.flatMap(({ by, object }) => strangeImages(by, object, wanted));
  return [
    ...strange,
    ...[...wanted].flatMap(([environment, image]) => {
      const expected = image && formatImage(image);
      const backends = applied.filter(
        ({ object: { kind, name, namespace } }) => kind === "Deployment" && name === backendName && namespace === environment,
      );
      const runs = backends.some(({ object }) => object.images.some((one) => one.image === expected));
      // One that runs another image is told already.
      if (runs || strange.some(({ of }) => backends.some(({ object }) => object === of))) return [];
      const says = `Flux would apply no Deployment ${environment}/${backendName} with the image that ${overlayPath(environment)} names.`;
      return [{ key: `missing ${environment} ${expected}`, says }];
    }),
    ...applied.flatMap(({ object }) => {
      const { kind, name, file } = object;
      if (!mutators.includes(kind)) return [];
      const says = `${printable(`${kind} ${name}`)}${from(file)} changes what is applied after Flux has read it from Git, so Git would no longer say what runs.`;
      return [{ key: `mutator ${kind} ${name}`, says }];
    }),
  ];
}

function strangeImages(
  by: RenderedKustomization,
  object: RenderedObject,
  wanted: ReadonlyMap<Environment, ImageReference | undefined>,
): (Trouble & { readonly of: RenderedObject })[] {
  const { kind, namespace, name, file, images } = object;
  const environment = namespace as Environment;
  if (!wanted.has(environment)) return [];
  const named = wanted.get(environment);
  const expected = named && formatImage(named);
  return images.flatMap(({ at, image }) => {
    if (image === expected) return [];
    const what = printable(`${kind} ${namespace}/${name}`);
    return [
      {
        of: object,
        key: `image ${kind} ${namespace}/${name} ${at} ${image}`,
        says:
          `${what}${from(file)} would run ${printable(image)} (${printable(at)}), and ${overlayPath(environment)} names ${expected ?? "no image"}. ` +
          `Kustomization ${printable(`${by.namespace}/${by.name}`)} applies that; an image reaches ${environment} by ${recordPath(environment)} alone.`,
      },
    ];
  });
}

/** The file that an object comes from; kustomize may have changed it by what other files say. */
export function from(file: string): string {
  return file === "" ? "" : ` (${printable(file)})`;
}
