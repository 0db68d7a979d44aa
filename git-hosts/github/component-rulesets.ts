import * as gh from "@pulumi/github";
import type * as pulumi from "@pulumi/pulumi";

export interface RulesetArgs {
  /** Name of the repository. */
  readonly repository: string;
  readonly branch: string;
  /** Whether it is on github.com, whose Actions have a known App number. */
  readonly isGithubCom: boolean;
}

/** GitHub Actions as an App on github.com; a server of one's own has another number for it. */
const actionsApp = 15368;

/**
 * The branch that Flux follows keeps its history: nobody deletes it or pushes over it, and Flux' key and the workflows, who
 * add commits as everybody does, need no exception. Proposals come from image automation alone, by its deploy key, and the
 * workflow takes them away.
 */
export function protectBranches(
  name: string,
  { repository, branch, isGithubCom }: RulesetArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource[] {
  const common = { repository, target: "branch", enforcement: "active" };
  return [
    new gh.RepositoryRuleset(
      `${name}-history`,
      {
        ...common,
        name: "gitops-lab: history stays",
        conditions: { refName: { includes: [`refs/heads/${branch}`], excludes: [] } },
        rules: { deletion: true, nonFastForward: true },
      },
      options,
    ),
    new gh.RepositoryRuleset(
      `${name}-proposals`,
      {
        ...common,
        name: "gitops-lab: image automation proposes",
        conditions: { refName: { includes: ["refs/heads/image-updates/**"], excludes: [] } },
        rules: { creation: true, update: true, ...(isGithubCom && { deletion: true }) },
        bypassActors: [
          { actorType: "DeployKey", bypassMode: "always" },
          ...(isGithubCom ? [{ actorType: "Integration", actorId: actionsApp, bypassMode: "always" }] : []),
        ],
      },
      options,
    ),
  ];
}
