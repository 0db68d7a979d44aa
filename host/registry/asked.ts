/** What a request to the registry is about, as the distribution specification has its paths. */
export interface Asked {
  /** `other`: the catalog, or what no registry has. */
  readonly kind: "base" | "manifest" | "blob" | "upload" | "tags" | "referrers" | "other";
  /** Path of the repository, e.g. `ada/backend`; undefined for `base` and `other`. */
  readonly name?: string;
  /** Its first part: whose it is. */
  readonly learner?: string;
  /** Tag or digest, or the id of an upload that was begun. */
  readonly reference?: string;
  /** The repository from which a blob is to be mounted. */
  readonly from?: string;
}

export type OfRepository = Asked & Required<Pick<Asked, "name" | "learner">>;

const part = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const path = new RegExp(`^/v2/(${part}(?:/${part})*)/(manifests|blobs|tags|referrers)/(uploads/[A-Za-z0-9-]*|[A-Za-z0-9_.:+=-]+)$`);
const kinds = { manifests: "manifest", blobs: "blob", tags: "tags", referrers: "referrers" } as const;

/** Reads a request target whose path `isPlain`; undefined for one below no path of the specification. */
export function askedOf(target: string): Asked | undefined {
  const url = new URL(target, "http://registry");
  if (url.pathname === "/v2/" || url.pathname === "/v2") return { kind: "base" };
  // Clients may write the colon of a digest in either way.
  const [, name, what, rest] = path.exec(url.pathname.replaceAll(/%3a/gi, ":")) ?? [];
  if (name === undefined || rest === undefined) return url.pathname === "/v2/_catalog" ? { kind: "other" } : undefined;
  const learner = name.split("/", 1)[0]!;
  const from = url.searchParams.get("from");
  const isUpload = what === "blobs" && rest.startsWith("uploads/");
  if (rest.startsWith("uploads/") && !isUpload) return undefined;
  const reference = isUpload ? rest.slice("uploads/".length) : rest;
  return {
    kind: isUpload ? "upload" : kinds[what as keyof typeof kinds],
    name,
    learner,
    ...(reference !== "" && { reference }),
    ...(from !== null && { from }),
  };
}
