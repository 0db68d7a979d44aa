import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import type { Properties } from "../../shared/json.ts";
import { fromStruct, refuse, toStruct, unary } from "../pulumi-plugins/grpc.ts";
import { asSecret, bare, hasSecret } from "../pulumi-plugins/secrets.ts";
import { servePlugin } from "../pulumi-plugins/serve.ts";
import { diffProviderConfig, scopeOf } from "./provider-config.ts";
import type { Scope } from "./resource.ts";
import { resourceOf } from "./resources.ts";

/*
 * Pulumi's resource plugin for GitHub where the official one can't be had, for the few kinds of resources that a lab uses.
 * Its requests keep to the lab's write budget, which every process of the lab shares.
 */

const { DiffChanges } = messages.DiffResponse;
let configured: Scope | undefined;

function scope(): Scope {
  if (!configured) throw new Error("The engine asked for a resource before it configured the provider");
  return configured;
}

const plain = (struct: Parameters<typeof fromStruct>[0]) => bare(fromStruct(struct)) as Properties;

/** What was secret in the inputs is secret in the state. */
function stateOf(state: Properties, inputs: Properties) {
  return toStruct(Object.fromEntries(Object.entries(state).map(([key, value]) => [key, hasSecret(inputs[key]) ? asSecret(value) : value])));
}

const handlers: UntypedServiceImplementation = {
  attach: unary(() => new empty.Empty()),

  getPluginInfo: unary(() => {
    const { version } = createRequire(import.meta.url)("@pulumi/github/package.json") as { version: string };
    return new plugin.PluginInfo().setVersion(`${version}+fallback`);
  }),

  getSchema: unary(() => new messages.GetSchemaResponse().setSchema(JSON.stringify({ name: "github" }))),

  checkConfig: unary((request: InstanceType<typeof messages.CheckRequest>) => new messages.CheckResponse().setInputs(request.getNews())),

  diffConfig: unary((request: InstanceType<typeof messages.DiffRequest>) => {
    const { changed, replaces } = diffProviderConfig(plain(request.getOlds()), plain(request.getNews()));
    return new messages.DiffResponse()
      .setChanges(changed.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE)
      .setDiffsList([...changed])
      .setReplacesList([...replaces]);
  }),

  configure: unary((request: InstanceType<typeof messages.ConfigureRequest>) => {
    configured = scopeOf(new Map(request.getVariablesMap().toObject()));
    return new messages.ConfigureResponse().setAcceptsecrets(true);
  }),

  check: unary((request: InstanceType<typeof messages.CheckRequest>) => {
    resourceOf(request.getUrn());
    return new messages.CheckResponse().setInputs(request.getNews());
  }),

  diff: unary((request: InstanceType<typeof messages.DiffRequest>) => {
    const { replaceOn } = resourceOf(request.getUrn());
    const [old, next] = [plain(request.getOldInputs()), plain(request.getNews())];
    // Of what another plugin kept for itself nothing is compared.
    const changed = Object.keys({ ...old, ...next }).filter((key) => !key.startsWith("__") && !isDeepStrictEqual(old[key], next[key]));
    return (
      new messages.DiffResponse()
        .setChanges(changed.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE)
        .setDiffsList(changed)
        .setReplacesList(changed.filter((key) => replaceOn.includes(key)))
        // GitHub takes a key or a name only once.
        .setDeletebeforereplace(true)
    );
  }),

  create: unary(async (request: InstanceType<typeof messages.CreateRequest>) => {
    const { id, state } = await resourceOf(request.getUrn()).create(scope(), plain(request.getProperties()));
    return new messages.CreateResponse().setId(id).setProperties(stateOf(state, fromStruct(request.getProperties())));
  }),

  read: unary(async (request: InstanceType<typeof messages.ReadRequest>) => {
    const found = await resourceOf(request.getUrn()).read(scope(), request.getId(), plain(request.getProperties()));
    if (!found) return new messages.ReadResponse();
    const [inputs, state] = [fromStruct(request.getInputs()), fromStruct(request.getProperties())];
    const seen = Object.fromEntries(
      Object.entries(inputs).map(([key, value]) => [key, key in found && !hasSecret(value) ? found[key]! : value]),
    );
    return new messages.ReadResponse().setId(request.getId()).setProperties(stateOf(found, state)).setInputs(toStruct(seen));
  }),

  update: unary(async (request: InstanceType<typeof messages.UpdateRequest>) => {
    const state = await resourceOf(request.getUrn()).update(scope(), request.getId(), plain(request.getNews()));
    return new messages.UpdateResponse().setProperties(stateOf({ ...plain(request.getOlds()), ...state }, fromStruct(request.getNews())));
  }),

  delete: unary(async (request: InstanceType<typeof messages.DeleteRequest>) => {
    await resourceOf(request.getUrn()).remove(scope(), request.getId(), plain(request.getProperties()));
    return new empty.Empty();
  }),

  // Each request is short, and the engine waits for those under way.
  cancel: unary(() => new empty.Empty()),

  invoke: refuse("The stand-in for Pulumi's GitHub plugin has no functions. Only Pulumi's own plugin has them."),
  call: refuse("The stand-in for Pulumi's GitHub plugin has no methods."),
  construct: refuse("The stand-in for Pulumi's GitHub plugin has no components."),
};

servePlugin(handlers);
