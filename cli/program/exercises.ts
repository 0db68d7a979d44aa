import type { Command } from "commander";
import { done, ofCohort, type OfCohort } from "./arguments.ts";

/** What a learner does in a lab and has to show for it, and what is handed out. */
export function exerciseCommands(program: Command): void {
  const evidence = program.command("evidence").description("keep a learner's evidence as a signed bundle, or check one");
  evidence
    .command("create", { isDefault: true })
    .description("prove the evidence and write it as a bundle (the word create may be left out)")
    .argument("<learner>", "whose evidence")
    .option(...ofCohort)
    .option("-o, --out <folder>", "new folder for the bundle (default: evidence/<cohort>-<learner>-<time>)")
    .option("--json", "for programs", false)
    .action(async (learner: string, options: { cohort: string; out?: string; json: boolean }) =>
      done((await import("../commands/evidence.ts")).createEvidence(learner, options)),
    );
  evidence
    .command("verify")
    .description("check a bundle offline")
    .argument("<bundle>", "folder of the bundle")
    .option("-f, --fingerprint <sha256:hex>", "the key that must have signed it")
    .option("--json", "for programs", false)
    .action(async (bundle: string, options: { fingerprint?: string; json: boolean }) =>
      done((await import("../commands/evidence.ts")).verifyEvidence(bundle, options)),
    );
  program
    .command("quiz")
    .description("ask a learner the quiz of the lab, grade it and record the attempt")
    .argument("[learner]", "who answers; with --results, only this learner's attempts")
    .option(...ofCohort)
    .option("--answers <file>", "take the answers from a JSON file instead of asking")
    .option("--questions", "only print the questions, as JSON", false)
    .option("--results", "only list the recorded attempts", false)
    .option("--json", "for programs", false)
    .action(
      async (
        learner: string | undefined,
        { cohort, ...options }: { cohort: string; answers?: string; questions: boolean; results: boolean; json: boolean },
      ) => done((await import("../commands/quiz.ts")).quiz(cohort, { ...options, learner })),
    );
  const drill = program.command("drill").description("incidents on demand: break a learner's lab, check the repair, bring it back");
  drill
    .command("list")
    .description("list the drills")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (options: { cohort: string; json: boolean }) => done((await import("../commands/drill.ts")).listDrills(options)));
  for (const [action, description] of [
    ["start", "break the lab and tell the learner the symptom"],
    ["hint", "the next hint"],
    ["check", "look whether the incident is over"],
    ["solve", "repair it as a learner would"],
    ["reset", "bring back the state from before the drill"],
  ] as const) {
    drill
      .command(action)
      .description(description)
      .argument("<drill>", "as `./lab drill list` names it")
      .argument("<learner>", "whose lab")
      .option(...ofCohort)
      .option("--json", "for programs", false)
      .action(async (id: string, learner: string, options: { cohort: string; json: boolean }) =>
        done((await import("../commands/drill.ts")).drill(action, id, learner, options)),
      );
  }
  program
    .command("handout")
    .description("write a learner's handout: pages, access to the cluster, to Git and to the images")
    .argument("<learner>", "whose handout")
    .option(...ofCohort)
    .option("-o, --out <folder>", "folder for it (default: handouts/<cohort>-<learner>)")
    .option("--archive", "also write it as one file, <folder>.tar.gz", false)
    .action(async (learner: string, options: { cohort: string; out?: string; archive: boolean }) =>
      done((await import("../commands/handout.ts")).handout(learner, options)),
    );
  const exercise = program.command("exercise").description("the chapter's exercises: instructions, hints, checks and solvers");
  exercise
    .command("list")
    .description("list the exercises with what is recorded of them")
    .argument("[learner]", "only this learner")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (learner: string | undefined, options: OfCohort) =>
      done((await import("../commands/exercise.ts")).listExercises(learner, options)),
    );
  exercise
    .command("show")
    .description("print the instructions")
    .argument("<exercise>")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (id: string, options: OfCohort) => done((await import("../commands/exercise.ts")).showExercise(id, options)));
  exercise
    .command("hint")
    .description("give a learner the next hint and record that")
    .argument("<exercise>")
    .argument("<learner>")
    .option(...ofCohort)
    .option("--json", "for programs", false)
    .action(async (id: string, learner: string, options: OfCohort) =>
      done((await import("../commands/exercise.ts")).hintExercise(id, learner, options)),
    );
  for (const [verb, description] of [
    ["check", "check one exercise of a learner, or all, and record the results"],
    ["solve", "solve one exercise in a learner's place, or all, and check"],
  ] as const) {
    exercise
      .command(verb)
      .description(description)
      .usage("[options] [exercise] <learner>")
      .argument("<exercise-and-learner...>", "an exercise and a learner, or a learner alone for all exercises")
      .option(...ofCohort)
      .option("--json", "for programs", false)
      .action(async (words: string[], options: OfCohort, command: Command) => {
        if (words.length > 2) return command.error(`error: ${verb} takes an exercise and a learner, and got ${words.length} words.`);
        const [id, learner] = words.length === 1 ? [undefined, words[0]!] : words;
        const commands = await import("../commands/exercise.ts");
        return done((verb === "check" ? commands.checkExercises : commands.solveExercises)(id, learner!, options));
      });
  }
}
