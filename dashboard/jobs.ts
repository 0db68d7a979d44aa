import { pauseProcesses, resumeProcesses } from "../host/processes/client.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { newBundleFolder } from "./bundles.ts";
import type { Action, Ports } from "./facts.ts";
import { cohortPaths } from "../shared/paths.ts";

/** What an action does, in words and in deed; what the deed says is told where it ends. */
export interface Work {
  readonly what: string;
  readonly work: () => Promise<string | undefined>;
}

/** What the actions on a learner's lab need beside the lab. */
export interface Workplace {
  readonly cohort: string;
  readonly outputs: LearnerOutputs;
  readonly ports: Ports;
  /** Looks at the checklist and shows it. */
  readonly verify: () => Promise<void>;
  /** Gives a fresh lab and takes it over; returns where the backup is, in a sentence. */
  readonly reset: () => Promise<string>;
}

/** What is to be done for an action. */
export function workOf(action: Action, { cohort, outputs, ports, verify, reset }: Workplace): Work {
  const paths = cohortPaths(cohort);
  switch (action.kind) {
    case "verify":
      return { what: "Verify", work: async () => void (await verify()) };
    case "evidence": {
      const folder = newBundleFolder(cohort, outputs.id);
      return { what: "Create evidence", work: async () => `Verdict: ${await ports.writeEvidence(outputs, folder)}.` };
    }
    case "pause":
      return { what: "Pause processes", work: async () => void (await pauseProcesses(paths, outputs.id)) };
    case "resume":
      return { what: "Resume processes", work: async () => void (await resumeProcesses(paths, outputs.id)) };
    case "reset":
      return { what: "Reset", work: reset };
    case "drill":
      return { what: `Start drill ${action.drill}`, work: async () => void (await ports.startDrill(outputs, action.drill)) };
  }
}
