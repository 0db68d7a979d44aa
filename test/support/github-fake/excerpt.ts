import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/*
 * Cuts the operations that this project uses out of GitHub's published description of its REST API, with an example of each
 * answer. The package that carries it, @octokit/openapi (MIT), takes 404 MB on disk, so it is no dependency:
 *
 *   cd /tmp && npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-*.tgz package/generated/api.github.com.json
 *   node test/support/github-fake/excerpt.ts /tmp/package/generated/api.github.com.json
 */
const used: Readonly<Record<string, readonly string[]>> = {
  "/meta": ["get"],
  "/user": ["get"],
  "/users/{username}": ["get"],
  "/orgs/{org}": ["get"],
  "/user/memberships/orgs/{org}": ["get"],
  "/orgs/{org}/repos": ["get", "post"],
  "/repos/{owner}/{repo}": ["get", "patch", "delete"],
  "/repos/{owner}/{repo}/topics": ["put"],
  "/repos/{owner}/{repo}/keys": ["get", "post"],
  "/repos/{owner}/{repo}/keys/{key_id}": ["get", "delete"],
  "/repos/{owner}/{repo}/collaborators/{username}": ["put", "delete"],
  "/repos/{owner}/{repo}/collaborators": ["get"],
  "/repos/{owner}/{repo}/invitations": ["get"],
  "/repos/{owner}/{repo}/actions/permissions": ["get", "put"],
  "/repos/{owner}/{repo}/actions/permissions/selected-actions": ["get", "put"],
  "/repos/{owner}/{repo}/actions/permissions/workflow": ["get", "put"],
  "/repos/{owner}/{repo}/actions/secrets/public-key": ["get"],
  "/repos/{owner}/{repo}/actions/secrets/{secret_name}": ["get", "put", "delete"],
  "/repos/{owner}/{repo}/rulesets": ["get", "post"],
  "/repos/{owner}/{repo}/rulesets/{ruleset_id}": ["get", "put", "delete"],
  "/app/installations/{installation_id}": ["get"],
  "/app/installations/{installation_id}/access_tokens": ["post"],
};

type Node = { [key: string]: unknown };
const [, , source = ""] = process.argv;
const whole = JSON.parse(readFileSync(source, "utf8")) as {
  info: Node;
  paths: Record<string, Record<string, Node>>;
  components: Record<string, Record<string, Node>>;
};
const schemas: Record<string, unknown> = {};

function followed(node: Node): Node {
  if (typeof node["$ref"] !== "string") return node;
  const [, , kind = "", name = ""] = node["$ref"].split("/");
  return followed(whole.components[kind]![name]!);
}

/** A schema without what only people read, and with the schemas that it refers to kept aside. */
function trimmed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(trimmed);
  if (typeof node !== "object" || node === null) return node;
  const { $ref } = node as Node;
  if (typeof $ref === "string") {
    const name = $ref.split("/").at(-1)!;
    if (!(name in schemas)) {
      schemas[name] = {};
      schemas[name] = trimmed(whole.components["schemas"]![name]!);
    }
    return { $ref: `#/schemas/${name}` };
  }
  const kept = Object.entries(node as Node).filter(
    ([key, value]) =>
      !(typeof value === "string" && ["description", "title", "format"].includes(key)) &&
      !["example", "examples", "x-github", "externalDocs", "discriminator"].includes(key),
  );
  const result = Object.fromEntries(kept.map(([key, value]) => [key, trimmed(value)]));
  // JSON Schema knows no `nullable`: null must be among the values.
  if (result["nullable"] === true && Array.isArray(result["enum"])) result["enum"] = [...(result["enum"] as unknown[]), null];
  if (result["nullable"] === true && result["type"] === undefined) {
    const { nullable: _nullable, ...rest } = result;
    return { anyOf: [rest, { type: "null" }] };
  }
  return result;
}

function content(node: Node): Node | undefined {
  return (followed(node)["content"] as Record<string, Node> | undefined)?.["application/json"];
}

function exampleOf(body: Node): unknown {
  const [first] = Object.values((body["examples"] ?? {}) as Record<string, Node>);
  return body["example"] ?? (first === undefined ? undefined : followed(first)["value"]);
}

const operations = Object.fromEntries(
  Object.entries(used).flatMap(([path, methods]) =>
    methods.map((method) => {
      const operation = whole.paths[path]![method]!;
      const request = operation["requestBody"] === undefined ? undefined : content(operation["requestBody"] as Node);
      const responses = Object.entries(operation["responses"] as Record<string, Node>).map(([status, response]) => {
        const body = content(response);
        const isSuccess = status.startsWith("2");
        return [status, body === undefined ? {} : { schema: trimmed(body["schema"]), ...(isSuccess && { example: exampleOf(body) }) }];
      });
      return [
        `${method.toUpperCase()} ${path}`,
        { ...(request && { request: trimmed(request["schema"]) }), responses: Object.fromEntries(responses) },
      ];
    }),
  ),
);
const excerpt = { source: "@octokit/openapi 23.0.2, api.github.com.json (MIT)", operations, schemas };
writeFileSync(join(import.meta.dirname, "openapi.json"), `${JSON.stringify(excerpt)}\n`);
