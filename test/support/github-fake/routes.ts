import { Hono, type Context } from "hono";
import sodium from "libsodium-wrappers";
import { answerLike } from "./conformance.ts";
import type { FakeRepository, FakeState } from "./state.ts";

await sodium.ready;

export interface RouteOptions {
  readonly state: FakeState;
  /** Base of what a person would open, e.g. `http://127.0.0.1:20000`. */
  readonly url: () => string;
  readonly sshPort: () => number;
  readonly createRepository: (name: string) => Promise<FakeRepository>;
  readonly removeRepository: (repository: FakeRepository) => Promise<void>;
}

type Body = Record<string, unknown>;
const bodyOf = async (c: Context) => (await c.req.json()) as Body;
const notFound = (c: Context) => c.json({ message: "Not Found", documentation_url: "https://docs.github.com/rest" }, 404);
const invalid = (c: Context, message: string, ...errors: object[]) =>
  c.json({ message, errors, documentation_url: "https://docs.github.com/rest" }, 422);

/** The part of GitHub's REST API that the lab uses, below `/api/v3`. */
export function apiRoutes({ state, url, sshPort, createRepository, removeRepository }: RouteOptions): Hono {
  const keyPair = sodium.crypto_box_keypair();
  const sealKey = { key_id: "568250167242549743", key: Buffer.from(keyPair.publicKey).toString("base64") };

  const organizationOf = () => ({
    ...answerLike("GET /repos/{owner}/{repo}", 200, {} as { owner?: Body }).owner,
    login: state.organization,
    type: "Organization",
  });
  const repositoryAs = (operation: string, status: number, repository: FakeRepository) => {
    const { parent: _parent, source: _source, template_repository: _template, ...like } = answerLike(operation, status, {} as Body);
    return {
      ...like,
      // Required, and missing in GitHub's own examples.
      has_discussions: false,
      language: null,
      id: repository.id,
      name: repository.name,
      full_name: `${state.organization}/${repository.name}`,
      owner: organizationOf(),
      private: repository.private,
      visibility: repository.private ? "private" : "public",
      description: repository.description,
      archived: repository.archived,
      topics: repository.topics,
      default_branch: "main",
      html_url: `${url()}/${state.organization}/${repository.name}`,
      clone_url: `${url()}/${state.organization}/${repository.name}.git`,
      ssh_url: `ssh://git@127.0.0.1:${sshPort()}/${state.organization}/${repository.name}.git`,
    };
  };
  const byName = (name: string) => [...state.repositories.values()].find((one) => one.name.toLowerCase() === name.toLowerCase());

  /** Answers with the repository of the address, or leads on to where it is now. */
  const inRepository =
    (answer: (c: Context, repository: FakeRepository) => Response | Promise<Response>, whileArchived = false) =>
    async (c: Context) => {
      const name = c.req.param("repo") ?? "";
      const repository = c.req.param("owner")?.toLowerCase() === state.organization ? byName(name) : undefined;
      if (repository === undefined) {
        const moved = state.redirects.get(name.toLowerCase());
        if (moved === undefined) return notFound(c);
        const rest = new URL(c.req.url).pathname
          .split("/")
          .slice(6)
          .map((part) => `/${part}`)
          .join("");
        return c.json({ message: "Moved Permanently", url: "", documentation_url: "" }, c.req.method === "GET" ? 301 : 307, {
          location: `${url()}/api/v3/repositories/${moved}${rest}`,
        });
      }
      if (repository.archived && c.req.method !== "GET" && !whileArchived)
        return c.json({ message: "Repository was archived so is read-only.", documentation_url: "" }, 403);
      return answer(c, repository);
    };

  const patch = async (c: Context, repository: FakeRepository) => {
    const changes = await bodyOf(c);
    if (typeof changes["name"] === "string" && changes["name"] !== repository.name) {
      if (byName(changes["name"]) !== undefined)
        return invalid(c, "Repository creation failed.", {
          resource: "Repository",
          code: "custom",
          field: "name",
          message: "name already exists on this account",
        });
      state.redirects.set(repository.name.toLowerCase(), repository.id);
      repository.name = changes["name"];
      state.redirects.delete(repository.name.toLowerCase());
    }
    if (typeof changes["archived"] === "boolean") repository.archived = changes["archived"];
    return c.json(repositoryAs("PATCH /repos/{owner}/{repo}", 200, repository));
  };

  const api = new Hono()
    .get("/meta", (c) => c.json(answerLike("GET /meta", 200, { ssh_keys: state.hostKeys, ssh_key_fingerprints: {} })))
    .get("/user", (c) => c.json(answerLike("GET /user", 200, { login: "instructor" })))
    .get("/users/:name", (c) =>
      state.accounts.has(c.req.param("name").toLowerCase())
        ? c.json(answerLike("GET /users/{username}", 200, { login: c.req.param("name") }))
        : notFound(c),
    )
    .get("/user/memberships/orgs/:org", (c) =>
      state.membership === undefined || c.req.param("org").toLowerCase() !== state.organization
        ? notFound(c)
        : c.json(answerLike("GET /user/memberships/orgs/{org}", 200, { state: state.membership })),
    )
    .get("/orgs/:org", (c) =>
      c.req.param("org").toLowerCase() === state.organization
        ? c.json(
            answerLike("GET /orgs/{org}", 200, {
              login: state.organization,
              archived_at: null,
              plan: { name: state.plan, space: 1, private_repos: 1, filled_seats: 1, seats: 1 },
            }),
          )
        : notFound(c),
    )
    .get("/orgs/:org/repos", (c) => {
      const [size, page] = [Number(c.req.query("per_page") ?? 30), Number(c.req.query("page") ?? 1)];
      const all = [...state.repositories.values()].slice((page - 1) * size, page * size);
      const like = (answerLike("GET /orgs/{org}/repos", 200, []) as unknown as Record<string, object>)["0"] ?? {};
      return c.json(all.map((one) => ({ ...like, ...repositoryAs("GET /repos/{owner}/{repo}", 200, one) })));
    })
    .post("/orgs/:org/repos", async (c) => {
      const { name, description, private: isPrivate } = await bodyOf(c);
      if (c.req.param("org").toLowerCase() !== state.organization) return notFound(c);
      if (byName(String(name)) !== undefined)
        return invalid(c, "Repository creation failed.", {
          resource: "Repository",
          code: "custom",
          field: "name",
          message: "name already exists on this account",
        });
      const repository = await createRepository(String(name));
      repository.description = typeof description === "string" ? description : null;
      repository.private = isPrivate === true;
      state.redirects.delete(repository.name.toLowerCase());
      return c.json(repositoryAs("POST /orgs/{org}/repos", 201, repository), 201);
    })
    .get("/repositories/:id", (c) => {
      const repository = state.repositories.get(Number(c.req.param("id")));
      return repository === undefined ? notFound(c) : c.json(repositoryAs("GET /repos/{owner}/{repo}", 200, repository));
    });

  const repo = new Hono()
    .get(
      "/",
      inRepository((c, repository) => c.json(repositoryAs("GET /repos/{owner}/{repo}", 200, repository))),
    )
    .patch("/", inRepository(patch, true))
    .delete(
      "/",
      inRepository(async (c, repository) => {
        if (state.scopes !== undefined && !state.scopes.includes("delete_repo"))
          return c.json({ message: "Must have admin rights to Repository.", documentation_url: "" }, 403);
        await removeRepository(repository);
        return c.body(null, 204);
      }, true),
    )
    .put(
      "/topics",
      inRepository(async (c, repository) => {
        repository.topics = (await bodyOf(c))["names"] as string[];
        return c.json({ names: repository.topics });
      }),
    )
    .get(
      "/keys",
      inRepository((c, repository) => c.json(repository.keys.map(keyAs))),
    )
    .post(
      "/keys",
      inRepository(async (c, repository) => {
        const { title, key, read_only } = await bodyOf(c);
        if ([...state.repositories.values()].some(({ keys }) => keys.some((one) => one.key === key)))
          return invalid(c, "Validation Failed", { resource: "PublicKey", code: "custom", field: "key", message: "key is already in use" });
        const made = { id: (state.nextId += 1), title: String(title), key: String(key), read_only: read_only === true };
        repository.keys.push(made);
        return c.json(keyAs(made), 201);
      }),
    )
    .get(
      "/keys/:id",
      inRepository((c, repository) => {
        const found = repository.keys.find(({ id }) => id === Number(c.req.param("id")));
        return found === undefined ? notFound(c) : c.json(keyAs(found));
      }),
    )
    .delete(
      "/keys/:id",
      inRepository((c, repository) => {
        repository.keys = repository.keys.filter(({ id }) => id !== Number(c.req.param("id")));
        return c.body(null, 204);
      }),
    )
    .get(
      "/collaborators",
      inRepository((c, repository) => {
        const like = Object.values(answerLike("GET /repos/{owner}/{repo}/collaborators", 200, []))[0] as unknown as Body;
        return c.json(
          [...repository.collaborators]
            .filter(([, { invitation }]) => invitation === undefined)
            .map(([login, { permission }]) => ({ ...like, login, role_name: permission === "push" ? "write" : permission })),
        );
      }),
    )
    .get(
      "/invitations",
      inRepository((c, repository) => {
        const like = Object.values(answerLike("GET /repos/{owner}/{repo}/invitations", 200, []))[0] as unknown as Body & {
          invitee: object;
        };
        return c.json(
          [...repository.collaborators]
            .filter(([, { invitation }]) => invitation !== undefined)
            .map(([login, { permission, invitation }]) => ({
              ...like,
              id: invitation,
              invitee: { ...like.invitee, login },
              permissions: permission === "push" ? "write" : permission,
            })),
        );
      }),
    )
    .put(
      "/collaborators/:user",
      inRepository(async (c, repository) => {
        const user = c.req.param("user") ?? "";
        const { permission = "push" } = await bodyOf(c);
        if (!state.accounts.has(user.toLowerCase())) return notFound(c);
        const before = repository.collaborators.get(user);
        const invitation = before === undefined ? (state.nextId += 1) : before.invitation;
        repository.collaborators.set(user, { permission: String(permission), invitation });
        return before === undefined
          ? c.json(answerLike("PUT /repos/{owner}/{repo}/collaborators/{username}", 201, { id: invitation }), 201)
          : c.body(null, 204);
      }),
    )
    .delete(
      "/collaborators/:user",
      inRepository((c, repository) => {
        repository.collaborators.delete(c.req.param("user") ?? "");
        return c.body(null, 204);
      }),
    )
    .get(
      "/actions/permissions",
      inRepository((c, repository) => c.json({ ...repository.actions, selected_actions_url: "" })),
    )
    .put(
      "/actions/permissions",
      inRepository(async (c, repository) => {
        repository.actions = { ...repository.actions, ...(await bodyOf(c)) };
        return c.body(null, 204);
      }),
    )
    .get(
      "/actions/permissions/selected-actions",
      inRepository((c, repository) => c.json(repository.selectedActions)),
    )
    .put(
      "/actions/permissions/selected-actions",
      inRepository(async (c, repository) => {
        if (repository.actions.allowed_actions !== "selected") return c.json({ message: "Conflict" }, 409);
        repository.selectedActions = await bodyOf(c);
        return c.body(null, 204);
      }),
    )
    .get(
      "/actions/permissions/workflow",
      inRepository((c, repository) => c.json(repository.workflow)),
    )
    .put(
      "/actions/permissions/workflow",
      inRepository(async (c, repository) => {
        repository.workflow = { ...repository.workflow, ...(await bodyOf(c)) };
        return c.body(null, 204);
      }),
    )
    .get(
      "/actions/secrets/public-key",
      inRepository((c) => c.json(sealKey)),
    )
    .get(
      "/actions/secrets/:name",
      inRepository((c, repository) => {
        const name = c.req.param("name") ?? "";
        return repository.secrets.has(name)
          ? c.json({ name, created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" })
          : notFound(c);
      }),
    )
    .put(
      "/actions/secrets/:name",
      inRepository(async (c, repository) => {
        const name = c.req.param("name") ?? "";
        const { encrypted_value, key_id } = await bodyOf(c);
        if (key_id !== sealKey.key_id) return invalid(c, "Bad request - public key ID mismatch");
        const opened = sodium.crypto_box_seal_open(Buffer.from(String(encrypted_value), "base64"), keyPair.publicKey, keyPair.privateKey);
        const isNew = !repository.secrets.has(name);
        repository.secrets.set(name, Buffer.from(opened).toString());
        return isNew ? c.json({}, 201) : c.body(null, 204);
      }),
    )
    .delete(
      "/actions/secrets/:name",
      inRepository((c, repository) => {
        repository.secrets.delete(c.req.param("name") ?? "");
        return c.body(null, 204);
      }),
    )
    .get(
      "/rulesets",
      inRepository((c, repository) => c.json(repository.rulesets.map((one) => rulesetAs(one)))),
    )
    .post(
      "/rulesets",
      inRepository(async (c, repository) => {
        if (state.plan === "free")
          return c.json(
            { message: "Upgrade to GitHub Pro or make this repository public to enable this feature.", documentation_url: "" },
            403,
          );
        const body = await bodyOf(c);
        if (repository.rulesets.some(({ name }) => name === body["name"]))
          return invalid(c, "Validation Failed", { message: "Name must be unique" });
        const made = { ...body, id: (state.nextId += 1) };
        repository.rulesets.push(made);
        return c.json(rulesetAs(made), 201);
      }),
    )
    .get(
      "/rulesets/:id",
      inRepository((c, repository) => {
        const found = repository.rulesets.find(({ id }) => id === Number(c.req.param("id")));
        return found === undefined ? notFound(c) : c.json(rulesetAs(found));
      }),
    )
    .put(
      "/rulesets/:id",
      inRepository(async (c, repository) => {
        const index = repository.rulesets.findIndex(({ id }) => id === Number(c.req.param("id")));
        if (index < 0) return notFound(c);
        repository.rulesets[index] = { ...(await bodyOf(c)), id: repository.rulesets[index]!.id };
        return c.json(rulesetAs(repository.rulesets[index]));
      }),
    )
    .delete(
      "/rulesets/:id",
      inRepository((c, repository) => {
        repository.rulesets = repository.rulesets.filter(({ id }) => id !== Number(c.req.param("id")));
        return c.body(null, 204);
      }),
    );
  return api.route("/repos/:owner/:repo", repo);
}

function keyAs(key: object): object {
  return { url: "https://api.github.com/keys", verified: true, created_at: "2026-01-01T00:00:00Z", ...key };
}

function rulesetAs(ruleset: object): object {
  return answerLike("POST /repos/{owner}/{repo}/rulesets", 201, ruleset);
}
