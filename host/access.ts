import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { auth } from "hono/utils/basic-auth";
import { z } from "zod";
import { locked } from "../shared/locked.ts";
import { makePrivateFolder, readIfExists, removeIfEmpty } from "../shared/private-files.ts";
import { readState, writeState } from "../shared/state-file.ts";

/*
 * Who may use a learner's Git repository and registry path. The learner's access folder holds two files: `grants.json`
 * with hashes, all that the servers read, and `credentials.json` with the passwords themselves, so that repeating a
 * driver's `ensure` hands out the same ones again.
 */
export type Service = "git" | "registry";

/** For Git fetch and push, for the registry pull, push and delete; each includes those before it. */
export type Permission = "read" | "write" | "manage";

export interface Credential {
  readonly username: string;
  readonly password: string;
}

const Grant = z.object({ username: z.string(), tokenHash: z.hash("sha256"), permission: z.enum(["read", "write", "manage"]) });
const Grants = z.object({ git: z.array(Grant), registry: z.array(Grant) });
type Grants = z.output<typeof Grants>;

/** Password by username. */
const Passwords = z.record(z.string(), z.string());
const Generations = z.object({ git: z.int().default(0), registry: z.int().default(0) });
const Credentials = z.object({ git: Passwords, registry: Passwords, generations: Generations.prefault({}) });
type Credentials = z.output<typeof Credentials>;

/** Flux' own user of a learner's things. A learner's id has no dot, so no learner has this name. */
export function fluxUsername(learner: string): string {
  return `${learner}.flux`;
}

/** The pipeline's user of a learner's things. */
export function pipelineUsername(learner: string): string {
  return `${learner}.pipeline`;
}

/** The user with which a real node pulls images. Its password is in the node's own configuration alone, so no rotation takes it. */
export function nodeUsername(learner: string): string {
  return `${learner}.node`;
}

/** The learner whose username this is; undefined when it has not the form of one. */
export function learnerOf(username: string): string | undefined {
  return /^([a-z0-9-]{1,30})(?:\.(?:flux|pipeline|node))?$/.exec(username)?.[1];
}

/**
 * Lets a user in and returns the credential: the one issued before, or a new one of 32 random bytes.
 *
 * @param generation where it is higher than that of the service's credentials, all of these are shut out first
 */
export async function issueCredential(
  folder: string,
  service: Service,
  username: string,
  permission: Permission,
  generation = 0,
): Promise<Credential> {
  await makePrivateFolder(folder);
  // The Git and the registry driver may change one learner's files at once, in two processes.
  return locked(folder, async () => {
    const credentials = await readCredentials(folder);
    if (generation > credentials.generations[service]) await shutOut(folder, service, generation, credentials);
    const password = credentials[service][username] ?? randomBytes(32).toString("base64url");
    credentials[service][username] = password;
    await write(credentialsFile(folder), credentials);

    const grants = await readGrants(folder);
    const others = grants[service].filter((grant) => grant.username !== username);
    await write(grantsFile(folder), {
      ...grants,
      [service]: [...others, { username, tokenHash: hash(password).toString("hex"), permission }],
    });
    return { username, password };
  });
}

/** Forgets a service's users but the node's. Their grants go first: whoever is killed between the two begins again. */
async function shutOut(folder: string, service: Service, generation: number, credentials: Credentials): Promise<void> {
  const stays = (username: string) => username.endsWith(".node");
  const grants = await readGrants(folder);
  await write(grantsFile(folder), { ...grants, [service]: grants[service].filter(({ username }) => stays(username)) });
  credentials[service] = Object.fromEntries(Object.entries(credentials[service]).filter(([username]) => stays(username)));
  credentials.generations[service] = generation;
  await write(credentialsFile(folder), credentials);
}

/** The password of a user who was let in. */
export async function passwordOf(folder: string, service: Service, username: string): Promise<string | undefined> {
  return (await readCredentials(folder))[service][username];
}

/** Whether the user was let in before. */
export async function isIssued(folder: string, service: Service, username: string): Promise<boolean> {
  return (await readGrants(folder))[service].some((grant) => grant.username === username);
}

/** Shuts out every user of the service. */
export async function revokeCredentials(folder: string, service: Service): Promise<void> {
  if ((await readIfExists(grantsFile(folder))) === undefined) return;
  await locked(folder, async () => {
    const grants = { ...(await readGrants(folder)), [service]: [] };
    if (grants.git.length === 0 && grants.registry.length === 0) return rm(folder, { recursive: true, force: true });
    await write(grantsFile(folder), grants);
    // Of damaged ones nothing is left to keep.
    const credentials = await readCredentials(folder).catch(() => Credentials.parse({ git: {}, registry: {} }));
    await write(credentialsFile(folder), { ...credentials, [service]: {} });
  });
  // After the lock, which stands beside the folder.
  await removeIfEmpty(dirname(folder));
}

/**
 * What the presented credential permits; undefined for a wrong password, an unknown user and a learner without a
 * folder alike.
 */
export async function authenticate(folder: string, service: Service, presented: Credential | undefined): Promise<Permission | undefined> {
  if (presented === undefined) return undefined;
  const grant = (await readGrants(folder))[service].find(({ username }) => username === presented.username);
  const expected = Buffer.from(grant?.tokenHash ?? nobodysHash, "hex");
  return timingSafeEqual(hash(presented.password), expected) ? grant?.permission : undefined;
}

/** The credential in a request's `Authorization: Basic` header. */
export function credentialOf(request: Request): Credential | undefined {
  return auth(request);
}

/** Compares two secrets in a time that tells nothing of either. */
export function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(hash(a), hash(b));
}

/** Plain SHA-256: the secrets are 256 random bits, which no slow hash makes harder to guess. */
function hash(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** Compared with where there is no user, so that this takes as long as a wrong password. */
const nobodysHash = "0".repeat(64);

const grantsFile = (folder: string) => join(folder, "grants.json");
const credentialsFile = (folder: string) => join(folder, "credentials.json");

async function readGrants(folder: string): Promise<Grants> {
  // Who can't be looked up is not let in.
  const nobody = { git: [], registry: [] };
  return (await readState(grantsFile(folder), Grants, { orElse: nobody })) ?? nobody;
}

async function readCredentials(folder: string): Promise<Credentials> {
  const id = basename(dirname(folder));
  const remedy = `Run \`./lab reset ${id}\`, which keeps a backup and makes the lab anew.`;
  const what = `The list of credentials of ${id}`;
  return (await readState(credentialsFile(folder), Credentials, { what, remedy })) ?? Credentials.parse({ git: {}, registry: {} });
}

async function write(file: string, content: object): Promise<void> {
  await writeState(file, JSON.stringify(content, null, 2));
}
