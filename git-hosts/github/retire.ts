import { z } from "zod";
import type { GithubApi } from "../../shared/github/api.ts";
import { noteRemainder } from "../../ledger/remainders.ts";
import type { Repository } from "./repositories.ts";

/** What becomes of a repository when its lab goes. */
export type OnTeardown = "archive" | "delete";

/** What titles of the lab's deploy keys begin with. */
export const deployKeyTitle = "gitops-lab";
/** The Actions secrets that the template's workflows read. */
export const registrySecrets = ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"] as const;

/**
 * Deletes a repository, or takes the lab's credentials out of it, moves it out of the way of the next lab of that name
 * and archives it: the learner keeps reading what they did. What is archived already is left as it is.
 */
export async function retire(
  api: GithubApi,
  cohort: string,
  repository: Repository,
  onTeardown: OnTeardown,
  now: Date = new Date(),
): Promise<void> {
  const { id, full_name: fullName, name, archived } = repository;
  if (onTeardown === "delete") {
    await api.send({
      method: "DELETE",
      path: `/repos/${fullName}`,
      purpose: `delete the repository ${fullName}`,
      needs: "admin rights there and the scope delete_repo",
      mayAnswer: [404],
    });
    return;
  }
  if (archived) return;
  const needs = "admin rights on the repository";
  const keys = await api.send({
    method: "GET",
    path: `/repos/${fullName}/keys?per_page=100`,
    purpose: `list the deploy keys of ${fullName}`,
    needs,
  });
  for (const { id: keyId, title } of z.array(z.object({ id: z.int(), title: z.string() })).parse(keys.body)) {
    if (!title.startsWith(deployKeyTitle)) continue;
    await api.send({
      method: "DELETE",
      path: `/repos/${fullName}/keys/${keyId}`,
      purpose: `take the deploy key ${title} off ${fullName}`,
      needs,
      mayAnswer: [404],
    });
  }
  for (const secret of registrySecrets) {
    const path = `/repos/${fullName}/actions/secrets/${secret}`;
    const found = await api.send({
      method: "GET",
      path,
      purpose: `look for the Actions secret ${secret} of ${fullName}`,
      needs,
      mayAnswer: [404],
    });
    if (found.status !== 404)
      await api.send({ method: "DELETE", path, purpose: `take the Actions secret ${secret} off ${fullName}`, needs, mayAnswer: [404] });
  }
  const archive = `${name}-archived-${now
    .toISOString()
    .replace(/[-:]|\.\d+/g, "")
    .toLowerCase()}`;
  const moved = await api.send({
    method: "PATCH",
    path: `/repos/${fullName}`,
    body: { name: archive },
    purpose: `rename ${fullName} to ${archive}`,
    needs,
  });
  const { full_name: newName } = z.object({ full_name: z.string() }).parse(moved.body);
  await api.send({ method: "PATCH", path: `/repos/${newName}`, body: { archived: true }, purpose: `archive ${newName}`, needs });
  await noteRemainder(cohort, `repository ${newName} (number ${id}), archived: \`gh repo delete ${newName}\` removes it`, "kept");
}
