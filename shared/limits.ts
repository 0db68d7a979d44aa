import { z } from "zod";

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const units: Readonly<Record<string, number>> = {
  ...{ b: 1, kib: KiB, mib: MiB, gib: GiB, tib: 1024 * GiB, ki: KiB, mi: MiB, gi: GiB, ti: 1024 * GiB },
  ...{ kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 },
};

/** What a learner may take of the lab host. Sizes are in bytes. */
export interface Limits {
  /** Of control plane, Flux controllers and node together. */
  readonly memory: number;
  /** Cores, fractions included. */
  readonly cpu: number;
  /** Processes and threads. */
  readonly pids: number;
  /** Instances of inotify(7). */
  readonly inotify: number;
  readonly disk: {
    /** The repository with its history. */
    readonly git: number;
    /** The image paths: blobs and manifests. */
    readonly images: number;
    readonly etcd: number;
    /** Artifacts and working folders of the Flux controllers. */
    readonly flux: number;
    /** A real node: images unpacked, containers, volumes. */
    readonly node: number;
  };
  /** What one push may send. */
  readonly push: number;
  /** The largest file of a commit. */
  readonly file: number;
  /** The largest layer of an image. */
  readonly layer: number;
  /** Branches and tags of the repository. */
  readonly refs: number;
}

/** The defaults, also for labs from before there was the field. */
export const defaultLimits: Limits = {
  // A lab with simulated pods holds 400 MiB, one with real pods 575 (cli/capacity/costs.ts); the rest is for the learner's pods.
  memory: 2 * GiB,
  // Bring-up keeps one core busy, and half a one more lets Flux go on while the API server works.
  cpu: 1.5,
  // A Go program has some 15 threads and a lab 8 of them; a container with its shim takes 20, so this is for 80 of these.
  pids: 2048,
  // kube-apiserver takes 3; 128 is what Linux gives a whole user.
  inotify: 128,
  disk: {
    // The seed is 60 KiB, and a course's work adds some MiB.
    git: 500 * MiB,
    // An image of the app is 3 MiB, so this is for some 300 of them.
    images: GiB,
    // Two preallocated logs of 64 MiB, the database and a snapshot of it.
    etcd: 512 * MiB,
    // Two artifacts of each source: as many copies of what the repository's tip has.
    flux: 256 * MiB,
    // The images that a lab comes with, unpacked, take 300 MiB.
    node: 4 * GiB,
  },
  // Ten times the largest file that a lab on Git has any use for.
  push: 50 * MiB,
  // As much as a program with its debug symbols, committed by mistake.
  file: 25 * MiB,
  // The base image and the Go programs of the app are below 10 MiB each.
  layer: 100 * MiB,
  // Flux has one branch for each environment; a learner with a branch a day needs no more either.
  refs: 200,
};

/** Below these a lab does not come up, or can't be worked with. */
const least: Limits = {
  memory: 512 * MiB,
  cpu: 0.2,
  pids: 256,
  inotify: 16,
  disk: { git: 16 * MiB, images: 64 * MiB, etcd: 192 * MiB, flux: 32 * MiB, node: GiB },
  push: MiB,
  file: 64 * KiB,
  layer: 16 * MiB,
  refs: 16,
};

/** A size with its unit, such as `200MiB`, `1.5GiB` or `4Gi`; `MB` and the like are powers of ten. In bytes. */
function size(smallest: number, otherwise: number) {
  return z
    .unknown()
    .transform((value, context) => {
      const [, amount, unit = ""] = (typeof value === "string" && /^(\d+(?:\.\d+)?) ?([a-z]+)$/i.exec(value)) || [];
      const bytes = Number(amount) * (units[unit.toLowerCase()] ?? Number.NaN);
      const complain = (message: string) => {
        context.addIssue({ code: "custom", message: `is ${JSON.stringify(value)}; it must be ${message}`, input: value });
        return z.NEVER;
      };
      if (!Number.isFinite(bytes)) return complain("a size with its unit, such as 200MiB or 4GiB");
      return bytes < smallest ? complain(`at least ${sizeText(smallest)}, or a lab can't work`) : Math.floor(bytes);
    })
    .prefault(sizeText(otherwise, ""));
}

const atLeast = (smallest: number) => `must be at least ${smallest}, or a lab can't work`;

const [given, min] = [defaultLimits, least];

/** `limits` in the cohort file. */
export const LimitsSpec = z
  .strictObject({
    memory: size(min.memory, given.memory),
    cpu: z.number().min(min.cpu, atLeast(min.cpu)).default(given.cpu),
    pids: z.int().min(min.pids, atLeast(min.pids)).default(given.pids),
    inotify: z.int().min(min.inotify, atLeast(min.inotify)).default(given.inotify),
    disk: z
      .strictObject({
        git: size(min.disk.git, given.disk.git),
        images: size(min.disk.images, given.disk.images),
        etcd: size(min.disk.etcd, given.disk.etcd),
        flux: size(min.disk.flux, given.disk.flux),
        node: size(min.disk.node, given.disk.node),
      })
      .prefault({}),
    push: size(min.push, given.push),
    file: size(min.file, given.file),
    layer: size(min.layer, given.layer),
    refs: z.int().min(min.refs, atLeast(min.refs)).default(given.refs),
  })
  .superRefine(({ file, push, layer, disk }, context) => {
    const within = (field: string, value: number, above: string, most: number) => {
      if (value > most)
        context.addIssue({
          code: "custom",
          path: [field],
          message: `is ${sizeText(value)}, more than the ${sizeText(most)} of \`limits.${above}\`, which would be reached first; lower the one or raise the other`,
        });
    };
    within("file", file, "push", push);
    within("push", push, "disk.git", disk.git);
    within("layer", layer, "disk.images", disk.images);
  });

/** A size as people write it: `1.5 GiB`, `200 MiB`. */
export function sizeText(bytes: number, space = " "): string {
  const [unit, name] = bytes >= GiB ? [GiB, "GiB"] : bytes >= MiB ? [MiB, "MiB"] : bytes >= KiB ? [KiB, "KiB"] : [1, "bytes"];
  return `${Math.round((bytes / unit) * 10) / 10}${space}${name}`;
}

/** Milliseconds after which it is no news any more that a learner hit a limit. */
export const limitNewsMs = 24 * 60 * 60 * 1000;
