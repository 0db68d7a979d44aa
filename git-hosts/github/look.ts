import { LabError } from "../../shared/errors.ts";
import { githubApi } from "../../shared/github/api.ts";
import { githubCredential } from "../../shared/github/credential.ts";
import type { Thing } from "../../ledger/inventory.ts";
import type { Sight } from "../../ledger/sight.ts";
import { requireAccess } from "./preflight.ts";
import { repositoryWithId } from "./repositories.ts";

/** What the inventory says of a repository: GitHub's number, under the API that gave it, and the topic that says it is the cohort's. */
export function repositoryThing(
  apiUrl: string,
  topic: string,
  learner: string,
  { id, full_name: name }: { readonly id: number; readonly full_name: string },
): Thing {
  return { kind: "github-repository", id: `${apiUrl}/repositories/${id}`, name, learner, mark: topic };
}

/**
 * Looks for a repository by its number, wherever it is now.
 *
 * @param config a value of the stack's configuration, for the credential
 */
export async function lookForRepository(
  { id: url, name = "", mark: topic = "" }: Thing,
  config: (name: string) => string | undefined,
): Promise<Sight> {
  const [, apiUrl = "", number = ""] = /^(.+)\/repositories\/(\d+)$/.exec(url) ?? [];
  const remove = `gh api -X DELETE repositories/${number}`;
  try {
    const api = githubApi(apiUrl, githubCredential(config));
    const repository = await repositoryWithId(api, Number(number), name);
    if (repository === undefined) {
      // GitHub says the same of what is gone and of what is hidden.
      await requireAccess(api, name.split("/")[0] ?? "");
      return { state: "gone" };
    }
    const says = `repository ${repository.full_name} (number ${number})`;
    if (repository.archived) return { state: "kept", says: `${says}, archived` };
    if (!repository.topics.includes(topic)) return { state: "foreign", says: `${says}, which carries the topic ${topic} no more`, remove };
    return { state: "left", says, remove };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { state: "unknown", says: `repository ${name} (number ${number}): ${error.message}`, remove };
  }
}
