import { createHash } from "node:crypto";
import { z } from "zod";
import { moduleSums, requiredModules } from "./module-pin.ts";

/*
 * What a release is made of beside its own code, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). Both package
 * managers have written it down already: npm in package-lock.json, Go in go.mod and go.sum.
 */

interface Hash {
  readonly alg: "SHA-512" | "SHA-1";
  readonly content: string;
}

export interface Component {
  readonly type: "library" | "application";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  /** `excluded` is what only tests and style checks need, `optional` what npm leaves out on other systems. */
  readonly scope?: "required" | "optional" | "excluded";
  readonly purl?: string;
  readonly hashes?: readonly Hash[];
  readonly licenses?: readonly ({ readonly license: { readonly id: string } } | { readonly expression: string })[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

export interface Sbom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: { readonly timestamp: string; readonly component: Component };
  readonly components: readonly Component[];
}

/** The files of one family of Go programs. */
export interface GoFiles {
  /** As the folder below tools/go is called. */
  readonly family: string;
  readonly goMod: string;
  readonly goSum: string;
}

export interface SbomInput {
  readonly version: string;
  readonly time: Date;
  /** Content of package-lock.json, version 3. */
  readonly packageLock: string;
  readonly goFiles: readonly GoFiles[];
  /** The `lab` script, which pins Node.js and npm. */
  readonly wrapper: string;
}

/** The same input gives the same document, its serial number included. Throws for a lock file of another form. */
export function makeSbom({ version, time, packageLock, goFiles, wrapper }: SbomInput): Sbom {
  const components = [...npmComponents(packageLock), ...goComponents(goFiles), ...wrapperPrograms(wrapper)].sort((one, other) =>
    one["bom-ref"] < other["bom-ref"] ? -1 : 1,
  );
  const component: Component = {
    type: "application",
    "bom-ref": `gitops-lab@${version}`,
    name: "gitops-lab",
    version,
    licenses: [{ license: { id: "Apache-2.0" } }],
  };
  const metadata = { timestamp: time.toISOString().replace(/\.\d+Z$/, "Z"), component };
  return { bomFormat: "CycloneDX", specVersion: "1.6", serialNumber: serialOf({ metadata, components }), version: 1, metadata, components };
}

const Package = z.object({
  name: z.string().optional(),
  version: z.string(),
  integrity: z.string().optional(),
  license: z.string().optional(),
  dev: z.boolean().default(false),
  devOptional: z.boolean().default(false),
  optional: z.boolean().default(false),
});
const PackageLock = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), z.unknown()) });

/** One for each package and version, however many folders it is in. */
export function npmComponents(packageLock: string): Component[] {
  const found = new Map<string, Component>();
  for (const [path, entry] of Object.entries(PackageLock.parse(JSON.parse(packageLock)).packages)) {
    if (path === "") continue;
    const { name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length), ...one } = Package.parse(entry);
    const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${one.version}`;
    const scope = one.dev ? "excluded" : one.optional || one.devOptional ? "optional" : "required";
    const before = found.get(purl)?.scope;
    found.set(purl, {
      type: "library",
      "bom-ref": purl,
      name,
      version: one.version,
      scope: before === undefined ? scope : nearer(before, scope),
      purl,
      ...(one.integrity !== undefined && { hashes: hashesOf(one.integrity) }),
      ...(one.license !== undefined && { licenses: [licenseOf(one.license)] }),
    });
  }
  return [...found.values()];
}

/** Of two uses of one package the one that counts. */
function nearer(one: NonNullable<Component["scope"]>, other: NonNullable<Component["scope"]>): NonNullable<Component["scope"]> {
  const order = ["required", "optional", "excluded"] as const;
  return order[Math.min(order.indexOf(one), order.indexOf(other))] ?? "required";
}

/** An integrity of npm's, `sha512-<base64>`, one or several. */
function hashesOf(integrity: string): Hash[] {
  return integrity.split(" ").map((one) => {
    const [algorithm = "", base64 = ""] = [one.slice(0, one.indexOf("-")), one.slice(one.indexOf("-") + 1)];
    const alg = ({ sha512: "SHA-512", sha1: "SHA-1" } as const)[algorithm];
    if (alg === undefined) throw new Error(`package-lock.json has an integrity of an unknown kind: ${one}`);
    return { alg, content: Buffer.from(base64, "base64").toString("hex") };
  });
}

function licenseOf(text: string): NonNullable<Component["licenses"]>[number] {
  return / /.test(text) ? { expression: text } : { license: { id: text } };
}

/**
 * The modules that a go.mod names, which since Go 1.17 are all that give a package to what is built, and what go.sum proves
 * of each. A proof of Go's covers a module's files and not its archive, so it is no hash of CycloneDX' kinds.
 */
export function goComponents(files: readonly GoFiles[]): Component[] {
  const found = new Map<string, { readonly name: string; readonly version: string; readonly sum: string; readonly families: string[] }>();
  for (const { family, goMod, goSum } of files) {
    const sums = moduleSums(goSum);
    for (const [name, version] of requiredModules(goMod)) {
      const sum = sums.get(`${name} ${version}`);
      if (sum === undefined) throw new Error(`tools/go/${family}/go.sum proves nothing of ${name} ${version}, which its go.mod requires`);
      const purl = `pkg:golang/${name}@${version}`;
      const before = found.get(purl);
      if (before === undefined) found.set(purl, { name, version, sum, families: [family] });
      else before.families.push(family);
    }
  }
  return [...found].map(([purl, { name, version, sum, families }]) => ({
    type: "library",
    "bom-ref": purl,
    name,
    version,
    scope: "required",
    purl,
    properties: [
      { name: "gitops-lab:go.sum", value: sum },
      ...families.map((family) => ({ name: "gitops-lab:built-into", value: `tools/go/${family}` })),
    ],
  }));
}

/** What `./lab` itself installs where the machine has none: Node.js for each architecture, and npm. */
export function wrapperPrograms(wrapper: string): Component[] {
  const versionOf = (program: string) => new RegExp(`^${program}_version=(\\S+)$`, "m").exec(wrapper)?.[1];
  const pins = [...wrapper.matchAll(/^integrity_(\S+?)=(\S+)$/gm)];
  if (pins.length === 0) throw new Error("the lab script does not say which Node.js it installs");
  return pins.map(([, pinned, integrity]) => {
    const [name, version] = pinned === "npm" ? ["npm", versionOf("npm")] : [`node-linux-${pinned!}`, versionOf("node")];
    if (version === undefined) throw new Error(`the lab script does not say which version of ${name} it installs`);
    const purl = `pkg:npm/${name}@${version}`;
    return { type: "application", "bom-ref": purl, name, version, scope: "optional", purl, hashes: hashesOf(integrity!) };
  });
}

/** A UUID (version 8, RFC 9562) of what is said. */
function serialOf(content: unknown): string {
  const digest = createHash("sha256").update(JSON.stringify(content)).digest();
  digest[6] = (digest[6]! & 0x0f) | 0x80;
  digest[8] = (digest[8]! & 0x3f) | 0x80;
  const hex = digest.toString("hex");
  return `urn:uuid:${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-")}`;
}
