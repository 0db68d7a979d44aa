import type { ProviderCondition } from "../../clusters/condition.ts";
import { realPods as inspectRealPods } from "../../clusters/upkeep.ts";
import { findRoom, type RoomFinding } from "../../host/room/machine.ts";
import { ExitCode } from "../../shared/errors.ts";
import { cacheHome, labHome } from "../../shared/paths.ts";
import { inspectTools, type ToolReport } from "../../tools/doctor.ts";
import { isBrought } from "../../tools/manifest.ts";
import { installHint } from "../../tools/package-manager.ts";
import { pluginChoice, type StandInName } from "../../tools/plugin-choice.ts";
import { allOpenings, openingLines } from "../openings.ts";
import { inspectProviders } from "../providers.ts";
import { paint, print, printJson } from "../terminal.ts";

const titles: Readonly<Record<StandInName, string>> = { kubernetes: "Kubernetes", github: "GitHub" };

/** Tells where each tool comes from and what is missing. Returns exit code 1 when something is. */
export async function doctor(options: { readonly json: boolean }): Promise<number> {
  const tools = await inspectTools();
  const plugins = { kubernetes: pluginChoice("kubernetes"), github: pluginChoice("github") };
  const [room, realPods, providers, opened] = await Promise.all([findRoom(), inspectRealPods(), inspectProviders(), allOpenings()]);
  const report = {
    node: { version: process.version, path: process.execPath },
    tools,
    kubernetesPlugin: plugins.kubernetes,
    githubPlugin: plugins.github,
    room,
    realPods,
    providers,
    opened,
    labHome: labHome(),
    cacheHome: cacheHome(),
  };
  const missing = tools.filter(({ state, onlyFor }) => state === "missing" && onlyFor === undefined);
  if (options.json) {
    printJson(report);
  } else {
    print(`node ${process.version}  ${process.execPath}`);
    for (const line of toolLines(tools)) print(line);
    for (const name of Object.keys(plugins) as StandInName[]) {
      const { implementation, version } = plugins[name];
      print(
        `Pulumi's ${titles[name]} plugin ${version}: ${implementation}${implementation === "fallback" ? ` (tools/${name}-plugin stands in: Pulumi's own is not installed)` : ""}`,
      );
    }
    for (const line of roomLines(room)) print(line);
    const unmet = realPods.filter(({ met }) => !met);
    print(
      `pods that run for real (\`cluster.nodes\`): ${unmet.length === 0 ? paint("green", "possible on this machine") : paint("yellow", "not possible on this machine")}`,
    );
    for (const { name, met, found } of realPods) print(`  ${paint(met ? "green" : "yellow", met ? "✓" : "✗")} ${name}: ${found}`);
    for (const line of providers.flatMap(providerLines)) print(line);
    if (opened.length === 0) print("open to other machines: nothing");
    for (const line of opened.flatMap(openingLines)) print(line);
    print(`labs below ${report.labHome}, tools below ${report.cacheHome}`);
    if (missing.length > 0) print(`Missing: ${missing.map(({ name }) => name).join(", ")}. ${missingHelp(missing)}`);
  }
  return missing.length === 0 ? ExitCode.ok : ExitCode.failed;
}

/** What was found of each tool: the version that is used, not the one that is wanted. */
export function toolLines(tools: readonly ToolReport[]): readonly string[] {
  const width = Math.max(...tools.map(({ name }) => name.length));
  return tools.map(({ name, wanted, found, onlyFor, state, path, note }) => {
    const origin = paint(state === "missing" ? (onlyFor !== undefined ? "dim" : "red") : "green", state.padEnd(10));
    const needs = isBrought(name) ? `\`./lab setup\` brings ${wanted}` : `needs ${wanted} or newer`;
    const notes = [
      ...(state === "missing" ? [onlyFor === undefined ? needs : `${wanted}, for \`${onlyFor}\` only`] : []),
      ...(note === undefined ? [] : [note]),
    ];
    return `${name.padEnd(width)}  ${(found ?? "-").padEnd(9)}  ${origin}  ${path ?? ""}${notes.length === 0 ? "" : paint("dim", `  (${notes.join("; ")})`)}`;
  });
}

/** `./lab setup` brings no Git. */
function missingHelp(missing: readonly ToolReport[]): string {
  const [ofSystem, others] = [missing.filter(({ name }) => !isBrought(name)), missing.filter(({ name }) => isBrought(name))];
  return [...ofSystem.map(({ name }) => `${installHint(name)}.`), ...(others.length > 0 ? ["Run `./lab setup`."] : [])].join(" ");
}

/** Whether clusters of a kind can be made from here, and each condition. What `./lab setup` brings is not there yet. */
export function providerLines({
  kind,
  conditions,
}: {
  readonly kind: string;
  readonly conditions: readonly ProviderCondition[];
}): readonly string[] {
  const unmet = conditions.filter(({ met, advice }) => !met && !advice);
  const verdict = unmet.some(({ bySetup }) => !bySetup)
    ? paint("yellow", "not usable from here")
    : unmet.length > 0
      ? paint("yellow", "usable after `./lab setup <cohort>`")
      : paint("green", "ready to use");
  const sign = ({ met, advice, bySetup }: ProviderCondition) =>
    met ? paint("green", "✓") : advice ? paint("dim", "!") : paint(bySetup ? "dim" : "yellow", bySetup ? "·" : "✗");
  return [
    `clusters of kind ${kind}: ${verdict}`,
    ...conditions.map(
      (condition) =>
        `  ${sign(condition)} ${condition.name}: ${condition.found}${!condition.met && condition.advice ? paint("dim", " (better, not needed)") : ""}`,
    ),
  ];
}

/** Which room this machine can make, and every condition with what helps where it is not met. */
export function roomLines({ kind, because, triedBy, conditions }: RoomFinding): readonly string[] {
  const verdicts = {
    root: paint("green", "possible on this machine, with user ids that no account has"),
    user: paint("yellow", "lesser ones are possible on this machine: root in a room is the account that starts the lab"),
    none: paint(
      "yellow",
      because.some(({ untried }) => untried) ? "not known before `./lab setup` has built lab-room" : "not possible on this machine",
    ),
  };
  const by = triedBy === "unshare" ? " (tried with unshare, until `./lab setup` has built lab-room)" : "";
  return [
    `a room for each learner (\`isolation\`): ${verdicts[kind]}${paint("dim", by)}`,
    ...conditions.flatMap(({ name, met, found, help, untried }) => [
      `  ${untried ? paint("dim", "·") : paint(met ? "green" : "yellow", met ? "✓" : "✗")} ${name}: ${found}`,
      ...(help === undefined ? [] : [`    ${help}.`]),
    ]),
  ];
}
