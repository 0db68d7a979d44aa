import { apiRows } from "./api-rows.ts";
import type { Attempt } from "./attempt.ts";
import { buildRows } from "./build-rows.ts";
import { fluxRows } from "./flux-rows.ts";
import { gateRows } from "./gate-rows.ts";
import { gitRows } from "./git-rows.ts";
import { kustomizeRows } from "./kustomize-rows.ts";
import { largeRows } from "./large-rows.ts";
import { nodeRows } from "./node-rows.ts";
import { podRows } from "./pod-rows.ts";
import { registryRows } from "./registry-rows.ts";
import { sourceRows } from "./source-rows.ts";
import { userRows } from "./user-rows.ts";
import { webRows } from "./web-rows.ts";

/** Every row, in the order in which they stand in the published table. */
export const rows: readonly Attempt[] = [
  ...kustomizeRows,
  ...fluxRows,
  ...sourceRows,
  ...apiRows,
  ...podRows,
  ...gitRows,
  ...registryRows,
  ...webRows,
  ...userRows,
  ...nodeRows,
  ...gateRows,
  ...buildRows,
  // What keeps the learner's own controllers busy comes last.
  ...largeRows,
];
