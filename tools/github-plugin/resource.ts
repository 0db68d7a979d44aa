import type { GithubApi } from "../../shared/github/api.ts";
import type { Properties } from "../../shared/json.ts";

/** The owner's part of a GitHub. */
export interface Scope {
  readonly api: GithubApi;
  readonly owner: string;
}

/** One kind of resource of the GitHub provider, in plain properties as the SDK names them. */
export interface GithubResource {
  /** Inputs whose change needs another one. */
  readonly replaceOn: readonly string[];
  /** Makes it so; what an interrupted run has made is taken over. */
  create(scope: Scope, inputs: Properties): Promise<{ readonly id: string; readonly state: Properties }>;
  /** Undefined when it is gone. */
  read(scope: Scope, id: string, state: Properties): Promise<Properties | undefined>;
  update(scope: Scope, id: string, inputs: Properties): Promise<Properties>;
  remove(scope: Scope, id: string, state: Properties): Promise<void>;
}

/** A text among the properties; nothing where there is another thing. */
export function text(properties: Properties, name: string): string {
  const value = properties[name];
  return typeof value === "string" ? value : "";
}

export function repositoryPath({ owner }: Scope, properties: Properties): string {
  return `/repos/${owner}/${text(properties, "repository")}`;
}

/** What everything within a repository takes. */
export const needs = "admin rights on the repository";
