import type { GithubResource } from "./resource.ts";
import { collaborator } from "./resources/collaborator.ts";
import { deployKey } from "./resources/deploy-key.ts";
import { ruleset } from "./resources/ruleset.ts";
import { secret } from "./resources/secret.ts";
import { actionsPermissions, workflowPermissions } from "./resources/settings.ts";
import { LabError } from "../../shared/errors.ts";

/** What the lab uses of the GitHub provider, and so all that this plugin serves. */
const resources: Readonly<Record<string, GithubResource>> = {
  "github:index/repositoryDeployKey:RepositoryDeployKey": deployKey,
  "github:index/repositoryCollaborator:RepositoryCollaborator": collaborator,
  "github:index/actionsRepositoryPermissions:ActionsRepositoryPermissions": actionsPermissions,
  "github:index/workflowRepositoryPermissions:WorkflowRepositoryPermissions": workflowPermissions,
  "github:index/repositoryRuleset:RepositoryRuleset": ruleset,
  "github:index/actionsSecret:ActionsSecret": secret,
};

/** By the URN of a resource. Throws LabError for a kind that only Pulumi's own plugin serves. */
export function resourceOf(urn: string): GithubResource {
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const resource = resources[type];
  if (resource !== undefined) return resource;
  throw new LabError(
    "github-resource",
    `${type} is no resource that the stand-in for Pulumi's GitHub plugin serves; it serves ${Object.keys(resources)
      .map((name) => name.split(":").at(-1))
      .join(", ")}. Install Pulumi's own with \`pulumi plugin install resource github\`.`,
  );
}
