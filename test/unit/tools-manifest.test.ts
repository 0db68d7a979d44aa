import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assetManifest } from "../../tools/assets.ts";
import { manifest, toolNames, type ToolName } from "../../tools/manifest.ts";

const root = join(import.meta.dirname, "..", "..");

describe.each(toolNames)("%s", (name) => {
  const { version, fits, downloads, companionOf } = manifest[name];

  test("fits itself, unless it is taken from beside another", () => {
    expect(fits(version)).toBe(companionOf === undefined);
  });

  test("pins a release of its version for every download", () => {
    for (const release of Object.values(downloads ?? {}).flat()) {
      if ("goToolchain" in release) {
        expect(release.goToolchain.version).toContain(version);
        expect(release.goToolchain.sum).toMatch(/^h1:[\w+/]{43}=$/);
      } else if ("image" in release) {
        expect(release.image).toMatch(/^https:/);
        expect(release.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
        expect(release.file).toMatch(new RegExp(`^([^/]+/)*${name}$`));
      } else {
        expect(release.url).toContain(version);
        expect(release.url).toMatch(/^https:/);
        expect(release.sha256).toMatch(/^[0-9a-f]{64}$/);
      }
    }
  });
});

/** Ours, and so of their source's version. */
const own: readonly ToolName[] = ["kubelet-and-proxy", "lab-build", "lab-hook", "lab-render", "lab-room", "pause"];

test.each(toolNames.filter((name) => !["git", "go"].includes(name) && !own.includes(name)))("%s is built at its version", (name) => {
  const { version, build } = manifest[name];
  const goMod = readFileSync(join(root, "tools", "go", build?.module ?? "", "go.mod"), "utf8");
  // CoreDNS is a library to the program that we build of it.
  const built = name === "coredns" ? "github.com/coredns/coredns" : build?.package;
  const modules = [...goMod.matchAll(/^(?:\s+|require )(\S+) v(\S+)(?: \/\/ indirect)?$/gm)].filter(([, module = ""]) =>
    `${built}/`.startsWith(`${module}/`),
  );
  // The longest module path is the one the package belongs to.
  const [, , pinned] = modules.sort((a, b) => (b[1]?.length ?? 0) - (a[1]?.length ?? 0))[0] ?? [];
  expect(pinned).toBe(version);
});

test("the engine is the one of the Node SDK", () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(manifest.pulumi.version).toBe(dependencies["@pulumi/pulumi"]);
});

test.each(readdirSync(join(root, "tools", "go")))("tools/go/%s asks for the Go that is installed", (module) => {
  const goMod = readFileSync(join(root, "tools", "go", module, "go.mod"), "utf8");
  expect(/^go (\S+)$/m.exec(goMod)?.[1]).toBe(manifest.go.version);
});

test("the CRDs and Deployments come from the modules of the controllers", () => {
  const controllers = toolNames.filter((name) => name.endsWith("-controller")).map((name) => manifest[name].build?.package);
  expect(assetManifest["flux-crds"].modules).toEqual(controllers);
  expect(assetManifest["flux-deployments"].modules).toEqual(controllers);
});

test.each<[ToolName, string, boolean]>([
  ["kubectl", "1.32.4", false],
  ["kubectl", "1.36.3", false],
  ["pulumi", "3.260.0", false],
  ["etcd", "3.6.9", true],
  ["etcd", "3.6.7", false],
  ["etcd", "3.7.0", false],
  ["kwok", "0.9.0", false],
  ["flux", "2.9.4", true],
  ["flux", "2.10.0", false],
  ["registry", "2.8.3", false],
  ["crane", "0.21.5", true],
  ["crane", "0.9.0", false],
  ["git", "2.47.1", true],
  ["git", "2.25.1", false],
])("%s %s fits: %s", (name, version, expected) => {
  expect(manifest[name].fits(version)).toBe(expected);
});

test.each<[ToolName, string, string]>([
  ["kube-apiserver", "Kubernetes v1.36.2\n", "1.36.2"],
  ["kubectl", "Client Version: v1.36.2\nKustomize Version: v5.8.1\n", "1.36.2"],
  ["etcd", "etcd Version: 3.6.8\nGit SHA: abc\n", "3.6.8"],
  ["kwok", "kwok version v0.8.0 go1.26.8 (linux/amd64)\n", "0.8.0"],
  [
    "source-controller",
    "/bin/source-controller: go1.26.8\n\tpath\tgithub.com/fluxcd/source-controller\n\tmod\tgithub.com/fluxcd/source-controller\tv1.9.3\th1:Zj1=\n",
    "1.9.3",
  ],
  ["flux", "flux version 2.9.2\n", "2.9.2"],
  ["pulumi", "v3.259.0\n", "3.259.0"],
  ["registry", "registry github.com/distribution/distribution/v3 v3.1.2+unknown\n", "3.1.2"],
  ["crane", "v0.22.1\n", "0.22.1"],
  ["crane", "0.22.1\n", "0.22.1"],
  ["git", "git version 2.39.5 (Apple Git-154)\n", "2.39.5"],
])("%s is recognised by its own words", (name, words, version) => {
  expect(manifest[name].probe?.pattern.exec(words)?.[1]).toBe(version);
});

test("what looks for new releases finds each that is downloaded from GitHub", () => {
  const { customManagers } = JSON.parse(readFileSync(join(root, ".github", "renovate.json"), "utf8")) as {
    customManagers: { managerFilePatterns: string[]; matchStrings: string[] }[];
  };
  const files = ["tools/manifest.ts", "tools/releases.ts"];
  const found = customManagers.flatMap(({ managerFilePatterns, matchStrings }) =>
    files
      .filter((file) => managerFilePatterns.some((pattern) => new RegExp(pattern.slice(1, -1)).test(file)))
      .flatMap((file) => matchStrings.flatMap((text) => [...readFileSync(join(root, file), "utf8").matchAll(new RegExp(text, "g"))])),
  );
  const downloaded = toolNames.flatMap((name) =>
    Object.values(manifest[name].downloads ?? {})
      .flat()
      .flatMap((release) => ("url" in release ? [release.url] : [])),
  );
  const wanted = new Set(downloaded.flatMap((url) => /^https:\/\/github\.com\/([^/]+\/[^/]+)\/releases\//.exec(url)?.[1] ?? []));
  expect(wanted.size).toBeGreaterThan(3);
  expect(new Set(found.map(({ groups }) => groups?.["depName"]))).toEqual(wanted);
});
