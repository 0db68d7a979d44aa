import { createRequire } from "node:module";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { engineLog } from "../pulumi-plugins/engine-log.ts";
import { fromStruct, refuse, toStruct, unary } from "../pulumi-plugins/grpc.ts";
import { servePlugin } from "../pulumi-plugins/serve.ts";
import { createProvider, type Provider } from "./provider.ts";
import { diffProviderConfig, readProviderConfig } from "./provider-config.ts";

/*
 * Pulumi's resource plugin for Kubernetes objects where the official one can't be had. As with the official plugin, there is no Handshake: the engine then goes by Attach and Configure.
 */

const { DiffChanges } = messages.DiffResponse;
const { Kind } = messages.PropertyDiff;
const kinds = {
  add: [Kind.ADD, Kind.ADD_REPLACE],
  delete: [Kind.DELETE, Kind.DELETE_REPLACE],
  update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
} as const;

const log = engineLog(process.argv.at(-1) ?? "");
const cancellation = new AbortController();
let configured: Provider | undefined;

function provider(): Provider {
  if (!configured) throw new Error("The engine asked for a resource before it configured the provider");
  return configured;
}

const handlers: UntypedServiceImplementation = {
  attach: unary((request: InstanceType<typeof plugin.PluginAttach>) => {
    log.attach(request.getAddress());
    return new empty.Empty();
  }),

  getPluginInfo: unary(() => {
    const { version } = createRequire(import.meta.url)("@pulumi/kubernetes/package.json") as { version: string };
    return new plugin.PluginInfo().setVersion(`${version}+fallback`);
  }),

  getSchema: unary(() => new messages.GetSchemaResponse().setSchema(JSON.stringify({ name: "kubernetes" }))),

  checkConfig: unary((request: InstanceType<typeof messages.CheckRequest>) => new messages.CheckResponse().setInputs(request.getNews())),

  diffConfig: unary((request: InstanceType<typeof messages.DiffRequest>) => {
    const { changed, replaces } = diffProviderConfig(fromStruct(request.getOlds()), fromStruct(request.getNews()));
    return new messages.DiffResponse()
      .setChanges(changed.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE)
      .setDiffsList([...changed])
      .setReplacesList([...replaces]);
  }),

  configure: unary((request: InstanceType<typeof messages.ConfigureRequest>) => {
    const config = readProviderConfig(new Map(request.getVariablesMap().toObject()));
    configured = createProvider(config, { warn: log.warn, cancelled: cancellation.signal });
    // Without previews of its own, the engine shows the inputs: a dry run would invent a uid.
    return new messages.ConfigureResponse().setAcceptsecrets(true).setSupportsAutonamingConfiguration(true);
  }),

  check: unary(async (request: InstanceType<typeof messages.CheckRequest>) => {
    const inputs = await provider().check({
      urn: request.getUrn(),
      olds: fromStruct(request.getOlds()),
      news: fromStruct(request.getNews()),
      randomSeed: request.getRandomseed_asU8(),
      ...proposedName(request.getAutonaming()),
    });
    return new messages.CheckResponse().setInputs(toStruct(inputs));
  }),

  diff: unary((request: InstanceType<typeof messages.DiffRequest>) => {
    const { changes, deleteBeforeReplace } = provider().diff(fromStruct(request.getOldInputs()), fromStruct(request.getNews()));
    const response = new messages.DiffResponse()
      .setChanges(changes.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE)
      .setReplacesList(changes.filter(({ replaces }) => replaces).map(({ path }) => path))
      .setDeletebeforereplace(deleteBeforeReplace)
      .setHasdetaileddiff(true);
    for (const { path, kind, replaces } of changes) {
      const detail = new messages.PropertyDiff().setKind(kinds[kind][replaces ? 1 : 0]).setInputdiff(true);
      response.getDetaileddiffMap().set(path, detail);
    }
    return response;
  }),

  create: unary(async (request: InstanceType<typeof messages.CreateRequest>) => {
    const { id, state } = await provider().create(request.getUrn(), fromStruct(request.getProperties()), request.getTimeout());
    return new messages.CreateResponse().setId(id).setProperties(toStruct(state));
  }),

  read: unary(async (request: InstanceType<typeof messages.ReadRequest>) => {
    const found = await provider().read(
      request.getUrn(),
      request.getId(),
      fromStruct(request.getInputs()),
      fromStruct(request.getProperties()),
    );
    if (!found) return new messages.ReadResponse();
    return new messages.ReadResponse().setId(request.getId()).setProperties(toStruct(found.state)).setInputs(toStruct(found.inputs));
  }),

  update: unary(async (request: InstanceType<typeof messages.UpdateRequest>) => {
    const [olds, news] = [fromStruct(request.getOlds()), fromStruct(request.getNews())];
    const state = await provider().update(request.getUrn(), request.getId(), olds, news, request.getTimeout());
    return new messages.UpdateResponse().setProperties(toStruct(state));
  }),

  delete: unary(async (request: InstanceType<typeof messages.DeleteRequest>) => {
    await provider().remove(request.getUrn(), request.getId(), fromStruct(request.getProperties()), request.getTimeout());
    return new empty.Empty();
  }),

  cancel: unary(() => {
    cancellation.abort(new Error("cancelled"));
    return new empty.Empty();
  }),

  invoke: refuse("This plugin only manages Kubernetes objects and has no functions. Only Pulumi's own plugin has them."),
  call: refuse("This plugin only manages Kubernetes objects and has no methods."),
  construct: refuse("This plugin only manages Kubernetes objects. Charts, Kustomize folders and YAML files need Pulumi's own plugin."),
};

function proposedName(autonaming: InstanceType<typeof messages.CheckRequest.AutonamingOptions> | undefined): {
  proposedName?: string | null;
} {
  if (!autonaming) return {};
  const isDisabled = autonaming.getMode() === messages.CheckRequest.AutonamingOptions.Mode.DISABLE;
  return { proposedName: isDisabled ? null : autonaming.getProposedName() };
}

servePlugin(handlers);
