import type { Built } from "../images/program.ts";
import type { ThrownAwayOutcome } from "../room/thrown-away.ts";

/** What is done with what a learner wrote, each time in a room of its own. There are these two kinds, and no others. */
export interface Jobs {
  /** Builds the app. @param module its files, as a tar */
  build(learner: string, module: Uint8Array): Promise<Built>;
  /** Renders what Flux would apply. @param tree in the form that tools/go/cluster/lab-render takes */
  render(learner: string, tree: Uint8Array): Promise<RenderOutcome>;
}

/** What lab-render answered, or how it ended without. */
export type RenderOutcome = Pick<ThrownAwayOutcome, "end" | "exitCode" | "stdout" | "stderr">;
