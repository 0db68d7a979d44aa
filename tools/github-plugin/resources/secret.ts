import sodium from "libsodium-wrappers";
import { z } from "zod";
import type { Properties } from "../../../shared/json.ts";
import { needs, repositoryPath, text, type GithubResource, type Scope } from "../resource.ts";

const PublicKey = z.object({ key_id: z.string(), key: z.string() });

/** github:index/actionsSecret:ActionsSecret, given by `value`. */
export const secret: GithubResource = {
  replaceOn: ["repository", "secretName"],

  async create(scope, inputs) {
    await put(scope, inputs);
    return { id: `${text(inputs, "repository")}:${text(inputs, "secretName")}`, state: inputs };
  },

  /** GitHub gives no value back, so only whether it is there. */
  async read(scope, _id, state) {
    const { status } = await scope.api.send({
      method: "GET",
      path: pathOf(scope, state),
      purpose: `look for the Actions secret ${text(state, "secretName")} of ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
    return status === 404 ? undefined : state;
  },

  async update(scope, _id, inputs) {
    await put(scope, inputs);
    return inputs;
  },

  async remove(scope, _id, state) {
    await scope.api.send({
      method: "DELETE",
      path: pathOf(scope, state),
      purpose: `take the Actions secret ${text(state, "secretName")} off ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
  },
};

/** Sealed for the repository's key, as docs.github.com ("Encrypting secrets for the REST API") asks. */
async function put(scope: Scope, inputs: Properties): Promise<void> {
  const purpose = `set the Actions secret ${text(inputs, "secretName")} of ${text(inputs, "repository")}`;
  const { body } = await scope.api.send({
    method: "GET",
    path: `${repositoryPath(scope, inputs)}/actions/secrets/public-key`,
    purpose,
    needs,
  });
  const { key, key_id } = PublicKey.parse(body);
  await sodium.ready;
  const sealed = sodium.crypto_box_seal(Buffer.from(text(inputs, "value")), Buffer.from(key, "base64"));
  await scope.api.send({
    method: "PUT",
    path: pathOf(scope, inputs),
    body: { key_id, encrypted_value: Buffer.from(sealed).toString("base64") },
    purpose,
    needs,
  });
}

function pathOf(scope: Scope, properties: Properties): string {
  return `${repositoryPath(scope, properties)}/actions/secrets/${text(properties, "secretName")}`;
}
