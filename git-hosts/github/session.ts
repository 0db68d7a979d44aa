import { githubApi, type GithubApi } from "../../shared/github/api.ts";
import { githubCredential } from "../../shared/github/credential.ts";
import { stackConfig } from "../../host/stack-config.ts";

/** The API of a GitHub, by the credential of the stack. Throws LabError `github-credential`. */
export function githubSession(apiUrl: string): GithubApi {
  return githubApi(apiUrl, githubCredential(stackConfig));
}
