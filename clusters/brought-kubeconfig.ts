import { createHash } from "node:crypto";
import { dirname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { LabError } from "../shared/errors.ts";
import type { Properties } from "../shared/json.ts";
import { kubeconfigFor } from "../shared/kubeconfig.ts";
import { readPersonBytes, readPersonText } from "../shared/person-file.ts";
import { excerpt, quoted, visible } from "../shared/printable.ts";
import { readYaml } from "../shared/yaml.ts";
import { inStacks } from "./in-stacks.ts";

/** A kubeconfig that was brought: one cluster and one user of it, with all that they need in the text itself. */
export interface Brought {
  /** With https://. */
  readonly server: string;
  /** YAML. */
  readonly kubeconfig: string;
}

/** How a cohort file names one. */
export interface Named {
  /** Relative to the folder that cohort files are in. */
  readonly kubeconfig: string;
  /** Without it the current one. */
  readonly context?: string | undefined;
}

/** Far beyond what a kubeconfig, or a certificate that it names, has. */
const mostBytes = 256 * 1024;

const Part = z.record(z.string(), z.json()) as z.ZodType<Properties>;
const Kubeconfig = z.looseObject({
  "current-context": z.string().nullish(),
  clusters: z.array(z.looseObject({ name: z.string(), cluster: Part })),
  users: z.array(z.looseObject({ name: z.string(), user: Part.nullable() })),
  contexts: z.array(z.looseObject({ name: z.string(), context: z.looseObject({ cluster: z.string(), user: z.string() }) })),
});

/** Why a kubeconfig can't be used, as the end of a sentence that begins with its path. */
class Unusable extends Error {
  override readonly name = "Unusable";
}

/** Reads the kubeconfig that a cohort file names, or says in a clause that begins with its path why it can't be used. */
export function readBrought(named: Named, name = "admin"): Brought | { readonly problem: string } {
  return reading(named, (text, folder) => brought(text, folder, named.context, name));
}

/** Why a kubeconfig has no cluster and user to be used, in a clause that begins with its path: for programs that log in by it themselves. */
export function kubeconfigProblem(named: Named): string | undefined {
  const read = reading(named, (text) => selected(text, named.context));
  return "problem" in read ? read.problem : undefined;
}

function reading<T extends object>({ kubeconfig }: Named, read: (text: string, folder: string) => T): T | { readonly problem: string } {
  const path = inStacks(kubeconfig);
  const file = readPersonText(path, "text", { mostBytes, utf16: false });
  if ("problem" in file) return { problem: `${path} ${file.problem}` };
  try {
    return read(file.text, dirname(path));
  } catch (error) {
    if (error instanceof Unusable) return { problem: `${path} ${error.message}` };
    throw error;
  }
}

/** The same for a learner. Throws LabError `kubeconfig-invalid`. */
export function requireBrought(named: Named, learner: string, name: string): Brought {
  const read = readBrought(named, name);
  if (!("problem" in read)) return read;
  throw new LabError(
    "kubeconfig-invalid",
    `Learner ${learner}: the kubeconfig of the cluster can't be used: ${read.problem}. Repair it, or name another in \`cluster.kubeconfig\`, then run \`./lab up\` again; other learners are not affected.`,
  );
}

/** Changes when what the kubeconfig says does. Of a file that can't be read it is one word: who then makes the cluster says why. */
export function versionOf(named: Named): string {
  const read = readBrought(named);
  return "problem" in read ? "unreadable" : createHash("sha256").update(read.kubeconfig).digest("hex").slice(0, 16);
}

function brought(text: string, folder: string, contextName: string | undefined, name: string): Brought {
  const { server, cluster, user } = selected(text, contextName);
  return { server, kubeconfig: kubeconfigFor(name, clusterPart(cluster, folder), userPart(user, folder)) };
}

function selected(
  text: string,
  contextName: string | undefined,
): { readonly server: string; readonly cluster: Properties; readonly user: Properties } {
  const config = parsed(text);
  const wanted = contextName ?? config["current-context"] ?? "";
  if (wanted === "") throw new Unusable("has no current context: name one in `cluster.context`");
  const context = config.contexts.find((one) => one.name === wanted)?.context;
  if (context === undefined) throw new Unusable(`has no context ${quoted(wanted)}`);
  const cluster = config.clusters.find((one) => one.name === context.cluster)?.cluster;
  if (cluster === undefined) throw new Unusable(`has no cluster ${quoted(context.cluster)}`);
  const user = config.users.find((one) => one.name === context.user)?.user;
  if (user === undefined) throw new Unusable(`has no user ${quoted(context.user)}`);
  return { server: serverOf(cluster), cluster, user: user ?? {} };
}

function parsed(text: string): z.output<typeof Kubeconfig> {
  const read = readYaml(text);
  if ("problem" in read) throw new Unusable(read.problem);
  const result = Kubeconfig.safeParse(read.content);
  if (result.success) return result.data;
  const { path = [], message = "" } = result.error.issues[0] ?? {};
  throw new Unusable(`is no kubeconfig: ${path.length === 0 ? "" : `\`${excerpt(path.join("."))}\`: `}${message}`);
}

function serverOf({ server }: Properties): string {
  if (typeof server !== "string" || !URL.canParse(server) || new URL(server).protocol !== "https:")
    throw new Unusable("has a cluster without a `server` that starts with https://");
  return server;
}

/** Nothing in it is a secret: it goes to the learner as well. */
function clusterPart(cluster: Properties, folder: string): Properties {
  if (cluster["proxy-url"]) throw new Unusable("reaches its cluster by `proxy-url`, which the lab can't");
  const authority = content(cluster, "certificate-authority", folder);
  const { server, "tls-server-name": serverName, "insecure-skip-tls-verify": insecure } = cluster;
  return {
    server: server ?? null,
    ...(authority !== undefined && { "certificate-authority-data": authority }),
    ...(typeof serverName === "string" && { "tls-server-name": serverName }),
    ...(insecure === true && { "insecure-skip-tls-verify": true }),
  };
}

function userPart(user: Properties, folder: string): Properties {
  if (user["auth-provider"]) throw new Unusable("logs in by `auth-provider`, which Kubernetes has given up for `exec`");
  if (user["as"]) throw new Unusable("acts as another user (`as`), which the lab can't");
  const { token, tokenFile, username, password, exec } = user;
  const [certificate, key] = [content(user, "client-certificate", folder), content(user, "client-key", folder)];
  const part: Properties = {
    ...(certificate !== undefined && { "client-certificate-data": certificate }),
    ...(key !== undefined && { "client-key-data": key }),
    // Such a file is written anew from time to time, so it stays one.
    ...(typeof tokenFile === "string" && { tokenFile: from(folder, tokenFile) }),
    ...(typeof token === "string" && { token }),
    ...(typeof username === "string" && { username, password: typeof password === "string" ? password : "" }),
    ...(exec && { exec: loginProgram(exec as Properties, folder) }),
  };
  if (Object.keys(part).length === 0) throw new Unusable("has a user without a certificate, a token, a password or a program that logs in");
  return part;
}

/** As kubectl has it: a program by its path lies where the kubeconfig does. */
function loginProgram(exec: Properties, folder: string): Properties {
  const { command } = exec;
  if (typeof command !== "string" || command === "") throw new Unusable("logs in by a program (`exec`) and does not name its `command`");
  return { ...exec, command: command.includes("/") ? from(folder, command) : command };
}

const from = (folder: string, file: string) => (isAbsolute(file) ? file : join(folder, file));

/** A field's content in base64, which a kubeconfig has in itself or in a file beside it. */
function content(part: Properties, field: string, folder: string): string | undefined {
  const [data, file] = [part[`${field}-data`], part[field]];
  if (typeof data === "string") return data;
  if (typeof file !== "string") return undefined;
  const read = readPersonBytes(from(folder, file), mostBytes);
  if ("problem" in read) throw new Unusable(`names ${visible(from(folder, file))}, which ${read.problem}`);
  return read.bytes.toString("base64");
}
