import { z } from "zod";
import { isObject, type Properties } from "../../../shared/json.ts";
import { needs, repositoryPath, text, type GithubResource, type Scope } from "../resource.ts";

/** A setting that a repository always has: made and changed alike, and left as it is at the end. */
function setting(
  apply: (scope: Scope, inputs: Properties) => Promise<void>,
  look: (scope: Scope, state: Properties) => Promise<Properties | undefined>,
): GithubResource {
  return {
    replaceOn: ["repository"],
    async create(scope, inputs) {
      await apply(scope, inputs);
      return { id: text(inputs, "repository"), state: inputs };
    },
    read: (scope, _id, state) => look(scope, state),
    async update(scope, _id, inputs) {
      await apply(scope, inputs);
      return inputs;
    },
    // The official plugin would set GitHub's default again; what was limited here stays so.
    async remove() {},
  };
}

const Permissions = z.object({ enabled: z.boolean(), allowed_actions: z.string().optional() });
const Workflow = z.object({ default_workflow_permissions: z.string(), can_approve_pull_request_reviews: z.boolean() });

/** github:index/actionsRepositoryPermissions:ActionsRepositoryPermissions */
export const actionsPermissions = setting(
  async (scope, inputs) => {
    const path = `${repositoryPath(scope, inputs)}/actions/permissions`;
    const { enabled = true, allowedActions = "all", allowedActionsConfig: config } = inputs;
    const purpose = `set what Actions may run in ${text(inputs, "repository")}`;
    await scope.api.send({
      method: "PUT",
      path,
      body: { enabled, ...(enabled === true && { allowed_actions: allowedActions }) },
      purpose,
      needs,
    });
    if (allowedActions !== "selected" || !isObject(config)) return;
    const { githubOwnedAllowed = false, verifiedAllowed = false, patternsAlloweds = [] } = config;
    await scope.api.send({
      method: "PUT",
      path: `${path}/selected-actions`,
      body: { github_owned_allowed: githubOwnedAllowed, verified_allowed: verifiedAllowed, patterns_allowed: patternsAlloweds },
      purpose,
      needs,
    });
  },
  async (scope, state) => {
    const { status, body } = await scope.api.send({
      method: "GET",
      path: `${repositoryPath(scope, state)}/actions/permissions`,
      purpose: `show what Actions may run in ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
    if (status === 404) return undefined;
    const { enabled, allowed_actions: allowedActions } = Permissions.parse(body);
    return { ...state, enabled, ...(allowedActions !== undefined && { allowedActions }) };
  },
);

/** github:index/workflowRepositoryPermissions:WorkflowRepositoryPermissions */
export const workflowPermissions = setting(
  async (scope, inputs) => {
    const { defaultWorkflowPermissions = "read", canApprovePullRequestReviews = false } = inputs;
    await scope.api.send({
      method: "PUT",
      path: `${repositoryPath(scope, inputs)}/actions/permissions/workflow`,
      body: { default_workflow_permissions: defaultWorkflowPermissions, can_approve_pull_request_reviews: canApprovePullRequestReviews },
      purpose: `set what the jobs of ${text(inputs, "repository")} may do`,
      needs,
    });
  },
  async (scope, state) => {
    const { status, body } = await scope.api.send({
      method: "GET",
      path: `${repositoryPath(scope, state)}/actions/permissions/workflow`,
      purpose: `show what the jobs of ${text(state, "repository")} may do`,
      needs,
      mayAnswer: [404],
    });
    if (status === 404) return undefined;
    const { default_workflow_permissions: defaultWorkflowPermissions, can_approve_pull_request_reviews: canApprovePullRequestReviews } =
      Workflow.parse(body);
    return { ...state, defaultWorkflowPermissions, canApprovePullRequestReviews };
  },
);
