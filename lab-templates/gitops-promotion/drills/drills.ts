import type { Drill } from "../../types.ts";
import { badImage } from "./bad-image.ts";
import { foughtRevert } from "./fought-revert.ts";
import { gitOutage } from "./git-outage.ts";
import { loosenedRegex } from "./loosened-regex.ts";
import { manualDrift } from "./manual-drift.ts";
import { mutableTag } from "./mutable-tag.ts";
import { rebuiltImage } from "./rebuilt-image.ts";
import { rolloutUndo } from "./rollout-undo.ts";
import { stuckAutomation } from "./stuck-automation.ts";

export const drills: readonly Drill[] = [
  badImage,
  loosenedRegex,
  mutableTag,
  rebuiltImage,
  manualDrift,
  rolloutUndo,
  stuckAutomation,
  gitOutage,
  foughtRevert,
];
