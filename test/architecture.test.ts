import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = normalize(join(import.meta.dirname, ".."));

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
  components: ["shared", "tools", "lab-templates", "host/drivers"],
  clusters: ["shared", "tools", "verification", "ledger", "host", "components", "lab-templates/types.ts"],
  "git-hosts": ["shared", "tools", "verification", "ledger", "host", "components", "lab-templates/types.ts"],
  stacks: [
    "shared",
    "tools",
    "lab-templates",
    "components",
    "clusters",
    "git-hosts",
    "ledger",
    "host/room/machine.ts",
    "host/room/preflight.ts",
    "host/doors/address.ts",
  ],
  cli: ["shared", "tools", "verification", "lab-templates", "ledger", "host", "records", "dashboard", "clusters", "git-hosts", "stacks"],
};

/** From the ground up: nothing imports from a room above its own, be it a type. */
const floors = [
  "shared",
  "tools",
  "verification",
  "lab-templates",
  "ledger",
  "host",
  "records",
  "dashboard",
  "components",
  "clusters",
  "git-hosts",
  "stacks",
  "cli",
] as const;

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
const isPulumiHalf = (file: string) => /^(clusters|git-hosts)\/[^/]+\/component(-[^/]+)?\.ts$/.test(file);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  /** Loaded when it is asked for. */
  readonly late: boolean;
}

const sources = globSync(["drivers.ts", "index.ts", ...Object.keys(allowed).map((folder) => `${folder}/**/*.ts`)], { cwd: root }).filter(
  (file) => !file.startsWith("lab-templates/gitops-promotion/files/"),
);

const imports: readonly Import[] = sources.flatMap((from) => {
  const text = readFileSync(join(root, from), "utf8");
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm)].map(
    ([, type, statik, dynamic]) => {
      const target = statik ?? dynamic ?? "";
      return {
        from,
        to: target.startsWith(".") ? relative(root, join(root, dirname(from), target)) : target,
        typeOnly: type !== undefined,
        late: dynamic !== undefined,
      };
    },
  );
});

const within = (file: string, places: readonly string[]) =>
  places.some((place) => file === place || file.startsWith(place.endsWith("/") ? place : `${place}/`));

/** Each way along these that comes back to where it began. */
function circles(edges: readonly { readonly from: string; readonly to: string }[]): string[] {
  const next = new Map([...Map.groupBy(edges, ({ from }) => from)].map(([from, all]) => [from, new Set(all.map(({ to }) => to))]));
  const found: string[] = [];
  const state = new Map<string, "open" | "done">();
  const visit = (place: string, path: readonly string[]): void => {
    if (state.get(place) === "done") return;
    if (state.get(place) === "open") return void found.push([...path.slice(path.indexOf(place)), place].join(" -> "));
    state.set(place, "open");
    for (const one of next.get(place) ?? []) visit(one, [...path, place]);
    state.set(place, "done");
  };
  for (const place of next.keys()) visit(place, []);
  return found;
}

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
    const floorOf = (file: string) => floors.findIndex((floor) => file.startsWith(`${floor}/`));
    const wrong = imports.filter(({ from, to }) => floorOf(from) >= 0 && sources.includes(to) && floorOf(to) > floorOf(from));
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
    expect(imports.filter(({ to }) => to === backUp.to).map(({ from }) => from)).toEqual([backUp.from]);
  });

  test("has no component that knows which kinds of clusters, Git hosts and registries there are", () => {
    const lists = ["components/registry/registries.ts"];
    const wrong = imports.filter(({ from, to }) => from.startsWith("components/") && lists.includes(to));
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
    const ports = imports.filter(
      ({ from, to }) => from.startsWith("components/ports/") && /^(clusters|git-hosts)\/|components\/(cluster|registry)\//.test(to),
    );
    expect(ports.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
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
      "clusters/vcluster/cluster.ts": /PULUMI_K8S_DELETE_UNREACHABLE/,
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

  test("loads no module of Pulumi before a command asks for the engine", () => {
    const loads = (file: string, seen: Set<string>): string[] =>
      imports
        .filter(({ from, typeOnly, late }) => from === file && !typeOnly && !late)
        .flatMap(({ to }) => {
          if (to.startsWith("@pulumi/")) return [`${file} loads ${to}`];
          if (seen.has(to)) return [];
          seen.add(to);
          return loads(to, seen);
        });
    const commands = sources.filter((file) => file === "cli/start.ts" || file === "cli/main.ts" || file.startsWith("cli/commands/"));
    expect(commands.flatMap((file) => loads(file, new Set([file])))).toEqual([]);
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
