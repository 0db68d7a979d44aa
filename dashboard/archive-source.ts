import { renderHtml } from "../verification/bundle/render-html.ts";
import type { EvidenceBundle } from "../verification/bundle/schema.ts";
import { labTemplate } from "../lab-templates/templates.ts";
import type { DrillRun } from "../records/drills.ts";
import type { ExerciseRecord } from "../records/exercises.ts";
import type { Attempt } from "../records/quiz.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { Archived, Course, LearnerFacts } from "./facts.ts";

/** A finished course, as its archive has it. */
export interface ArchivedCourse {
  readonly cohort: string;
  readonly course: string;
  readonly template: string;
  readonly archived: Archived;
  readonly learners: readonly {
    readonly id: string;
    readonly name: string;
    readonly bundle: EvidenceBundle;
    readonly exercises: Readonly<Record<string, ExerciseRecord>>;
    readonly drills: readonly DrillRun[];
    readonly attempts: readonly Attempt[];
  }[];
}

/** Shows a finished course: nothing changes, and nothing can be done. */
export function archiveSource({ cohort, course, template, archived, learners }: ArchivedCourse): Course {
  const facts = learners.map(factsOf);
  const bundleOf = (learner: string) => learners.find(({ id }) => id === learner)?.bundle;
  const refuse = (): never => {
    throw new LabError("archive-readonly", "This is the archive of a course: it can be looked at and not changed.", {
      exitCode: ExitCode.badInput,
    });
  };
  return {
    cohort: { cohort, course, template, simulated: [...new Set(learners.flatMap(({ bundle }) => bundle.lab.simulated))] },
    template: labTemplate(template),
    archived,
    facts: () => facts,
    of: (learner) => facts.find(({ id }) => id === learner),
    subscribe: () => () => undefined,
    handout: refuse,
    bundles: async (learner) => {
      const bundle = bundleOf(learner);
      return bundle === undefined ? [] : [{ name: archivedBundle, createdAt: bundle.createdAt, verdict: bundle.verdict }];
    },
    bundlePage: async (learner, name) => {
      const bundle = bundleOf(learner);
      return bundle === undefined || name !== archivedBundle ? undefined : renderHtml(bundle);
    },
    takeQuiz: async () => refuse(),
    act: refuse,
  };
}

const archivedBundle = "archived";

function factsOf({ id, name, bundle, exercises, drills, attempts }: ArchivedCourse["learners"][number]): LearnerFacts {
  const { gitChain, environments, items, createdAt } = bundle;
  const images = environments.map(({ name: environment, git }) => ({
    name: environment,
    ...(git.status === "observed" && { image: git.value }),
  }));
  const chain = gitChain.status === "observed" ? gitChain.value : undefined;
  return {
    id,
    name,
    noRoom: bundle.lab.isolation?.kind === "none" ? bundle.lab.isolation.says : undefined,
    ...(chain && {
      branch: {
        name: chain.branch,
        tip: chain.commits[0]?.id ?? "",
        commits: chain.commits,
        truncated: chain.truncated,
        environments: images,
      },
    }),
    checklist: {
      at: createdAt,
      reports: items as NonNullable<LearnerFacts["checklist"]>["reports"],
      ...(bundle.promotion?.status === "observed" && { promotion: bundle.promotion.value }),
    },
    exercises,
    attempts,
    drills,
    processes: [],
    problems: gitChain.status === "observed" ? [] : [`The branch could not be looked at when this was archived: ${gitChain.reason}`],
  };
}
