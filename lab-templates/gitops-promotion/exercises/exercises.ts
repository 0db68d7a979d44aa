import type { Exercise } from "../../types.ts";
import { gitOnlyPromotion } from "./git-only-promotion.ts";
import { imageTracking } from "./image-tracking.ts";
import { policyAnalysis } from "./policy-analysis.ts";
import { rollback } from "./rollback.ts";

/** In the chapter's order, its challenge last. */
export const exercises: readonly Exercise[] = [imageTracking, policyAnalysis, rollback, gitOnlyPromotion];
