import type { JournalEntry } from "../../verification/journal.ts";
import { fluxUsername } from "../access.ts";
import { Counter, Histogram, type Metric } from "./text.ts";

/** What the web process has seen of the learners' work since its start. */
export class PipelineMetrics {
  readonly #pushes = new Counter(
    "gitops_lab_pushes_total",
    "Pushes to a learner's repository, by who pushed and whether they were accepted.",
  );
  readonly #builds = new Counter("gitops_lab_builds_total", "Images built from pushes, or not.");
  readonly #promotions = new Counter("gitops_lab_promotions_total", "What became of promotions that were asked for.");
  readonly #durations = new Histogram(
    "gitops_lab_promotion_seconds",
    "From the push that asks for a promotion to the commit that carries it out.",
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 900],
  );

  push(learner: string, user: string, result: "accepted" | "refused"): void {
    this.#pushes.add({ learner, by: user === fluxUsername(learner) ? "flux" : user === learner ? "learner" : "lab", result });
  }

  /** Something was noted of a commit. */
  noted(learner: string, entry: JournalEntry): void {
    if (entry.event === "built" || entry.event === "build-failed")
      this.#builds.add({ learner, result: entry.event === "built" ? "built" : "failed" });
    else if (entry.event === "carried-out" || entry.event === "promotion-failed" || entry.event === "held")
      this.#promotions.add({
        learner,
        environment: entry.environment,
        result: entry.event === "promotion-failed" ? "failed" : entry.event,
      });
  }

  promoted(environment: string, seconds: number): void {
    this.#durations.observe({ environment }, seconds);
  }

  get metrics(): Metric[] {
    return [this.#pushes.metric, this.#builds.metric, this.#promotions.metric, this.#durations.metric];
  }
}
