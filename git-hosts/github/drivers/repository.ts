import { LabError } from "../../../shared/errors.ts";
import type { GithubApi } from "../../../shared/github/api.ts";
import { messageIn } from "../../../shared/github/refusals.ts";
import type { Driver } from "../../../host/driver.ts";
import { requireAccess } from "../preflight.ts";
import { descriptionOf, isOwn, topicsOf, type Ownership } from "../ownership.ts";
import { repositoryThing } from "../look.ts";
import { Repository, repositoryAt, repositoryWithId, sshUrl } from "../repositories.ts";
import { retire, type OnTeardown } from "../retire.ts";
import { githubSession } from "../session.ts";
import { recordCreation } from "../../../ledger/inventory.ts";
import { noteRemainder } from "../../../ledger/remainders.ts";

export interface GithubRepositoryInput {
  readonly cohort: string;
  readonly learner: string;
  readonly organization: string;
  readonly name: string;
  readonly apiUrl: string;
  /** The cohort's: its repositories are known by it. */
  readonly topic: string;
  readonly onTeardown: OnTeardown;
}

export interface GithubRepositoryOutput {
  readonly cohort: string;
  readonly organization: string;
  readonly apiUrl: string;
  readonly topic: string;
  readonly description: string;
  readonly onTeardown: OnTeardown;
  /** GitHub's number: it stays when the repository is renamed, and no other one ever gets it. */
  readonly repositoryId: number;
  /** `<organization>/<name>`, as it is now. */
  readonly fullName: string;
  /** Clone URLs, both without credential. */
  readonly url: string;
  readonly sshUrl: string;
}

/**
 * A learner's private repository in an organization. Ours and not `github.Repository`, because that can neither take over
 * what an interrupted run has made nor tell, before it deletes, whether what has the name is still the same repository.
 */
export const githubRepository: Driver<GithubRepositoryInput, GithubRepositoryOutput, "github-repository"> = {
  name: "github-repository",
  replaceOn: ["cohort", "learner", "organization", "name", "apiUrl", "topic"],

  async ensure(input) {
    const { cohort, learner, organization, name, apiUrl, topic, onTeardown } = input;
    const api = githubSession(apiUrl);
    const own: Ownership = { topic, description: descriptionOf(learner, topic) };
    const found = await findOwn(api, input, own);
    const repository = found ?? (await create(api, input, own.description));
    await recordCreation(cohort, repositoryThing(apiUrl, topic, learner, repository));
    if (!topicsOf(own).every((one) => repository.topics.includes(one))) {
      await api.send({
        method: "PUT",
        path: `/repos/${repository.full_name}/topics`,
        body: { names: [...new Set([...repository.topics, ...topicsOf(own)])] },
        purpose: `mark ${repository.full_name} as learner ${learner}'s lab`,
        needs: needsAdmin,
      });
    }
    return {
      id: `${cohort}/${learner}/${name}`,
      output: { cohort, organization, apiUrl, ...own, onTeardown, ...addressesOf(repository) },
    };
  },

  /** A repository that carries the mark no more is not the lab's, and one that is archived takes no lab. */
  async read(_id, output) {
    const api = githubSession(output.apiUrl);
    const repository = await repositoryWithId(api, output.repositoryId, output.fullName);
    if (repository === undefined) await requireAccess(api, output.organization);
    if (repository === undefined || repository.archived || !isOwn(repository, output)) return undefined;
    return { ...output, ...addressesOf(repository) };
  },

  async remove(_id, { cohort, repositoryId, fullName, apiUrl, organization, onTeardown, ...own }) {
    const api = githubSession(apiUrl);
    const repository = await repositoryWithId(api, repositoryId, fullName);
    if (repository === undefined) return requireAccess(api, organization);
    if (isOwn(repository, own)) return retire(api, cohort, repository, onTeardown);
    await noteRemainder(
      cohort,
      `repository ${repository.full_name} (number ${repositoryId}): it carries the topic ${own.topic} no more, so it is somebody else's now and was left as it is; remove it at ${repository.html_url}/settings`,
    );
  },
};

const needsAdmin = "admin rights on the repository";

/** The repository that the lab made before under this name; throws where the name is somebody else's. */
async function findOwn(
  api: GithubApi,
  { learner, organization, name }: GithubRepositoryInput,
  own: Ownership,
): Promise<Repository | undefined> {
  const wanted = `${organization}/${name}`;
  const found = await repositoryAt(api, wanted);
  if (found === undefined) return undefined;
  const isAtName = found.full_name.toLowerCase() === wanted.toLowerCase();
  // An earlier lab's, moved away at its end: GitHub still leads from the old name to it.
  if (!isAtName && (found.archived || !isOwn(found, own))) return undefined;
  if (!isOwn(found, own))
    throw nameTaken(learner, found.full_name, `by a repository that this lab did not make (number ${found.id}, ${found.html_url})`);
  if (found.archived) {
    throw new LabError(
      "github-archived",
      `The repository ${found.full_name} of learner ${learner} is archived, so nobody can push to it. Unarchive it at ${found.html_url}/settings to go on with it, or rename it to get a new one, then run the command again.`,
    );
  }
  return found;
}

async function create(api: GithubApi, { learner, organization, name }: GithubRepositoryInput, description: string): Promise<Repository> {
  const { status, body } = await api.send({
    method: "POST",
    path: `/orgs/${organization}/repos`,
    body: { name, description, private: true, has_issues: false, has_projects: false, has_wiki: false, auto_init: false },
    purpose: `create the repository ${organization}/${name} of learner ${learner}`,
    needs: `the right to make private repositories in ${organization} (scope repo, or an App with administration: write)`,
    mayAnswer: [422],
  });
  if (status !== 422) return Repository.parse(body);
  if (/already exists/i.test(messageIn(body)))
    throw nameTaken(learner, `${organization}/${name}`, "by a repository that this credential may not even see");
  throw new LabError(
    "github-rejected",
    `GitHub did not create the repository ${organization}/${name} of learner ${learner}: ${messageIn(body)}. Mend that and run the command again.`,
  );
}

function nameTaken(learner: string, fullName: string, by: string): LabError {
  return new LabError(
    "github-name-taken",
    `The repository name ${fullName}, which learner ${learner} would get, is taken ${by}. It was not touched. Rename or remove it, or give the cohort or the learner another name, and run the command again.`,
  );
}

function addressesOf({ id, full_name, clone_url, ssh_url }: Repository) {
  return { repositoryId: id, fullName: full_name, url: clone_url, sshUrl: sshUrl(ssh_url) };
}
