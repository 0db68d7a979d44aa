import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { clusterProviders } from "../clusters/providers.ts";
import { gitHosts } from "../git-hosts/hosts.ts";
import { registries } from "../registries/registries.ts";
import { labHostKind } from "../shared/on-lab-host.ts";
import {
  circles,
  comparedIn,
  floorOf,
  floors,
  folderOf,
  imports,
  isList,
  lengths,
  reach,
  root,
  sources,
  wingOf,
  wings,
  wordsIn,
} from "./support/sources.ts";

/** What each folder may import, besides itself; CONTRIBUTING.md says why. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  tools: ["shared"],
  verification: ["shared", "tools"],
  "lab-templates": ["shared", "verification"],
  ledger: ["shared"],
  host: ["shared", "tools", "verification", "lab-templates/types.ts", "lab-templates/workbench.ts", "ledger"],
  records: ["shared", "lab-templates", "host/workbench/snapshot.ts"],
  dashboard: ["shared", "tools", "verification", "lab-templates", "ledger", "host", "records"],
  components: ["shared", "tools", "lab-templates"],
  clusters: ["shared", "tools", "verification", "ledger", "host", "components", "lab-templates/types.ts"],
  "git-hosts": ["shared", "tools", "verification", "ledger", "host", "components", "lab-templates/types.ts"],
  registries: ["shared", "tools", "verification", "ledger", "host", "components"],
  stacks: [
    "shared",
    "tools",
    "lab-templates",
    "components",
    "clusters",
    "git-hosts",
    "registries",
    "ledger",
    "host/room/machine.ts",
    "host/room/preflight.ts",
    "host/doors/address.ts",
  ],
  cli: [
    "shared",
    "tools",
    "verification",
    "lab-templates",
    "ledger",
    "host",
    "records",
    "dashboard",
    "clusters",
    "git-hosts",
    "registries",
    "stacks",
  ],
};

/** The words of all providers; any kind of thing has a kind. */
const words = new Set([...clusterProviders, ...gitHosts, ...registries].map(({ kind }) => kind));

/** The folders in which each word is at home. */
const homes = new Map<string, string[]>();
for (const file of sources.filter((one) => one.endsWith("/provider.ts") && folderOf(one) !== undefined))
  for (const [, word = labHostKind] of readFileSync(join(root, file), "utf8").matchAll(/\bkind: (?:"(\w+)"|labHostKind),/g))
    homes.set(word, [...(homes.get(word) ?? []), folderOf(file)!]);

/** The one import back up: the first is an address in every state, the second the list of all drivers. */
const backUp = { from: "host/drivers/crud.ts", to: "drivers.ts" } as const;

/** Packages that only these places may load. */
const reserved: Readonly<Record<string, readonly string[]>> = {
  "@pulumi/": [
    "components",
    "stacks/cohort.ts",
    "index.ts",
    "cli/stack.ts",
    "tools/kubernetes-plugin",
    "tools/github-plugin",
    "tools/pulumi-plugins",
    "test",
  ],
  execa: ["shared/exec.ts"],
};

/** The Pulumi half of a provider: the only files of its folder that load Pulumi. */
const isPulumiHalf = (file: string) => /^(clusters|git-hosts|registries)\/[^/]+\/component(-[^/]+)?\.ts$/.test(file);

const within = (file: string, places: readonly string[]) =>
  places.some((place) => file === place || file.startsWith(place.endsWith("/") ? place : `${place}/`));

