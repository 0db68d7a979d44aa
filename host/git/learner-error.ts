import { LabError } from "../../shared/errors.ts";

/**
 * An expected failure whose message is for the learner: it names what of the learner's work is at fault and what to do, and
 * nothing of the lab host. No other error's message is shown to a learner.
 */
export class LearnerError extends LabError {}
