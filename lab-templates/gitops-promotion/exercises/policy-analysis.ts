import { z } from "zod";
import { fluxNamespace } from "../../../shared/names.ts";
import { editableYaml } from "../../../shared/yaml.ts";
import { backendName } from "../../../verification/backend-deployment.ts";
import { getLive, ImagePolicy, ImageRepository, listLive } from "../../../verification/live-objects.ts";
import { execInTime, explainPolicy, goPattern, type Ordering } from "../../../verification/policy-explanation.ts";
import { notReady } from "../../../verification/readiness.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";
import type { Exercise } from "../../types.ts";
import { policyLab } from "../policy-lab.ts";
import { Answer, judge, readAnswers } from "./answers.ts";

const path = "exercises/policy-analysis.yaml";
const switchPath = "flux/bootstrap/infrastructure/kustomization.yaml";
const productionPolicy = "flux/apps/backend/production/image-policy.yaml";

type Variant = (typeof policyLab.variants)[number];
type LivePolicy = z.output<typeof ImagePolicy.schema>;

const keptOut = [policyLab.tags[0], policyLab.tags[1], policyLab.tags[4], policyLab.tags[3]] as const;

const byKey = <K extends string, S extends z.ZodType>(keys: readonly K[], schema: S) =>
  z.object(Object.fromEntries(keys.map((key) => [key, schema])) as Record<K, S>);
const Answers = z.object({
  variants: byKey<Variant, z.ZodObject<{ selects: typeof Answer; "wrong-tag-in-production": typeof Answer }>>(
    policyLab.variants,
    z.object({ selects: Answer, "wrong-tag-in-production": Answer }),
  ),
  "keeps-out": byKey(keptOut, Answer),
});
type Answers = z.output<typeof Answers>;

export const policyAnalysis: Exercise = {
  id: "policy-analysis",
  title: "Analyse a policy",
  instructions: `Why can an image of develop not be deployed to production by accident? The \`pattern\` in
\`${productionPolicy}\` is the reason; this exercise takes it apart.

1. Read the policies in \`flux/policy-lab/\`: each changes one thing of production's. \`${path}\` lists the tags they choose
   from, most of them traps. Predict which tag each policy selects.
2. Try it: in \`${switchPath}\`, take away the \`# \` before \`- policy-lab.yaml\`, commit and push. Flux applies the policies,
   and its image-reflector tells what they really select (no automation follows them, so nothing is deployed):

   \`\`\`sh
   flux get image policy -n policy-lab
   \`\`\`

3. Write into \`${path}\` what each policy selects, \`none\` where it is not Ready; whether production would get a wrong tag if it
   used that policy; and which fragment of production's pattern keeps each of four tags out. Commit and push.`,
  hints: [
    "A pattern without `^` and `$` matches anywhere inside a tag. Only the part that `extract` names is compared, and the greatest is selected.",
    "`numerical` wants every extracted value to be a number: one that is none makes the whole policy fail. `alphabetical` compares character by character, so 9 comes after 1 and letters come after digits.",
    "A tag is wrong for production when the pattern of `chapter` does not match it. A policy that selects nothing brings none.",
    "For a fragment, put the tag below the pattern and go from left to right: the first place where they part is where to look. The end of the pattern is a place too.",
  ],
  check,
  async solve(bench) {
    await bench.commit("Apply the policies of exercise policy-analysis", async (files) => {
      const text = (await files.read(switchPath)) ?? "";
      await files.write(switchPath, text.replace("# - policy-lab.yaml", "- policy-lab.yaml"));
    });
    const selected = await bench.waitFor("the policies in flux/policy-lab/ to be tried", async (context) => {
      const policies = await livePolicies(context);
      return policies.size === policyLab.variants.length && [...policies.values()].every(isTried)
        ? new Map([...policies].map(([name, policy]) => [name, selection(policy)]))
        : undefined;
    });
    await bench.commit("Answer exercise policy-analysis", async (files) => {
      const document = editableYaml((await files.read(path)) ?? "");
      const own = explainPolicy(await chapterPattern(bench), "$ts", { by: "numerical", order: "asc" }, policyLab.tags);
      for (const [name, tag] of selected) {
        document.setIn(["variants", name, "selects"], tag ?? "none");
        document.setIn(["variants", name, "wrong-tag-in-production"], isWrong(tag, own) ? "yes" : "no");
      }
      for (const [index, fragment] of ["^production", "^production", "$", "{10}"].entries())
        document.setIn(["keeps-out", keptOut[index]!], fragment);
      await files.write(path, document.toString({ lineWidth: 0 }));
    });
  },
};

async function check(context: CheckContext): Promise<CheckResult> {
  const [policies, repository, production, read] = await Promise.all([
    livePolicies(context),
    getLive(context.kube, ImageRepository, fluxNamespace, policyLab.image),
    getLive(context.kube, ImagePolicy, "production", backendName),
    readAnswers(context, path, Answers),
  ]);
  const missing = policyLab.variants.filter((name) => !policies.has(name));
  const judged = (problems: readonly string[], hint: string) =>
    judge(problems, {
      expected: `the policies in flux/policy-lab/ tried by Flux, and ${path} saying what they select and why`,
      hint,
      observed: `all ${policyLab.variants.length} policies tried; every answer fits what the image-reflector says`,
    });
  if (missing.length > 0 || repository === undefined) {
    return judged(
      [
        `Not applied yet: ${missing.length > 0 ? `ImagePolicy ${missing.join(", ")} in namespace ${policyLab.namespace}` : `ImageRepository ${fluxNamespace}/${policyLab.image}`}.`,
      ],
      `Take \`- policy-lab.yaml\` into ${switchPath}, push, and wait for Flux.`,
    );
  }
  const trouble = notReady(repository);
  const untried = [...policies].filter(([, policy]) => !isTried(policy)).map(([name]) => name);
  if (trouble !== undefined || untried.length > 0)
    return judged(
      [trouble ?? `Flux has not tried ${untried.join(", ")} yet.`],
      `Look at \`flux get images all -n ${fluxNamespace}\` and \`flux get image policy -n ${policyLab.namespace}\`.`,
    );
  if ("problem" in read) return judged([read.problem], "The file's own comments say what belongs where.");
  const pattern = production?.spec.filterTags?.pattern;
  if (pattern === undefined)
    return judged(
      ["ImagePolicy production/backend has no pattern, so there is nothing to explain."],
      `Put ${productionPolicy} back as the first commit has it.`,
    );
  return judged(
    [
      ...wrongVariants(read.answers, policies),
      ...keptOut.flatMap((tag) => wrongFragment(tag, read.answers["keeps-out"][tag], pattern) ?? []),
    ],
    `Look at \`flux get image policy -n ${policyLab.namespace}\` and put the tags beside the patterns in flux/policy-lab/.`,
  );
}

