import { createHash } from "node:crypto";
import { z } from "zod";
import { siblingImage } from "../../shared/image-paths.ts";
import { environments, registryAuthoritySecret, type Environment } from "../../shared/names.ts";
import { deployedDigest } from "../../verification/checks/deployed-digest.ts";
import { imagePolicyMatch } from "../../verification/checks/image-policy-match.ts";
import { kustomizationsReconciled } from "../../verification/checks/kustomizations-reconciled.ts";
import { rollbackCommit } from "../../verification/checks/rollback-commit.ts";
import { proposalBranch, recordPath } from "../../verification/promotion-record.ts";
import type { FileTree, LabTemplate, Release, SeedContext } from "../types.ts";
import { drills } from "./drills/drills.ts";
import { exercises } from "./exercises/exercises.ts";
import { fillIn, readTree, under } from "./files.ts";
import { guide } from "./guide.ts";
import { policyLab } from "./policy-lab.ts";
import { quiz } from "./quiz.ts";
import { formatTag } from "../../shared/tags.ts";
import { labHostKind } from "../../shared/on-lab-host.ts";

const Params = z.strictObject({
  /** Pods of the backend in each environment. */
  replicas: z.int().min(1).max(5).default(2),
  /** How often Flux looks for new tags and for what to write back, as a Go duration in seconds, minutes or hours. */
  interval: z
    .string()
    .regex(/^[1-9][0-9]*[smh]$/, "must be a number followed by s, m or h, such as 1m")
    .default("1m"),
});
type Params = z.output<typeof Params>;

const files = (folder: string) => readTree(new URL(`./files/${folder}/`, import.meta.url));
const app = files("app");
const repository = files("repository");
/** Becomes flux/apps/backend/<environment>/. */
const overlay = files("environment");
/** Becomes promotion/<environment>.yaml. */
const record = files("promotion")["record.yaml"] ?? "";
/** The pipeline as workflows of the repository, for a Git host that has no pipeline of the lab beside it. */
const github = files("github");
/** Says what the scripts beside it need to know; they themselves are as they are, for the shell has the same `${name}`. */
const isFilledIn = (path: string) => path.endsWith(".yaml") || path.endsWith("/settings.sh");

/**
 * The promotion chapter: one image goes through develop, staging and production by retagging. Release 0.1.0 runs
 * everywhere in the seed commit; 0.2.0 waits in the registry, so that Flux' own update commits, one per environment,
 * are there to be inspected and reverted at hand-over.
 */
export const gitopsPromotion: LabTemplate<Params> = {
  name: "gitops-promotion",
  title: "GitOps promotion with image automation",
  params: Params,
  environments,
  app: () => app,
  releases: () => releases,
  sideImages: [{ name: policyLab.image, tags: policyLab.tags }],
  tag: (environment, { version, revision, created }) => formatTag({ environment, version, revision, created }),
  seed,
  evidence: [kustomizationsReconciled, imagePolicyMatch, deployedDigest, rollbackCommit],
  quiz,
  guide,
  exercises,
  drills,
};

const releases: readonly [Release, ...Release[]] = [release("0.1.0", Date.UTC(2026, 0, 12, 9)), release("0.2.0", Date.UTC(2026, 0, 19, 9))];

/** Stands for the commit that a release would have been built from: a hash over the source and the version. */
function release(version: string, createdMs: number): Release {
  const source = JSON.stringify([version, ...Object.entries(app)]);
  return { version, revision: createHash("sha256").update(source).digest("hex").slice(0, 7), created: createdMs / 1000 };
}

function seed({
  params,
  learner,
  imageRepository,
  insecureRegistry,
  registryAuthority = false,
  gitUrl,
  branch,
  gitHost = labHostKind,
  digests,
}: SeedContext<Params>): FileTree {
  const [deployed] = releases;
  const asked = releases.at(-1) ?? deployed;
  const [digest, askedDigest] = [deployed, asked].map(({ version }) => digests[version]);
  if (digest === undefined || askedDigest === undefined)
    throw new Error(`The seed needs the digests of ${deployed.version} and ${asked.version}; it got ${JSON.stringify(digests)}.`);
  const onGithub = gitHost === "github";
  const answer = onGithub ? "in the run of its workflow, on this repository's Actions page" : "in the answer to your push";
  const values = {
    ...params,
    answer,
    learner: learner.name,
    imageRepository,
    insecureRegistry,
    registryTrust: registryAuthority ? `\n  certSecretRef:\n    name: ${registryAuthoritySecret}` : "",
    gitUrl,
    branch,
    ...policyLabValues(imageRepository),
  };
  const overlays = environments.map((environment) =>
    under(
      `flux/apps/backend/${environment}`,
      fillIn(overlay, { ...values, ...pushTarget(environment, branch), environment, tag: formatTag({ environment, ...deployed }), digest }),
    ),
  );
  const records = environments.slice(1).map((environment, index) => {
    const previous = environments[index]!;
    return fillIn(
      { [recordPath(environment)]: record },
      { environment, previous, tag: formatTag({ environment: previous, ...asked }), digest: askedDigest },
    );
  });
  const pipeline = onGithub ? githubPipeline(imageRepository, insecureRegistry, branch) : {};
  return Object.assign({}, fillIn(repository, values), under("app", app), ...overlays, ...records, pipeline);
}

/** GitHub's own registry takes the job's token; another one a credential that the repository keeps as secrets. */
function githubPipeline(imageRepository: string, insecureRegistry: boolean, branch: string): FileTree {
  const credential = imageRepository.startsWith("ghcr.io/")
    ? { registryUsername: "github.actor", registryPassword: "secrets.GITHUB_TOKEN", packages: "write" }
    : { registryUsername: "secrets.REGISTRY_USERNAME", registryPassword: "secrets.REGISTRY_PASSWORD", packages: "none" };
  const asIs = Object.entries(github).filter(([path]) => !isFilledIn(path));
  const filledIn = Object.entries(github).filter(([path]) => isFilledIn(path));
  const values = { ...credential, imageRepository, insecureRegistry, branch, environments: environments.join(" ") };
  return { ...Object.fromEntries(asIs), ...fillIn(Object.fromEntries(filledIn), values) };
}

function policyLabValues(imageRepository: string) {
  return {
    policyLabRepository: siblingImage(imageRepository, policyLab.image),
    policyLabTags: policyLab.tags.map((tag) => `#   ${tag}`).join("\n"),
  };
}

/** Develop follows its newest tag at once; what comes after takes only what a promotion asks for. */
function pushTarget(environment: Environment, branch: string): { readonly pushBranch: string; readonly pushReason: string } {
  if (environment === environments[0]) return { pushBranch: branch, pushReason: "Flux applies that at once." };
  return {
    pushBranch: proposalBranch(environment),
    pushReason: `That branch only proposes: the pipeline takes it to ${branch} when ${recordPath(environment)} asks for that image.`,
  };
}
