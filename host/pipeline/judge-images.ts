import type { Environment } from "../../shared/names.ts";
import { backendName } from "../../verification/backend-deployment.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { formatImage, type ImageReference } from "../../verification/image-reference.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { printable } from "../../verification/render.ts";
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
  return [
    ...applied.flatMap(({ by, object }) => strangeImages(by, object, wanted)),
    ...[...wanted].flatMap(([environment, image]) => {
      const expected = image && formatImage(image);
      const runs = applied.some(
        ({ object: { kind, name, namespace, images } }) =>
          kind === "Deployment" && name === backendName && namespace === environment && images.some((one) => one.image === expected),
      );
      if (runs) return [];
      const key = `missing ${environment} ${expected}`;
      return [
        {
          key,
          says: `Flux would apply no Deployment ${environment}/${backendName} with the image that ${overlayPath(environment)} names.`,
        },
      ];
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
  { kind, namespace, name, file, images }: RenderedObject,
  wanted: ReadonlyMap<Environment, ImageReference | undefined>,
): Trouble[] {
  const environment = namespace as Environment;
  if (!wanted.has(environment)) return [];
  const named = wanted.get(environment);
  const expected = named && formatImage(named);
  return images.flatMap(({ at, image }) => {
    if (image === expected) return [];
    const what = printable(`${kind} ${namespace}/${name}`);
    return [
      {
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
