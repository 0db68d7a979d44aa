import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { doorStatus, isDaemonUp } from "../host/processes/client.ts";
import { readDaemonConfig } from "../host/processes/config.ts";
import { labHome, cohortPaths } from "../shared/paths.ts";
import { paint } from "./terminal.ts";

/** What a cohort has open beside loopback. */
export interface OpenCohort {
  readonly cohort: string;
  readonly listen: string;
  /** The address that learners use. */
  readonly name: string;
  readonly doors: readonly {
    readonly what: string;
    readonly port: number;
    readonly state: "open" | "shut" | "by the dashboard";
    readonly trouble?: string;
  }[];
}

/** Undefined for a cohort that listens on loopback alone. */
export async function openingOf(cohort: string): Promise<OpenCohort | undefined> {
  const paths = cohortPaths(cohort);
  const opening = (await readDaemonConfig(paths))?.opening;
  if (opening === undefined) return undefined;
  const doors = (await isDaemonUp(paths)) ? await doorStatus(paths) : [];
  return {
    cohort,
    listen: opening.listen,
    name: opening.name,
    doors: [
      ...doors.map(({ name, port, trouble }) => ({
        what: name === "web" ? "Git and images" : `API server of ${name.split("/")[0]}`,
        port,
        state: trouble === undefined ? ("open" as const) : ("shut" as const),
        ...(trouble !== undefined && { trouble }),
      })),
      { what: "learners' pages", port: opening.pagePort, state: "by the dashboard" as const },
    ],
  };
}

/** Of every cohort on this machine. */
export async function allOpenings(): Promise<OpenCohort[]> {
  const cohorts = await readdir(join(labHome(), "cohorts")).catch(() => []);
  return (await Promise.all(cohorts.map(openingOf))).filter((one) => one !== undefined);
}

/** Lines that tell it. */
export function openingLines({ cohort, listen, name, doors }: OpenCohort): string[] {
  const states = { open: paint("yellow", "open"), shut: paint("red", "shut"), "by the dashboard": "while `./lab dashboard` runs" };
  return [
    `open to other machines, by \`access\` of cohort ${cohort}: ${listen}${name === listen ? "" : `, as ${name}`}, all over TLS`,
    ...doors.map(({ what, port, state, trouble }) => `  ${port}  ${what}: ${states[state]}${trouble === undefined ? "" : ` (${trouble})`}`),
  ];
}
