import { z } from "zod";
import { isObject, type Json, type Properties } from "../../../shared/json.ts";
import { needs, repositoryPath, text, type GithubResource, type Scope } from "../resource.ts";

const Found = z.object({ id: z.int(), name: z.string() });

/** Rules without parameters, by the SDK's name. */
const ruleTypes: Readonly<Record<string, string>> = {
  creation: "creation",
  update: "update",
  deletion: "deletion",
  nonFastForward: "non_fast_forward",
  requiredLinearHistory: "required_linear_history",
  requiredSignatures: "required_signatures",
};

/** github:index/repositoryRuleset:RepositoryRuleset, for rules without parameters. */
export const ruleset: GithubResource = {
  replaceOn: ["repository"],

  async create(scope, inputs) {
    const { body } = await scope.api.send({
      method: "GET",
      path: `${repositoryPath(scope, inputs)}/rulesets?per_page=100`,
      purpose: `list the rulesets of ${text(inputs, "repository")}`,
      needs,
    });
    const there = z
      .array(Found)
      .parse(body)
      .find(({ name }) => name === text(inputs, "name"));
    const { id } = there ?? Found.parse((await write(scope, "POST", "", inputs)).body);
    if (there !== undefined) await write(scope, "PUT", `/${id}`, inputs);
    return { id: String(id), state: { ...inputs, rulesetId: id } };
  },

  async read(scope, id, state) {
    const { status } = await scope.api.send({
      method: "GET",
      path: `${repositoryPath(scope, state)}/rulesets/${id}`,
      purpose: `show the ruleset ${text(state, "name")} of ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
    return status === 404 ? undefined : state;
  },

  async update(scope, id, inputs) {
    await write(scope, "PUT", `/${id}`, inputs);
    return { ...inputs, rulesetId: Number(id) };
  },

  async remove(scope, id, state) {
    await scope.api.send({
      method: "DELETE",
      path: `${repositoryPath(scope, state)}/rulesets/${id}`,
      purpose: `take the ruleset ${text(state, "name")} off ${text(state, "repository")}`,
      needs,
      mayAnswer: [404],
    });
  },
};

async function write(scope: Scope, method: "POST" | "PUT", below: string, inputs: Properties) {
  const { name, target, enforcement, rules, conditions, bypassActors } = inputs;
  const refName = isObject(conditions) && isObject(conditions["refName"]) ? conditions["refName"] : {};
  const body = {
    name: name ?? null,
    target: target ?? null,
    enforcement: enforcement ?? null,
    conditions: { ref_name: { include: refName["includes"] ?? [], exclude: refName["excludes"] ?? [] } },
    rules: rulesOf(rules),
    bypass_actors: Array.isArray(bypassActors) ? bypassActors.map(actorOf) : [],
  };
  return scope.api.send({
    method,
    path: `${repositoryPath(scope, inputs)}/rulesets${below}`,
    body,
    purpose: `protect branches of ${text(inputs, "repository")} (${text(inputs, "name")})`,
    needs: `${needs}, and a plan that has rulesets for private repositories`,
  });
}

function rulesOf(rules: Json | undefined): Json[] {
  return Object.entries(isObject(rules) ? rules : {}).flatMap(([name, value]) => {
    const type = ruleTypes[name];
    if (type === undefined) throw new Error(`the rule ${name} needs Pulumi's own GitHub plugin`);
    return value === true ? [{ type }] : [];
  });
}

function actorOf(actor: Json): Json {
  const { actorType, actorId, bypassMode } = isObject(actor) ? actor : {};
  return { actor_type: actorType ?? null, bypass_mode: bypassMode ?? null, ...(actorId !== undefined && { actor_id: actorId }) };
}
