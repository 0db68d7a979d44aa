/** The settings that decide how many writes to GitHub a learner takes. */
export interface GithubWork {
  /** Whether rulesets protect the branches. */
  readonly protect: boolean;
  /** Whether workflows need a registry's credential as Actions secrets. */
  readonly registrySecrets: boolean;
}

/**
 * Requests that write, for each learner whose repository is made: the lab's own, and those of the provider's plugin. Pushing
 * the seed is none. A contract test counts them.
 */
export function githubWrites({ protect, registrySecrets }: GithubWork): { readonly lab: number; readonly provider: number } {
  const repositoryAndTopics = 2;
  const keyAndCollaborator = 2;
  const actionsAndWorkflows = 3;
  return { lab: repositoryAndTopics, provider: keyAndCollaborator + actionsAndWorkflows + (protect ? 2 : 0) + (registrySecrets ? 2 : 0) };
}
