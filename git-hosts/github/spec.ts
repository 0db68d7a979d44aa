import { z } from "zod";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import { isHttps, isLoopback } from "../../shared/urls.ts";
import type { CohortFields } from "../git-host.ts";

/** A repository for each learner in an organization on GitHub. */
export const GithubSpec = z
  .strictObject({
    kind: z.literal("github"),
    organization: z.string().regex(/^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}$/i, "must be the name of a GitHub organization"),
    /** Another one than github.com: a GitHub Enterprise Server. */
    url: z
      .url({ protocol: /^https?$/, error: "must be the address of a GitHub, such as https://github.example.org" })
      .refine((url) => isHttps(url) || isLoopback(url), "must begin with https://")
      .default("https://github.com"),
    onTeardown: z.enum(["archive", "delete"]).default("archive"),
    /** Whether rulesets protect the branches, which private repositories of a free organization can't have. */
    protect: z.boolean().default(true),
    /** The server's SSH keys (`<type> <base64>`), where it does not publish them itself. */
    hostKeys: z.array(z.string().regex(/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/, "must be an SSH key: its type and its base64")).default([]),
    /** github.com allows 80 and 500; a server of one's own what its owner says. */
    pace: z.strictObject({ perMinute: z.int().min(1).default(60), perHour: z.int().min(1).default(480) }).prefault({}),
  })
  .refine(({ url, pace }) => !isGithubCom(url) || pace.perMinute < 80, {
    path: ["pace", "perMinute"],
    error: "must be below 80, which is what github.com allows",
  })
  .refine(({ url, pace }) => !isGithubCom(url) || pace.perHour < 500, {
    path: ["pace", "perHour"],
    error: "must be below 500, which is what github.com allows",
  });
export type GithubSettings = z.output<typeof GithubSpec>;

const isGithubCom = (url: string) => URL.parse(url)?.hostname === "github.com";

/** What a cohort on GitHub needs besides: an account for every learner, and a registry that GitHub's runners reach. */
export function checkGithub({ git, registry, learners }: CohortFields<GithubSettings>, context: z.RefinementCtx): void {
  for (const [index, { id, github }] of learners.entries()) {
    if (github === undefined)
      context.addIssue({
        code: "custom",
        path: ["learners", index, "github"],
        message: `is missing; learner "${id}" needs the name of a GitHub account, since \`git.kind\` is github`,
      });
  }
  if (isOnLabHost(registry) && !isLoopback(git.url)) {
    context.addIssue({
      code: "custom",
      path: ["registry", "kind"],
      message: "is embedded, and the workflows that GitHub runs do not reach this machine; allowed with `git.kind: github`: oci, ghcr",
    });
  }
}