async function livePolicies({ kube }: CheckContext): Promise<Map<Variant, LivePolicy>> {
  const found = await listLive(kube, ImagePolicy, policyLab.namespace);
  return new Map(
    policyLab.variants.flatMap((name) => found.filter(({ metadata }) => metadata.name === name).map((policy) => [name, policy] as const)),
  );
}

/** Whether the controller has come to a result with what the policy says now, and not only waits for the first scan. */
function isTried({ metadata, status }: LivePolicy): boolean {
  const ready = status.conditions.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return status.observedGeneration === metadata.generation;
  return (
    ready?.status === "False" &&
    !["DependencyNotReady", "AccessDenied", "Progressing"].includes(ready.reason) &&
    !/ImageRepository|no tags in database/.test(ready.message)
  );
}

function selection(policy: LivePolicy): string | undefined {
  return notReady(policy) === undefined ? policy.status.latestRef?.tag : undefined;
}

function ordering({ spec }: LivePolicy): Ordering {
  const { numerical, alphabetical } = spec.policy;
  return {
    by: numerical ? "numerical" : "alphabetical",
    order: (numerical ?? alphabetical)?.order?.toLowerCase() === "desc" ? "desc" : "asc",
  };
}

const explained = (policy: LivePolicy) =>
  explainPolicy(policy.spec.filterTags?.pattern ?? "", policy.spec.filterTags?.extract ?? "", ordering(policy), policyLab.tags);

/** Whether a selected tag is one that the chapter's own policy does not match. */
function isWrong(selected: string | undefined, chapter: ReturnType<typeof explainPolicy>): boolean {
  return selected !== undefined && !chapter.tags.some(({ tag, matches }) => tag === selected && matches);
}

function wrongVariants(answers: Answers, policies: ReadonlyMap<Variant, LivePolicy>): string[] {
  const chapter = explained(policies.get("chapter")!);
  return [...policies].flatMap(([name, policy]) => {
    const { selects, "wrong-tag-in-production": reaches } = answers.variants[name];
    const selected = selection(policy);
    const problems: string[] = [];
    if (selects === "") problems.push(`\`variants.${name}.selects\` has no answer.`);
    else if (selects !== (selected ?? "none"))
      problems.push(`\`variants.${name}.selects\` is ${selects}: ${whyNot(selects, selected, policy)}`);
    if (!/^(yes|no)$/i.test(reaches))
      problems.push(
        reaches === ""
          ? `\`variants.${name}.wrong-tag-in-production\` has no answer.`
          : `\`variants.${name}.wrong-tag-in-production\` is "${reaches}"; it must be yes or no.`,
      );
    else if ((reaches.toLowerCase() === "yes") !== isWrong(selected, chapter)) {
      problems.push(
        `\`variants.${name}.wrong-tag-in-production\` is ${reaches}, but that does not fit what the policy selects. Hold the selected tag, if there is one, against the pattern of \`chapter\`.`,
      );
    }
    return problems;
  });
}

function whyNot(answer: string, selected: string | undefined, policy: LivePolicy): string {
  if (answer === "none") return "the policy is Ready and does select a tag.";
  const tag = explained(policy).tags.find((one) => one.tag === answer);
  if (tag === undefined) return `no tag of ${policyLab.image} has that name.`;
  return selected === undefined && tag.matches ? `it matches, but look at the policy's READY column and message.` : tag.because;
}

function wrongFragment(tag: string, fragment: string, pattern: string): string | undefined {
  const place = `\`keeps-out.${tag}\``;
  if (fragment === "") return `${place} has no answer.`;
  const at = pattern.indexOf(fragment);
  if (at < 0) return `${place} is ${fragment}, which is no part of the pattern in ${productionPolicy}.`;
  if (fragment.length > pattern.length / 2) return `${place} is most of the pattern. Which short part of it is the reason?`;
  // The same signs may stand in several places; one of them must be the reason.
  for (let from = at; from >= 0; from = pattern.indexOf(fragment, from + 1)) {
    const opened = goPattern(`${pattern.slice(0, from)}.*${pattern.slice(from + fragment.length)}`);
    const match = "regexp" in opened ? execInTime(opened.regexp, [tag]) : [];
    if ("problem" in match) return `${place} can't be tried: ${match.problem}.`;
    if (match[0]) return undefined;
  }
  return `${place} is ${fragment}, but with \`.*\` in its place the tag would still not match: something else keeps it out.`;
}

async function chapterPattern(bench: Parameters<Exercise["solve"]>[0]): Promise<string> {
  return bench.observe(async ({ kube }) => (await getLive(kube, ImagePolicy, "production", backendName))?.spec.filterTags?.pattern ?? "");
}
