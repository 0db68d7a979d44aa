/* What a lab needs and how it is got; tools/manifest.ts has each with its version. */

export type Arch = "amd64" | "arm64";

/** A file of a release. */
export interface FileRelease {
  readonly url: string;
  /** Hexadecimal, of what the URL serves. */
  readonly sha256: string;
  /** Files to take out of the tar.gz archive; absent when the URL serves the program itself. */
  readonly members?: readonly string[];
}

/** A file in a container image that is published for both architectures. */
export interface ImageRelease {
  /** Registry and repository: `https://ghcr.io/fluxcd/source-controller`. */
  readonly image: string;
  /** `sha256:…` of its index. */
  readonly digest: string;
  /** Path of the program, without the slash at its beginning. */
  readonly file: string;
}

/** Go itself, which is a module of the module proxy too. */
export interface GoToolchain {
  readonly goToolchain: {
    readonly version: string;
    /** `h1:…`, as go.sum would have it. */
    readonly sum: string;
  };
}

export type Download = FileRelease | ImageRelease | GoToolchain;

/** What some cohorts need and others do not, in the words of `./lab doctor`. */
export const purposes = { realPods: "real-nodes", clustersInDocker: "kind", virtualClusters: "shared" } as const;
export type Purpose = (typeof purposes)[keyof typeof purposes];

export interface GoBuild {
  /** Folder below tools/go whose go.mod and go.sum pin every dependency. */
  readonly module: "cluster" | "dns" | "helm" | "kind" | "pulumi" | "pulumi-language-nodejs" | "registry" | "room" | "vcluster";
  /** Import path; with a dot, a program of our own in that module. */
  readonly package: string;
  /** What `-ldflags` gets besides `-s -w`. */
  readonly ldflags?: string;
  /** The package embeds files that its published module lacks: build from a copy of the module that has this one. */
  readonly placeholder?: { readonly module: string; readonly file: string };
}

/** Asks a program for its version; the pattern's first group is the version without `v`. */
export interface VersionProbe {
  readonly args: readonly string[];
  readonly pattern: RegExp;
  /** `go` where the program has no version flag: `go version -m` reads what the compiler recorded in the file. */
  readonly via?: "go";
}

export interface Tool {
  /** Pinned version, without `v`. */
  readonly version: string;
  readonly probe?: VersionProbe;
  /** Whether this version, found on PATH, does as well as the pinned one. */
  readonly fits: (found: string) => boolean;
  /** Taken from the folder of this tool, when it is there. */
  readonly companionOf?: "pulumi";
  /** Installed only for a cohort that asks for it. */
  readonly onlyFor?: Purpose;
  /** Where it is published, the best place first. */
  readonly downloads?: Readonly<Partial<Record<Arch, readonly Download[]>>>;
  /** Absent for what only others can bring. */
  readonly build?: GoBuild;
}

/** Files that are no program. */
export interface Asset {
  readonly version: string;
  readonly module: GoBuild["module"];
  /** Go modules whose `folder` holds the files (`*.yaml`, where it is not taken whole). */
  readonly modules: readonly string[];
  readonly folder: string;
  /** Where modules have files of the same names: each file is named after its module first. */
  readonly prefixed?: true;
  /** All of the folder, and the folders in it. */
  readonly whole?: true;
  /** Installed only for a cohort that asks for it. */
  readonly onlyFor?: Purpose;
}