describe("the architecture", () => {
  test("is read from every source", () => {
    expect(sources.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(sources.length);
  });

  test.each(Object.entries(allowed))("%s imports only what is below it", (folder, others) => {
    const wrong = imports.filter(
      ({ from, to, typeOnly }) =>
        from.startsWith(`${folder}/`) && sources.includes(to) && !typeOnly && !within(to, [folder, ...others]) && from !== backUp.from,
    );
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("has no import back up, of a type neither", () => {
    expect(floors.toSorted()).toEqual(Object.keys(allowed).toSorted());
    const wrong = imports.filter(({ from, to }) => floorOf(from) >= 0 && sources.includes(to) && floorOf(to) > floorOf(from));
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
    expect(imports.filter(({ to }) => to === backUp.to).map(({ from }) => from)).toEqual([backUp.from]);
  });

  test("has no component that knows which kinds of clusters, Git hosts and registries there are", () => {
    const wrong = imports.filter(({ from, to }) => from.startsWith("components/") && wingOf(to) !== undefined);
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("has no wing that knows another", () => {
    const wrong = imports.filter(({ from, to }) => wingOf(from) !== undefined && wingOf(to) !== undefined && wingOf(from) !== wingOf(to));
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("lets nobody but the list of its wing import from a provider's folder, and no provider the list", () => {
    const within = imports.filter(({ from, to }) => {
      const [own, other] = [folderOf(from), folderOf(to)];
      if (other !== undefined) return own !== other && !isList(from) && !(own !== undefined && other === "clusters/cloud");
      return own !== undefined && isList(to);
    });
    expect(within.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("has every provider in the list of its wing", () => {
    const folders = sources.flatMap((file) => (file.endsWith("/provider.ts") ? (folderOf(file) ?? []) : []));
    expect(folders.length).toBeGreaterThan(9);
    for (const [wing, list] of Object.entries(wings)) {
      const listed = imports.flatMap(({ from, to }) => (from === `${wing}/${list}` ? (folderOf(to) ?? []) : []));
      expect(listed.toSorted()).toEqual(folders.filter((folder) => folder.startsWith(`${wing}/`)).toSorted());
    }
  });

  test("calls a provider by its word nowhere but in its folder", () => {
    const exempt = {
      "shared/on-lab-host.ts": "the word for what is the lab host itself",
      "tools/tool.ts": "whom a tool is for",
      "tools/plugin-choice.ts": "Pulumi's plugins have the names of what they speak to",
      "tools/github-plugin/": "such a plugin",
      "cli/commands/doctor.ts": "Pulumi's plugins",
      "stacks/cohort.ts": "Pulumi's plugins",
      "stacks/roster.ts": "a column: the learner's account",
      "lab-templates/gitops-promotion/template.ts": "the template brings workflows",
    };
    const named = sources.flatMap((file) => (folderOf(file) === undefined ? wordsIn(file, words) : []));
    expect(named.filter((line) => !Object.keys(exempt).some((place) => line.startsWith(place)))).toEqual([]);
    // None is exempt for nothing.
    expect(Object.keys(exempt).filter((place) => !named.some((line) => line.startsWith(place)))).toEqual([]);
  });

  test("compares no kind with a provider's word outside the folder of that provider", () => {
    const comparisons = sources.flatMap((file) => comparedIn(file, words).map(({ word, line }) => ({ file, word, line })));
    expect(new Set(homes.keys())).toEqual(words);
    const own = (file: string, word: string) => homes.get(word)?.includes(folderOf(file) ?? "") === true;
    expect(comparisons.filter(({ file, word }) => !own(file, word)).map(({ file, line }) => `${file}: ${line}`)).toEqual([]);
  });

  test("loads with a provider only zod, words that are shared, and what is plain in its own folder", () => {
    const plain = /\/(spec|costs|cloud|budget)\.ts$/;
    const besidePort = (file: string) => file.startsWith("clusters/cloud/") || (wingOf(file) !== undefined && folderOf(file) === undefined);
    const wrong = imports.filter(
      ({ from, to, typeOnly, late }) =>
        from.endsWith("/provider.ts") &&
        folderOf(from) !== undefined &&
        !typeOnly &&
        !late &&
        to !== "zod" &&
        !to.startsWith("shared/") &&
        !(folderOf(to) === folderOf(from) && plain.test(to)) &&
        !besidePort(to),
    );
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("loads no half of a provider with the lists", () => {
    const reached = Object.entries(wings).flatMap(([wing, list]) => [...reach(`${wing}/${list}`)]);
    expect(reached.length).toBeGreaterThan(20);
    expect(reached.filter((file) => within(file, ["host", "components", "ledger"]) || file.startsWith("@pulumi/"))).toEqual([]);
  });

  test.each(Object.entries(reserved))("only the named places load %s", (name, places) => {
    const wrong = imports.filter(
      ({ from, to, typeOnly }) =>
        (name.endsWith("/") ? to.startsWith(name) : to === name) && !typeOnly && !within(from, places) && !isPulumiHalf(from),
    );
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("only the named places read the environment or take it whole for a child's", () => {
    const readers = {
      "shared/environment.ts": /./,
      "shared/paths.ts": /./,
      "tools/": /(env|base): NodeJS\.ProcessEnv = process\.env/,
      "tools/install.ts": /env = process\.env/,
      "cli/state/backend.ts": /loggedInBackend\(process\.env\)/,
      "shared/scratch.ts": /env: NodeJS\.ProcessEnv = process\.env/,
      "cli/": /process\.env\["(TERM|SHELL|NO_COLOR)"\]/,
      // The engine's own process gets it from here: Pulumi's library asks nobody.
      "cli/stack.ts": /Object\.assign\(process\.env, environment\)/,
      "clusters/cloud/conditions.ts": /env: NodeJS\.ProcessEnv = process\.env/,
      "clusters/kind/conditions.ts": /env: NodeJS\.ProcessEnv = process\.env/,
      "clusters/vcluster/conditions.ts": /env: NodeJS\.ProcessEnv = process\.env/,
      "clusters/unreachable.ts": /PULUMI_K8S_DELETE_UNREACHABLE/,
      "host/room/machine.ts": /KUBERNETES_SERVICE_HOST/,
      // What Git and the server before it say to a hook.
      "host/git/hooks/ask-daemon.ts": /./,
      "git-hosts/github/component-provider.ts": /env: NodeJS\.ProcessEnv = process\.env/,
      "shared/github/credential.ts": /env: NodeJS\.ProcessEnv = process\.env/,
    };
    const wrong = sources.flatMap((file) =>
      readFileSync(join(root, file), "utf8")
        .split("\n")
        .filter((line) => /process\.env\b|extendEnv: true/.test(line))
        .filter((line) => !Object.entries(readers).some(([place, what]) => file.startsWith(place) && what.test(line)))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(wrong).toEqual([]);
  });

  test("only one place starts programs", () => {
    const starters = imports.filter(({ to, typeOnly }) => !typeOnly && /^(node:)?child_process$|^execa$/.test(to)).map(({ from }) => from);
    expect([...new Set(starters)]).toEqual(["shared/exec.ts"]);
  });

  test("loads no module of Pulumi before the engine is asked for", () => {
    // The last is a part of the program that the engine runs.
    const engine = (file: string) => within(file, reserved["@pulumi/"]!) || isPulumiHalf(file) || file === "stacks/git-preflight.ts";
    // Most of all: whatever begins something, and through any number of files.
    const begins = ["drivers.ts", "host/daemon/main.ts", "host/web/main.ts", "stacks/plan.ts", "cli/start.ts", "cli/main.ts"];
    expect(begins.filter((file) => !sources.includes(file))).toEqual([]);
    const loads = sources
      .filter((file) => !engine(file))
      .flatMap((file) => [...reach(file)].filter((to) => to.startsWith("@pulumi/")).map((to) => `${file} loads ${to}`));
    expect(loads).toEqual([]);
  });

  test("loads no package but commander before it is known which command is asked for", () => {
    const reached = ["cli/start.ts", "cli/main.ts"].flatMap((file) => [...reach(file)]);
    expect([...new Set(reached.filter((to) => !to.endsWith(".ts") && !to.startsWith("node:")))]).toEqual(["commander"]);
    // Each costs a millisecond before the first line.
    expect(new Set(reached).size).toBeLessThan(40);
  });

  test("has no file of more than 280 lines", () => {
    const ours = globSync("bench/**/*.ts", { cwd: root });
    expect(ours.length).toBeGreaterThan(10);
    expect(lengths([...sources, ...ours]).filter(({ lines }) => lines > 280)).toEqual([]);
  });

  test("imports what exists", () => {
    const missing = imports.filter(({ from, to }) => to.endsWith(".ts") && !to.startsWith("..") && !sources.includes(to) && from !== to);
    expect(missing.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  test("has no circle, types counted", () => {
    expect(circles(imports.filter(({ to }) => sources.includes(to)))).toEqual([]);
  });

  test("has no circle of folders within host/, types counted", () => {
    const inFolder = (file: string) => /^host\/.+\//.test(file);
    const edges = imports
      .filter(({ from, to }) => inFolder(from) && inFolder(to) && dirname(from) !== dirname(to))
      .map(({ from, to }) => ({ from: dirname(from), to: dirname(to) }));
    expect(edges.length).toBeGreaterThan(50);
    expect(circles(edges)).toEqual([]);
  });

  test("lets nobody import the daemon, which is a program", () => {
    expect(imports.filter(({ from, to }) => within(to, ["host/daemon"]) && !within(from, ["host/daemon"]))).toEqual([]);
  });

  test("keeps the addresses that states, hooks and running processes know", () => {
    // In the provider of every dynamic resource, which Pulumi takes from the state for a delete.
    expect(readFileSync(join(root, "components/managed-resource.ts"), "utf8")).toContain("/host/drivers/crud.ts`");
    // What a daemon that runs starts again: itself, the web process, Git's hooks, the dashboard's pages; and what a lab's files name.
    const addresses = [
      "host/drivers/crud.ts",
      "host/daemon/main.ts",
      "host/web/main.ts",
      "host/git/hooks/pre-receive",
      "host/git/hooks/post-receive",
      "host/git/hooks/ask-daemon.ts",
      "dashboard/pages/main.ts",
      "cli/main.ts",
      "tools/pulumi-engine",
      "tools/pulumi-plugins",
    ];
    expect(addresses.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
