import { randomUUID } from "node:crypto";
import { Hono } from "hono";
import { createLocalJWKSet, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import type { CohortPaths } from "../../shared/paths.ts";
import { authenticate, credentialOf, isSameSecret, learnerOf, type Permission } from "../access.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { publicKeysFile, readSigningKey, tokens } from "./signing-key.ts";

export interface ImagePush {
  readonly learner: string;
  /** Path in the registry, e.g. `ada/backend`. */
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

export interface RegistryRoutes {
  readonly paths: CohortPaths;
  /** What the registry sends along with its notifications. */
  readonly eventsToken: string;
  /** Called after a tag was pushed; again for the same push when the registry is in doubt whether it was heard. */
  readonly onImagePushed: (push: ImagePush) => void;
}

/** Long enough for one push; a revoked credential works on for no longer than this and the registry's leeway of 60 s. */
const lifetimeSeconds = 300;

/** The clocks of who makes tokens and who takes them are one; the registry allows as much. */
const leewaySeconds = 60;

/** One entry of a token's `access` claim. */
export interface Access {
  readonly type: "repository";
  readonly name: string;
  readonly actions: readonly string[];
}

const permitted: Readonly<Record<Permission, readonly string[]>> = {
  read: ["pull"],
  write: ["pull", "push"],
  manage: ["pull", "push", "delete"],
};

const Events = z.object({
  events: z.array(
    z.object({
      action: z.string(),
      target: z.object({ repository: z.string(), tag: z.string().optional(), digest: z.string().optional() }),
    }),
  ),
});

/** Tokens for the registry's clients, by distribution's token specification. With `only` no other learner's users get one. */
export function tokenRoutes(paths: CohortPaths, only?: string): Hono {
  return new Hono().get("/registry/token", async (c) => {
    const credential = credentialOf(c.req.raw);
    const learner = learnerOf(credential?.username ?? "");
    const isHere = learner !== undefined && (only === undefined || learner === only);
    const permission = isHere ? await authenticate(paths.learner(learner).access, "registry", credential) : undefined;
    if (credential === undefined || learner === undefined || permission === undefined) {
      return c.json({ details: "The registry asks for a learner's user name and password." }, 401, {
        "WWW-Authenticate": 'Basic realm="gitops-lab"',
      });
    }
    const token = await mintToken(paths, credential.username, grantedAccess(c.req.queries("scope") ?? [], learner, permission));
    return c.json({ token, access_token: token, expires_in: lifetimeSeconds }, 200, { "Cache-Control": "no-store" });
  });
}

/** What the registry asks of the lab: tokens for its clients, and an ear for its notifications. */
export function registryRoutes({ paths, eventsToken, onImagePushed }: RegistryRoutes): Hono {
  return new Hono().route("/", tokenRoutes(paths)).post("/registry/events", async (c) => {
    if (!isSameSecret(c.req.header("authorization") ?? "", `Bearer ${eventsToken}`))
      return c.text("Only the registry reports events.\n", 401);
    const told = Events.safeParse(await c.req.json().catch(() => undefined));
    if (!told.success) return c.text("These are no notifications of the registry.\n", 400);
    for (const { action, target } of told.data.events) {
      const [learner = ""] = target.repository.split("/", 1);
      // Layers, and manifests pushed by digest alone, have no tag.
      if (action !== "push" || target.tag === undefined || target.digest === undefined) continue;
      onImagePushed({ learner, repository: target.repository, tag: target.tag, digest: target.digest });
    }
    return c.body(null, 200);
  });
}

/** A token that the registry takes for five minutes. */
export async function mintToken(paths: CohortPaths, username: string, access: readonly Access[]): Promise<string> {
  const { key, id } = await readSigningKey(paths);
  return new SignJWT({ access })
    .setProtectedHeader({ alg: tokens.algorithm, kid: id, typ: "JWT" })
    .setIssuer(tokens.issuer)
    .setAudience(tokens.service)
    .setSubject(username)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(`${lifetimeSeconds}s`)
    .sign(key);
}

const Claims = z.object({
  sub: z.string(),
  access: z.array(z.object({ type: z.literal("repository"), name: z.string(), actions: z.array(z.string()) })),
});

/** Whose the token in an `Authorization: Bearer` header is and what it grants; nothing where the registry would not take it. */
export async function grantsOf(
  paths: CohortPaths,
  authorization: string,
): Promise<{ readonly user: string; readonly access: readonly Access[] }> {
  const nothing = { user: "", access: [] };
  const [, token] = /^bearer +(\S+)$/i.exec(authorization) ?? [];
  const keys = await readIfExists(publicKeysFile(paths));
  if (token === undefined || keys === undefined) return nothing;
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(JSON.parse(keys)), {
      issuer: tokens.issuer,
      audience: tokens.service,
      algorithms: [tokens.algorithm],
      clockTolerance: leewaySeconds,
    });
    const { sub: user, access } = Claims.parse(payload);
    return { user, access };
  } catch {
    return nothing;
  }
}

/**
 * What a token grants of the scopes asked for (`repository:<path>:<action>,<action>`): pull and push within the learner's
 * own path, as far as permitted. The rest is left out, as the specification has it, and the registry then refuses.
 */
export function grantedAccess(scopes: readonly string[], learner: string, permission: Permission): Access[] {
  return scopes
    .flatMap((scope) => scope.split(" "))
    .flatMap((scope) => {
      const [type, name, actions, ...more] = scope.split(":");
      if (type !== "repository" || name === undefined || actions === undefined || more.length > 0 || !name.startsWith(`${learner}/`))
        return [];
      return [{ type, name, actions: actions.split(",").filter((action) => permitted[permission].includes(action)) }];
    });
}
