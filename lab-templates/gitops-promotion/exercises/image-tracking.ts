import { z } from "zod";
import { environments, fluxNamespace, type Environment } from "../../../shared/names.ts";
import { newestTag, parseTag } from "../../../shared/tags.ts";
import { editableYaml } from "../../../shared/yaml.ts";
import { backendName } from "../../../verification/backend-deployment.ts";
import { getLive, ImagePolicy, ImageRepository } from "../../../verification/live-objects.ts";
import { pushOf, readPromotionHistory, tagsMade } from "../../../verification/promotion-history.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";
import type { Exercise } from "../../types.ts";
import { Answer, judge, readAnswers } from "./answers.ts";

const path = "exercises/image-tracking.yaml";

const PolicyAnswer = z.object({ namespace: Answer, tag: Answer });
const Answers = z.object({
  repository: z.object({ "tags-found": Answer }),
  policies: z.object({ develop: PolicyAnswer, staging: PolicyAnswer, production: PolicyAnswer } satisfies Record<Environment, unknown>),
});

export const imageTracking: Exercise = {
  id: "image-tracking",
  title: "Verify image automation",
  instructions: `Find out which tags Flux tracks for the backend:

\`\`\`sh
flux get images all -A
\`\`\`

The answer has three parts: what the scan of the registry found (ImageRepository), what each environment's policy selected
(ImagePolicy), and what automation did with it (ImageUpdateAutomation). Write what you read into \`${path}\`, commit and
push.

An answer counts as of the time of its push: what is shipped or promoted later does not make it wrong.`,
  hints: [
    "The first table is the scan: its message says how many tags were found. The second has one policy for each environment.",
    "The first column of each table is the namespace. The policies live in the environments' namespaces, which is why `flux get image policy` without `-A` finds none.",
    "A tag says which environment's family it belongs to. If yours names another environment than its policy's, you have the wrong line.",
  ],
  check,
  async solve(bench) {
    const seen = await bench.observe(async ({ kube }) => ({
      repository: await getLive(kube, ImageRepository, fluxNamespace, backendName),
      tags: await Promise.all(
        environments.map(
          async (name) => [name, (await getLive(kube, ImagePolicy, name, backendName))?.status.latestRef?.tag ?? ""] as const,
        ),
      ),
    }));
    await bench.commit("Answer exercise image-tracking", async (files) => {
      const document = editableYaml((await files.read(path)) ?? "");
      document.setIn(["repository", "tags-found"], String(seen.repository?.status.lastScanResult?.tagCount ?? ""));
      for (const [name, tag] of seen.tags) {
        document.setIn(["policies", name, "namespace"], name);
        document.setIn(["policies", name, "tag"], tag);
      }
      await files.write(path, document.toString({ lineWidth: 0 }));
    });
  },
};

async function check(context: CheckContext): Promise<CheckResult> {
  const read = await readAnswers(context, path, Answers);
  const { problems, observed } = "problem" in read ? { problems: [read.problem], observed: "" } : await compare(context, read.answers);
  return judge(problems, {
    expected: `${path} says what the live ImageRepository and ImagePolicies say, or said when it was pushed`,
    hint: "Run `flux get images all -A` again, correct the file and push.",
    observed,
  });
}

async function compare(
  context: CheckContext,
  answers: z.output<typeof Answers>,
): Promise<{ readonly problems: string[]; readonly observed: string }> {
  const { kube } = context;
  const [then, repository, ...policies] = await Promise.all([
    asOfPush(context),
    getLive(kube, ImageRepository, fluxNamespace, backendName),
    ...environments.map((name) => getLive(kube, ImagePolicy, name, backendName)),
  ]);
  const counts = [...then.counts, repository?.status.lastScanResult?.tagCount];
  const found = answers.repository["tags-found"];
  const problems: string[] = [];
  if (found === "") problems.push("`repository.tags-found` has no answer.");
  else if (!/^[0-9]+$/.test(found)) problems.push(`\`repository.tags-found\` is "${found}"; it must be a number.`);
  else if (!counts.includes(Number(found))) {
    problems.push(
      `\`repository.tags-found\` is ${found}, which is not what the scan of ImageRepository ${fluxNamespace}/${backendName} found. Look at its message in the first table.`,
    );
  }
  for (const [index, name] of environments.entries()) {
    const { namespace, tag } = answers.policies[name];
    const where = `\`policies.${name}`;
    if (namespace === "") problems.push(`${where}.namespace\` has no answer.`);
    else if (namespace !== name)
      problems.push(
        `${where}.namespace\` is ${namespace}, where no policy of ${name} lives. Look at the first column of the second table.`,
      );
    const right = [policies[index]?.status.latestRef?.tag, ...then.tags(name)];
    if (tag === "") problems.push(`${where}.tag\` has no answer.`);
    else if (!right.includes(tag)) problems.push(`${where}.tag\` ${wrongTag(tag, name)}`);
  }
  return {
    problems,
    observed: `${found} tags found; ${environments.map((name) => `${name} tracks ${answers.policies[name].tag}`).join(", ")}`,
  };
}

function wrongTag(tag: string, environment: Environment): string {
  const family = parseTag(tag)?.environment;
  if (family === undefined)
    return `is "${tag}", which is no tag of the form <environment>-v<version>-<revision>-<unix time>. Copy the tag alone, without the image's name.`;
  if (family !== environment)
    return `is ${tag}, a tag of ${family}: the policy of ${environment} tracks no other family than its own. Look at the line of ${environment}/${backendName}.`;
  return `is ${tag}, which is not the tag that the policy had selected when you pushed. Look at the line of ${environment}/${backendName} in the second table.`;
}

/** The pipeline needs a moment from a push to its tag, and Flux another to the scan. */
const toleranceMs = 120_000;

/** What was right when the answers were pushed: from the tags at hand-over and those that the pipeline made until then. */
async function asOfPush(context: CheckContext): Promise<{ readonly counts: readonly number[]; tags(environment: Environment): string[] }> {
  const history = await readPromotionHistory(context);
  const [answered] = history.commits.filter(({ paths }) => paths.includes(path));
  const push = answered && (await pushOf(history, answered.id));
  if (push === undefined) return { counts: [], tags: () => [] };
  const made = tagsMade(history);
  const until = Date.parse(push.at);
  const times = [
    until,
    until - toleranceMs,
    ...made.map(({ at }) => Date.parse(at)).filter((at) => at <= until && at >= until - toleranceMs),
  ];
  // Of the seed's two releases these are the newer one's tags; the older has as many.
  const seeded = context.learner.environments.map(({ tag }) => tag);
  const known = times.map((time) => [...seeded, ...made.filter(({ at }) => Date.parse(at) <= time).map(({ tag }) => tag)]);
  return {
    counts: known.map((tags) => seeded.length + tags.length),
    tags: (environment) => known.flatMap((tags) => newestTag(tags, environment) ?? []),
  };
}
