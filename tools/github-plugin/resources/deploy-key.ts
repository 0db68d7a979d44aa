import { z } from "zod";
import { needs, repositoryPath, text, type GithubResource, type Scope } from "../resource.ts";
import type { Properties } from "../../../shared/json.ts";

const Key = z.object({ id: z.int(), key: z.string(), title: z.string(), read_only: z.boolean() });

/** github:index/repositoryDeployKey:RepositoryDeployKey */
export const deployKey: GithubResource = {
  replaceOn: ["key", "readOnly", "repository", "title"],

  async create(scope, inputs) {
    const repository = text(inputs, "repository");
    const made = (await keysOf(scope, inputs)).find((one) => isSame(one, inputs)) ?? (await add(scope, inputs));
    return { id: `${repository}:${made.id}`, state: inputs };
  },

  async read(scope, id, state) {
    const { status, body } = await scope.api.send({
      method: "GET",
      path: pathOf(scope, id, state),
      purpose: `show the deploy key ${text(state, "title")} of ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
    if (status === 404) return undefined;
    const { key, title, read_only: readOnly } = Key.parse(body);
    return { ...state, key, title, readOnly };
  },

  async update(_scope, _id, inputs) {
    return inputs;
  },

  async remove(scope, id, state) {
    await scope.api.send({
      method: "DELETE",
      path: pathOf(scope, id, state),
      purpose: `take the deploy key ${text(state, "title")} off ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
  },
};

async function keysOf(scope: Scope, inputs: Properties) {
  const { body } = await scope.api.send({
    method: "GET",
    path: `${repositoryPath(scope, inputs)}/keys?per_page=100`,
    purpose: `list the deploy keys of ${text(inputs, "repository")}`,
    needs,
  });
  return z.array(Key).parse(body);
}

async function add(scope: Scope, inputs: Properties) {
  const { key, title, readOnly } = inputs;
  const { body } = await scope.api.send({
    method: "POST",
    path: `${repositoryPath(scope, inputs)}/keys`,
    body: { title: title ?? null, key: key ?? null, read_only: readOnly ?? true },
    purpose: `give ${text(inputs, "repository")} the deploy key ${text(inputs, "title")}`,
    needs,
  });
  return Key.parse(body);
}

function isSame(one: z.output<typeof Key>, { key, readOnly = true }: Properties): boolean {
  return one.key === key && one.read_only === readOnly;
}

function pathOf(scope: Scope, id: string, state: Properties): string {
  return `${repositoryPath(scope, state)}/keys/${id.split(":")[1]}`;
}
