import { z } from "zod";
import type { GithubApi } from "../../shared/github/api.ts";

/** What the lab reads of a repository. */
export const Repository = z.object({
  id: z.int(),
  name: z.string(),
  /** `<organization>/<name>` */
  full_name: z.string(),
  html_url: z.string(),
  clone_url: z.string(),
  ssh_url: z.string(),
  description: z.string().nullable(),
  archived: z.boolean(),
  topics: z.array(z.string()).default([]),
});
export type Repository = z.output<typeof Repository>;

const needsRead = "a credential that may read the organization's private repositories";

/** The repository at a name, or the one that had it before it was renamed; undefined where GitHub shows none. */
export async function repositoryAt(api: GithubApi, fullName: string): Promise<Repository | undefined> {
  const { status, body } = await api.send({
    method: "GET",
    path: `/repos/${fullName}`,
    purpose: `show the repository ${fullName}`,
    needs: needsRead,
    mayAnswer: [404],
  });
  return status === 404 ? undefined : Repository.parse(body);
}

/**
 * The repository with a number, wherever it is now; undefined where GitHub shows none. By its name first: the address by
 * number is where GitHub's own redirects go, but its API description does not list it.
 */
export async function repositoryWithId(api: GithubApi, id: number, fullName: string): Promise<Repository | undefined> {
  const named = await repositoryAt(api, fullName);
  if (named?.id === id) return named;
  const { status, body } = await api.send({
    method: "GET",
    path: `/repositories/${id}`,
    purpose: `show the repository ${fullName} (number ${id})`,
    needs: needsRead,
    mayAnswer: [404],
  });
  return status === 404 ? undefined : Repository.parse(body);
}

const pageSize = 100;

/** The repositories of an organization that carry a topic, archived ones too. */
export async function repositoriesWithTopic(api: GithubApi, organization: string, topic: string): Promise<Repository[]> {
  const found: Repository[] = [];
  for (let page = 1; ; page += 1) {
    const { body } = await api.send({
      method: "GET",
      path: `/orgs/${organization}/repos?type=all&per_page=${pageSize}&page=${page}`,
      purpose: `list the repositories of ${organization}`,
      needs: needsRead,
    });
    const repositories = z.array(Repository).parse(body);
    found.push(...repositories.filter(({ topics }) => topics.includes(topic)));
    if (repositories.length < pageSize) return found;
  }
}

/** The address for Git over SSH as a URL, which Flux asks for: GitHub writes `git@host:path`. */
export function sshUrl(address: string): string {
  const scp = /^([^/@]+)@([^/:]+):(?!\d+\/)(.+)$/.exec(address);
  return scp === null ? address : `ssh://${scp[1]}@${scp[2]}/${scp[3]}`;
}
