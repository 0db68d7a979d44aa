import type { Wanted } from "./store.ts";

/* Go modules from a module proxy, without Go (go.dev/ref/mod#goproxy-protocol). */

/** The proxies that GOPROXY names, in its order; Go's own default where it says nothing. Those of a file system are left to Go. */
export function moduleProxies(env: NodeJS.ProcessEnv): readonly string[] {
  const said = (env["GOPROXY"] || "https://proxy.golang.org").split(/[,|]/).map((one) => one.trim());
  const last = said.findIndex((one) => one === "off" || one === "direct");
  return (last < 0 ? said : said.slice(0, last)).filter((one) => /^https?:/.test(one)).map((one) => one.replace(/\/$/, ""));
}

/** A module's archive at a proxy. @param sum as go.sum has it */
export function moduleZip(
  proxy: string,
  { module, version, sum }: { readonly module: string; readonly version: string; readonly sum: string },
): Wanted {
  return {
    what: `${module} ${version}`,
    url: `${proxy}/${escaped(module)}/@v/${escaped(version)}.zip`,
    digest: sum,
    maxBytes: 500 * 1024 ** 2,
  };
}

/** Paths are told apart where the file system does not tell capitals from small letters. */
const escaped = (path: string) => path.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);
