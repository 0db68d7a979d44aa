import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { LabError } from "../../shared/errors.ts";
import { apiUrlOf, githubApi } from "../../shared/github/api.ts";
import type { Properties } from "../../shared/json.ts";
import type { Scope } from "./resource.ts";

const AppAuth = z.object({ id: z.string(), installationId: z.string(), pemFile: z.string() });

/**
 * What `new github.Provider` says, from the engine's variables (`github:config:<name>`). Pauses and retries are not the
 * provider's here but the lab's own, in shared/github. Throws LabError `github-provider`.
 */
export function scopeOf(variables: ReadonlyMap<string, string>): Scope {
  const given = (name: string) => variables.get(`github:config:${name}`) || undefined;
  const [owner, baseUrl, token, appAuth] = ["owner", "baseUrl", "token", "appAuth"].map(given);
  const app = appAuth === undefined ? undefined : AppAuth.safeParse(JSON.parse(appAuth)).data;
  if (owner === undefined || baseUrl === undefined || (token === undefined && app === undefined)) {
    throw new LabError(
      "github-provider",
      "The GitHub provider needs `owner`, `baseUrl` and `token` or `appAuth`; this plugin guesses none of them. Pass them to `new github.Provider`.",
    );
  }
  const credential =
    app === undefined
      ? { token: token ?? "" }
      : { app: { id: app.id, installationId: app.installationId, privateKey: app.pemFile.replaceAll("\\n", "\n") } };
  // The provider's base is the API's own only for github.com.
  return {
    owner,
    api: githubApi(new URL(baseUrl).hostname === "api.github.com" ? "https://api.github.com" : apiUrlOf(baseUrl), credential),
  };
}

/** Another owner or server means other things; a changed credential or pause does not. */
export function diffProviderConfig(
  old: Properties,
  next: Properties,
): { readonly changed: readonly string[]; readonly replaces: readonly string[] } {
  const changed = [...new Set([...Object.keys(old), ...Object.keys(next)])].filter((key) => !isDeepStrictEqual(old[key], next[key]));
  return { changed, replaces: changed.filter((key) => ["owner", "baseUrl"].includes(key)) };
}
