import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";

interface Body {
  readonly schema?: object;
  readonly example?: unknown;
}
interface Operation {
  readonly request?: object;
  readonly responses: Readonly<Record<string, Body>>;
}
interface Excerpt {
  readonly operations: Readonly<Record<string, Operation>>;
  readonly schemas: Readonly<Record<string, object>>;
}

const excerpt = JSON.parse(readFileSync(join(import.meta.dirname, "openapi.json"), "utf8")) as Excerpt;
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ $id: "github", schemas: excerpt.schemas });

const compiled = new Map<object, ValidateFunction>();
function complaints(schema: object, value: unknown): string | undefined {
  // References within an operation are to the description's shared schemas.
  const validate =
    compiled.get(schema) ?? ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/schemas/', '"github#/schemas/')) as object);
  compiled.set(schema, validate);
  return validate(value) ? undefined : ajv.errorsText(validate.errors);
}

/** The operation that a request is, as GitHub's description names it, e.g. `GET /repos/{owner}/{repo}`. */
export function operationOf(method: string, path: string): string | undefined {
  const matches = (template: string) => new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path);
  // Of two that fit, the one with fewer places left open.
  const fitting = Object.keys(excerpt.operations).filter((name) => name.startsWith(`${method} `) && matches(name.slice(method.length + 1)));
  return fitting.toSorted((one, other) => one.split("{").length - other.split("{").length)[0];
}

/** What of a request is not as described; undefined where it is. */
export function requestFault(operation: string, body: unknown): string | undefined {
  const { request } = excerpt.operations[operation]!;
  if (request === undefined) return body === undefined ? undefined : "a body, and the operation has none";
  return complaints(request, body ?? {});
}

/** What of an answer is not as described; undefined where it is. Limits (403, 429), 401 and 404 may come from anywhere. */
export function responseFault(operation: string, status: number, body: unknown): string | undefined {
  const described = excerpt.operations[operation]!.responses[String(status)];
  if (described === undefined) return [401, 403, 404, 429].includes(status) ? undefined : `status ${status}, which is not described`;
  if (described.schema === undefined) return body === undefined ? undefined : `a body with status ${status}`;
  return complaints(described.schema, body);
}

/** GitHub's own example of an answer, with these values in the place of its. */
export function answerLike<T extends object>(operation: string, status: number, values: T): T {
  return { ...(structuredClone(excerpt.operations[operation]!.responses[String(status)]!.example) as object), ...values };
}
