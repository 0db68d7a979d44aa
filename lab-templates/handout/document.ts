import type { LabTemplate } from "../types.ts";
import { noRoom } from "../../shared/isolation.ts";
import { addressesOf, type CohortOutputs, type LearnerOutputs } from "../../shared/outputs.ts";
import { printable } from "../../shared/printable.ts";

/** Names of the files beside the pages; what is secret is in these alone. */
export const handoutFiles = {
  environment: "env.sh",
  kubeconfig: "kubeconfig.yaml",
  git: "git-credentials",
  registry: "registry/config.json",
  authority: "ca.crt",
  check: "check.sh",
  page: "page-link.txt",
} as const;

/** A learner's handout as Markdown. Pure, and without any credential: the files beside it hold them. */
export function handoutOf(
  outputs: Pick<CohortOutputs, "course" | "cohort" | "simulated">,
  learner: LearnerOutputs,
  template: LabTemplate,
): string {
  const sections = [
    `# Your lab: ${template.title}`,
    [
      `- **Learner**: ${literal(learner.name)} (${learner.id})`,
      `- **Course**: ${literal(outputs.course)}`,
      `- **Cohort**: ${outputs.cohort}`,
    ].join("\n"),
    connect(learner),
    template.guide,
    exercises(template, learner),
    ...(template.drills.length > 0 ? [drills(template)] : []),
    quiz(template),
    evidence(learner),
    reality(outputs, learner),
  ];
  return `${sections.join("\n\n")}\n`;
}

function connect(learner: LearnerOutputs): string {
  const { name, email, git, open, registry } = learner;
  const { apiServer, gitUrl, repository, insecure } = addressesOf(learner);
  const certificate = open ? `  -c "http.${gitUrl}.sslCAInfo=$HANDOUT/${handoutFiles.authority}" \\\n` : "";
  const settings = [`user.name=${name}`, `user.email=${email}`].map((setting) => `  -c ${shellWord(printable(setting))} \\`).join("\n");
  const isOwnAccount = git.password === "";
  const store = isOwnAccount ? "" : `-c "credential.helper=store --file='$HANDOUT/${handoutFiles.git}'" \\\n`;
  const gitAccess = isOwnAccount ? `your account ${literal(git.username)}; accept its invitation first` : `\`${handoutFiles.git}\``;
  const list = `as in \`crane ls${insecure ? " --insecure" : ""} ${repository}\``;
  return `## Connect

${open ? remote : "Work on the lab host; its addresses are reachable from there alone."} In the folder of this page:

\`\`\`sh
. ./${handoutFiles.environment}
flux get kustomizations -n flux-system
\`\`\`

The first line gives this shell your access to the cluster and to the images, and says which programs you miss. \`sh ./${handoutFiles.check}\` tells
what can't be reached, and why. Then clone your repository:

\`\`\`sh
git clone ${store}${certificate}${settings}
  ${gitUrl}
\`\`\`

| what | where | your credential |
| --- | --- | --- |
| cluster | ${apiServer} | \`${handoutFiles.kubeconfig}\` |
| repository, branch \`${git.branch}\` | ${gitUrl} | ${gitAccess} |
| images | \`${repository}\` | ${registry.shared ? `an account of your own there, if you have one, ${list}` : `\`${handoutFiles.registry}\`, ${list}`} |${open ? `\n| your page | ${open.page} | \`${handoutFiles.page}\`: a link that lets in once, within a week, while the dashboard runs |` : ""}
${open ? elsewhere(registry.repository, open.repository) : ""}
These files are yours alone. Leave them out of commits, mails and chats; whoever has them is you.`;
}

const remote = `Work on your own machine; you need git, and for looking around kubectl, flux and crane. Everything goes over TLS, with
certificates of this lab's own authorities; what you need of them is in the files beside this page.`;

/** @param here how the learner comes to the images */
function elsewhere(repository: string, here: string): string {
  const names =
    repository === here
      ? "In Git and in the cluster the images have this name, too."
      : `In Git and in the cluster the images are called \`${repository}\`: that is where the cluster itself pulls them, and what your
manifests go on saying.`;
  return `
${names} Docker wants \`${handoutFiles.authority}\` in its folder \`certs.d/<host>:<port>/\`, a browser among its authorities.
`;
}

function exercises({ exercises: all }: LabTemplate, { id }: LearnerOutputs): string {
  const list = all.map(({ title, instructions, hints }) => `### ${title}\n\n${instructions}\n\n${hints.length} hints on request.`);
  return [
    `## Exercises`,
    `Ask your instructor for a check or for the next hint (\`./lab exercise check <exercise> ${id}\`, \`./lab exercise hint <exercise> ${id}\`).`,
    ...list,
  ].join("\n\n");
}

function drills({ drills: all }: LabTemplate): string {
  return `## Incidents

Your instructor can start one of ${all.length} incidents in your lab. You are told the symptom; find the cause and repair it, the way that holds.`;
}

function quiz({ quiz: { questions } }: LabTemplate): string {
  const points = questions.reduce((sum, question) => sum + question.points, 0);
  const topics = questions.map(({ topic }) => `- ${topic}`).join("\n");
  return `## Quiz\n\n${questions.length} questions, ${points} points, choices and short answers; 10 to 15 minutes, with your instructor. The topics:\n\n${topics}`;
}

function evidence({ evidenceCommands, environments }: LearnerOutputs): string {
  const rows = evidenceCommands.map(({ item, command }) => `| ${item} | \`${command}\` |`);
  const start = environments.map(({ name, tag }) => `- ${name}: \`${tag}\``);
  return `## Evidence\n\nFor every promotion, collect:\n\n| item | command |\n| --- | --- |\n${rows.join("\n")}\n\nWhen the lab was handed over it ran:\n\n${start.join("\n")}`;
}

function reality({ simulated }: Pick<CohortOutputs, "simulated">, learner: LearnerOutputs): string {
  const { cluster } = learner;
  const stands = simulated.length > 0 ? simulated.map((sentence) => `- ${literal(sentence)}`).join("\n") : "- Nothing.";
  const nodes =
    cluster.nodes === "simulated"
      ? "\n\nSo a pod has no logs and can't be entered, and no application answers; what a pod is to run, by digest, is true."
      : "";
  return `## What is real and what is simulated

Real: the API server with its controllers, Flux, Git, the registry, the images and their digests. Not real here:

${stands}${nodes}${apart(learner)}`;
}

/** Whom the learner has to trust, where no room is between them; nothing where there is one. */
function apart(learner: LearnerOutputs): string {
  if (noRoom(learner) === undefined) return "";
  return `

## No room of your own

This lab is not kept apart from the machine it runs on, nor from the other learners' labs: others could read and change what
you have here, and what you push runs with the rights of who started the lab. Keep nothing here that is not for others' eyes,
and run no code here that you do not trust.`;
}

/** Text of others as text: on one line, and no character of it means anything to Markdown. */
function literal(text: string): string {
  return printable(text).replace(/[\\`*_{}[\]<>#|~]/g, "\\$&");
}

/** One word of a shell's command line. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
