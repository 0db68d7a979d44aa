import { kustomizationsReconciled } from "../../../verification/checks/kustomizations-reconciled.ts";
import type { Workbench } from "../../workbench.ts";

/** Waits until Flux has applied the branch's tip everywhere. */
export function settled(bench: Workbench): Promise<true> {
  return bench.waitFor("Flux to have reconciled everything", async (context) =>
    (await kustomizationsReconciled.run(context)).status === "pass" ? (true as const) : undefined,
  );
}
