import type { PromotionState } from "./schema.ts";

/** What people read of a state. */
export const stateNames: Readonly<Record<PromotionState["state"], string>> = {
  none: "nothing promoted yet",
  promoted: "promoted",
  "rolled-back": "rolled back",
  "changed-outside-git": "changed outside Git",
  "changed-without-promotion": "changed without a promotion",
};

/** The state in a few words: of a rollback also whether it holds. */
export function inShort({ state, hold }: Pick<PromotionState, "state" | "hold">): string {
  return `${stateNames[state]}${hold === undefined ? "" : `, ${hold.state}`}`;
}
