import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { clusterProviders } from "../clusters/providers.ts";
import { gitHosts } from "../git-hosts/hosts.ts";
import { registries } from "../registries/registries.ts";

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
  "registries",
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
const isPulumiHalf = (file: string) => /^(clusters|git-hosts|registries)\/[^/]+\/component(-[^/]+)?\.ts$/.test(file);

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

/** The wings of providers, each with its list. */
const wings = { clusters: "providers.ts", "git-hosts": "hosts.ts", registries: "registries.ts" } as const;
const wingOf = (file: string) => Object.keys(wings).find((wing) => file.startsWith(`${wing}/`));
const isList = (file: string) => Object.entries(wings).some(([wing, list]) => file === `${wing}/${list}`);

/** The folder of one provider, or of what the clouds have in common; undefined for what lies beside a port, and elsewhere. */
const folderOf = (file: string) => (wingOf(file) === undefined ? undefined : /^[^/]+\/[^/]+(?=\/)/.exec(file)?.[0]);

/** What is loaded with a file, through any number of others: files and packages. */
function reach(file: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const { to } of imports.filter(({ from, typeOnly, late }) => from === file && !typeOnly && !late)) {
    if (seen.has(to)) continue;
    seen.add(to);
    reach(to, seen);
  }
  return seen;
}

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
    const providers = [...clusterProviders, ...gitHosts, ...registries];
    // Any kind of thing has a kind.
    const words = new Set(providers.map(({ kind }) => kind).filter((word) => word !== "kind"));
    const calls = new RegExp(`"(${[...words].join("|")})"|\\bkind\\s*[!=]==\\s*"kind"`);
    const exempt = {
      "shared/on-lab-host.ts": "the word for what is the lab host itself",
      "tools/": "a tool is pinned with whom it is for, and Pulumi's plugins have the names of what they speak to",
      "cli/commands/doctor.ts": "Pulumi's plugins",
      "stacks/cohort.ts": "Pulumi's plugins",
      "stacks/roster.ts": "a column: the learner's account",
      "lab-templates/gitops-promotion/template.ts": "the template brings workflows",
    };
    const wrong = sources
      .filter((file) => folderOf(file) === undefined && !Object.keys(exempt).some((place) => file.startsWith(place)))
      .flatMap((file) =>
        readFileSync(join(root, file), "utf8")
          .split("\n")
          .filter((line) => calls.test(line))
          .map((line) => `${file}: ${line.trim()}`),
      );
    expect(wrong).toEqual([]);
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
    const programs = ["drivers.ts", "host/daemon/main.ts", "host/web/main.ts", "stacks/plan.ts", "cli/start.ts", "cli/main.ts"];
    const begins = [...programs, ...sources.filter((file) => /^cli\/(commands|bring-up|tear-down|reset|rotate)\//.test(file))];
    const loads = begins.flatMap((file) => [...reach(file)].filter((to) => to.startsWith("@pulumi/")).map((to) => `${file} loads ${to}`));
    expect(loads).toEqual([]);
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
